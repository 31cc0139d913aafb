// Command nats receives by nats.go: a subscription with a callback, as its documentation begins.
package main

import (
	"log"
	"os"

	"github.com/nats-io/nats.go"
	"rialto.dev/client/receivers/tally"
)

func main() {
	if err := receive(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func receive(url string) error {
	client, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.Subscribe("bench-room", func(message *nats.Msg) { tally.Count(string(message.Data)) }); err != nil {
		return err
	}
	if err := client.Flush(); err != nil {
		return err
	}
	tally.Ready()
	return tally.ToldToEnd()
}
