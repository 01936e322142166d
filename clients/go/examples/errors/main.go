// What goes wrong and how it is told: go run ./examples/errors [ADDRESS].
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/kvgate/kvgate/clients/go"
)

func main() {
	address := "localhost:50051"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	if err := run(context.Background(), address); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, address string) error {
	client, err := kvgate.New(address, kvgate.WithTimeout(5*time.Second))
	if err != nil {
		return err
	}
	defer client.Close()

	// A key that isn't there.
	_, err = client.Collection("users").Get(ctx, "nobody")
	fmt.Println("missing:", errors.Is(err, kvgate.ErrNotFound))

	// A bad entry among many: nothing is stored.
	err = client.Collection("users").PutMany(ctx, []kvgate.NewEntry{
		{Key: "7", Value: []byte(`{"name": "Ada"}`)},
		{Key: "", Value: []byte(`{"name": "nobody"}`)},
	})
	var failure *kvgate.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Reason, "in", failure.Field)
	}

	// A store that isn't there.
	_, err = client.Store("elsewhere").Collection("users").Get(ctx, "7")
	if errors.Is(err, kvgate.ErrStoreNotFound) && errors.As(err, &failure) {
		fmt.Println("no store", failure.Metadata["store"])
	}

	// A server that isn't there.
	nobody, err := kvgate.New("localhost:1", kvgate.WithAttemptsMax(2))
	if err != nil {
		return err
	}
	defer nobody.Close()
	_, err = nobody.Collection("users").Get(ctx, "7")
	if errors.Is(err, kvgate.ErrUnavailable) && errors.As(err, &failure) {
		fmt.Println("not reached, tried", failure.Attempts, "times")
	}
	return nil
}
