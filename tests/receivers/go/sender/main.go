// Command sender is the one sender of all systems; see ../../README.md for what it is told and what it says.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
)

// step is after how many events a receiver says how many it has; a rest comes after a multiple of it, so that the
// receiver has said all of them.
const step = 256

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func run(system, url, window string) error {
	inFlightMax, err := strconv.ParseInt(window, 10, 64)
	if err != nil {
		return err
	}
	voice, err := connect(system, url)
	if err != nil {
		return err
	}
	pacer := newPacer(voice, inFlightMax)
	fmt.Println("READY")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := pacer.told(lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// voice says events to the room; what was given to it is on its way when it returns.
type voice interface {
	say(count int) error
}

func connect(system, url string) (voice, error) {
	switch system {
	case "rialto":
		return connectRialto(url)
	case "nats":
		return connectNats(url)
	case "socketio":
		return connectSocketIO(url)
	}
	return nil, fmt.Errorf("no system is called %q", system)
}

var payload = strings.Repeat("x", 128)
