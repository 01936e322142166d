// Stores a session and reads it again: go run ./examples/quickstart [ADDRESS].
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

type session struct {
	Name string `json:"name"`
	Cart []int  `json:"cart"`
}

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
	client, err := kvgate.New(address)
	if err != nil {
		return err
	}
	defer client.Close()
	sessions := client.Collection("sessions")

	ada := session{Name: "Ada", Cart: []int{1, 2}}
	if err := kvgate.Put(ctx, sessions, "user-7", ada, kvgate.WithTTL(time.Hour)); err != nil {
		return err
	}
	found, err := kvgate.Get[session](ctx, sessions, "user-7")
	if err != nil {
		return err
	}
	fmt.Printf("%+v\n", found)

	if _, err = kvgate.Get[session](ctx, sessions, "user-8"); errors.Is(err, kvgate.ErrNotFound) {
		fmt.Println("user-8 has no session")
	} else if err != nil {
		return err
	}

	ttl, err := sessions.TTL(ctx, "user-7")
	if err != nil {
		return err
	}
	fmt.Printf("lives %.0f minutes more\n", ttl.Minutes())

	_, err = sessions.Delete(ctx, "user-7")
	return err
}
