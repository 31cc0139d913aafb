// Program orders is the order service of the shop: it takes orders, asks what they cost, and has invoices made.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	rialto "rialto.dev/client"
)

const (
	// The other orders wait, and when too many do the session reads no more.
	ordersAtOnce = 8
	leaveWithin  = 2 * time.Second
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, cmp.Or(os.Getenv("RIALTO_URL"), "http://127.0.0.1:7400")); err != nil {
		log.Fatalf("orders: %v", err)
	}
}

// serve takes orders until ctx is done, and ends well once all that were taken are answered.
func serve(ctx context.Context, url string) error {
	session, err := rialto.Connect(ctx, url, rialto.WithUser("orders"), rialto.WithWaitForServer())
	if err != nil {
		return err
	}
	defer session.Close(context.Background())
	client, err := rialto.NewClient(url)
	if err != nil {
		return err
	}
	defer client.Close()

	shop := session.Namespace("shop")
	room := shop.Room("orders")
	// Listening comes before joining: between the two an order would be heard by nobody.
	orders := room.On("order")
	if _, err := room.Join(ctx); err != nil {
		return err
	}
	fmt.Println("orders are taken")
	defer context.AfterFunc(ctx, func() { leave(room, orders) })()

	desk := &desk{shop: shop, invoices: client.Jobs("shop", "invoices")}
	var working sync.WaitGroup
	for range ordersAtOnce {
		working.Add(1)
		go func() {
			defer working.Done()
			for event := range orders.C {
				desk.answer(event)
			}
		}()
	}
	working.Wait()
	return orders.Err()
}

// leave has new orders go to others. What was heard before is still in the stream.
func leave(room *rialto.Room, orders *rialto.Stream[*rialto.Event]) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	if _, err := room.Part(ctx); err != nil {
		log.Printf("orders: leaving the room: %v", err)
	}
	orders.Close()
}
