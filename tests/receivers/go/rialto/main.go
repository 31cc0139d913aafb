// Command rialto receives by the client of Rialto: the channel of the events of a room.
package main

import (
	"context"
	"log"
	"os"

	rialto "rialto.dev/client"
	"rialto.dev/client/receivers/tally"
)

func main() {
	if err := receive(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func receive(ctx context.Context, url string) error {
	session, err := rialto.Connect(ctx, url, rialto.WithUser("receiver"))
	if err != nil {
		return err
	}
	defer session.Close(ctx)
	room := session.Namespace("bench").Room("bench-room")
	events := room.On("e")
	go func() {
		for event := range events.C {
			tally.Count(event.Text())
		}
	}()
	if _, err := room.Join(ctx); err != nil {
		return err
	}
	tally.Ready()
	return tally.ToldToEnd()
}
