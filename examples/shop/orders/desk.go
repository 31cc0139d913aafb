package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"time"

	rialto "rialto.dev/client"
)

const (
	orderWithin = 8 * time.Second
	// A price service answers at once, or is not there any more.
	priceWithin = 500 * time.Millisecond
	linesMax    = 20
	countMax    = 100
)

type line struct {
	Article string `json:"article"`
	Count   int    `json:"count"`
	// Cents of one.
	Cents int `json:"cents"`
}

type order struct {
	ID    string `json:"id"`
	Lines []line `json:"lines"`
}

// desk is where an order is worked on.
type desk struct {
	shop     *rialto.Namespace
	invoices *rialto.Jobs
}

func (d *desk) answer(event *rialto.Event) {
	ctx, cancel := context.WithTimeout(context.Background(), orderWithin)
	defer cancel()
	cents, err := d.take(ctx, event)
	if err != nil {
		log.Printf("orders: an order of %s: %v", event.User, err)
		err = event.ReplyError(context.Background(), err.Error())
	} else {
		err = event.Reply(context.Background(), map[string]int{"cents": cents})
	}
	if err != nil {
		log.Printf("orders: %s could not be told: %v", event.User, err)
	}
}

// take puts the invoice of an order into the queue, and says what it comes to. The same order again is the same invoice.
func (d *desk) take(ctx context.Context, event *rialto.Event) (cents int, err error) {
	var order order
	if err := event.JSON(&order); err != nil {
		return 0, fmt.Errorf("that is no order: %w", err)
	}
	if order.ID == "" || len(order.Lines) == 0 || len(order.Lines) > linesMax {
		return 0, fmt.Errorf("an order has a name and 1 to %d lines", linesMax)
	}
	for i := range order.Lines {
		line := &order.Lines[i]
		if line.Count < 1 || line.Count > countMax {
			return 0, fmt.Errorf("%d of %s cannot be ordered, only 1 to %d", line.Count, line.Article, countMax)
		}
		if line.Cents, err = d.price(ctx, line.Article); err != nil {
			return 0, err
		}
		cents += line.Count * line.Cents
	}
	_, err = d.invoices.Enqueue(ctx, rialto.NewJob{
		ID:      order.ID,
		Type:    "invoice",
		Payload: map[string]any{"customer": event.User, "lines": order.Lines},
		// The room is that of the user whom the server knows, whatever the order says. It is told how the job has ended.
		Notify: []rialto.JobNotify{{Room: "customer-" + event.User}},
	})
	if err != nil {
		return 0, fmt.Errorf("the invoice cannot be made: %w", err)
	}
	return cents, nil
}

// price asks any one price service. One that does not answer was killed, and another one is asked: that does no harm.
func (d *desk) price(ctx context.Context, article string) (int, error) {
	for {
		reply, err := d.shop.Call(ctx, rialto.Callee{AnyOf: "prices"}, "price", article, rialto.Timeout(priceWithin))
		if err == nil {
			return strconv.Atoi(reply.Text())
		}
		var failed *rialto.Error
		if !errors.As(err, &failed) {
			return 0, err
		}
		switch failed.Code {
		case "TIMED_OUT", "RECIPIENT_LEFT":
			if ctx.Err() == nil {
				continue
			}
		case "RECIPIENT_FAILED":
			return 0, errors.New(failed.Reason)
		}
		return 0, fmt.Errorf("nobody says what %s costs: %w", article, err)
	}
}
