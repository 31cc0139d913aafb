// Package tally is what every receiver in Go says on its standard output; see ../../README.md.
package tally

import (
	"fmt"
	"io"
	"log"
	"os"
	"sync/atomic"
)

const (
	step         = 256
	payloadBytes = 128
)

var received atomic.Int64

// Ready says that events can come.
func Ready() {
	fmt.Println("READY")
}

// Count counts an event, and says so after each 256th.
func Count(text string) {
	if len(text) != payloadBytes {
		log.Fatalf("a payload of %d bytes", len(text))
	}
	if count := received.Add(1); count%step == 0 {
		fmt.Println(count)
	}
}

// ToldToEnd waits for the end of the standard input, and says how much has come.
func ToldToEnd() error {
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	fmt.Printf("{\"received\": %d}\n", received.Load())
	return nil
}
