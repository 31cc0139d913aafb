package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	rialto "rialto.dev/client"
)

// told is a JSON object on its way out.
type told = map[string]any

var writing sync.Mutex

func write(line told) {
	written, err := json.Marshal(line)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	writing.Lock()
	defer writing.Unlock()
	if _, err := os.Stdout.Write(append(written, '\n')); err != nil {
		os.Exit(1)
	}
}

// answer ends a command.
func answer(id uint64, done any, err error) {
	switch {
	case err != nil:
		write(told{"id": id, "failed": failure(err)})
	case done == nil:
		write(told{"id": id, "done": told{}})
	default:
		write(told{"id": id, "done": done})
	}
}

// tell is a report about somebody.
func tell(by, kind string, what any) { write(told{"by": by, kind: what}) }

// notHere is something that only this driver has to say.
func notHere(reason string) error { return &rialto.Error{Kind: rialto.Other, Reason: reason} }

func failure(err error) told {
	var failed *rialto.Error
	if !errors.As(err, &failed) {
		return told{"kind": "other", "reason": err.Error()}
	}
	made := told{"kind": failed.Kind, "code": failed.Code, "reason": failed.Reason, "advice": failed.Advice, "limit": failed.Limit, "may_have_happened": failed.MayHaveHappened}
	if failed.Advice == rialto.Later {
		made["after_ms"] = failed.After.Milliseconds()
	}
	for key, value := range made {
		if fmt.Sprint(value) == "" {
			delete(made, key)
		}
	}
	return made
}

func codeOf(err error) string {
	var failed *rialto.Error
	if errors.As(err, &failed) {
		return failed.Code
	}
	return ""
}
