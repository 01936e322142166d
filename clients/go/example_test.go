package kvgate_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"maps"
	"slices"
	"time"

	"github.com/kvgate/kvgate/clients/go"
)

type Session struct {
	Name string `json:"name"`
	Cart []int  `json:"cart"`
}

func Example() {
	ctx := context.Background()
	client, err := kvgate.New(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	sessions := client.Collection("example-sessions")
	ada := Session{Name: "Ada", Cart: []int{1, 2}}
	err = kvgate.Put(ctx, sessions, "user-7", ada, kvgate.WithTTL(time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	session, err := kvgate.Get[Session](ctx, sessions, "user-7")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.Name, session.Cart)
	_, err = kvgate.Get[Session](ctx, sessions, "user-8")
	fmt.Println(errors.Is(err, kvgate.ErrNotFound))
	// Output:
	// Ada [1 2]
	// true
}

func ExampleGetMany() {
	ctx := context.Background()
	client, err := kvgate.New(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	sessions := client.Collection("example-get-many")
	err = kvgate.PutMany(ctx, sessions, maps.All(map[string]Session{
		"user-7": {Name: "Ada"},
		"user-8": {Name: "Alan"},
	}))
	if err != nil {
		log.Fatal(err)
	}
	found, err := kvgate.GetMany[Session](ctx, sessions, []string{"user-7", "user-8", "user-9"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(found), found["user-7"].Name, found["user-8"].Name)
	// Output:
	// 2 Ada Alan
}

func ExampleCollection_StreamGetMany() {
	ctx := context.Background()
	client, err := kvgate.New(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	users := client.Collection("example-stream")
	if err := users.Put(ctx, "7", []byte(`{"name": "Ada"}`)); err != nil {
		log.Fatal(err)
	}
	for result, err := range users.StreamGetMany(ctx, slices.Values([]string{"7", "8"})) {
		if err != nil {
			log.Fatal(err)
		}
		if errors.Is(result.Err, kvgate.ErrNotFound) {
			fmt.Println(result.Key, "is missing")
			continue
		}
		fmt.Println(result.Key, string(result.Entry.Value))
	}
	// Output:
	// 7 {"name": "Ada"}
	// 8 is missing
}

func ExampleValues() {
	ctx := context.Background()
	client, err := kvgate.New(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	sessions := client.Collection("example-values")
	err = kvgate.Put(ctx, sessions, "user-7", Session{Name: "Ada"})
	if err != nil {
		log.Fatal(err)
	}
	for session, err := range kvgate.Values[Session](sessions.Scan(ctx)) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(session.Key, session.Value.Name)
	}
	// Output:
	// user-7 Ada
}

func ExampleError() {
	ctx := context.Background()
	client, err := kvgate.New(address)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	err = client.Store("sealed").Collection("users").Put(ctx, "7", []byte("{}"))
	var failure *kvgate.Error
	if errors.Is(err, kvgate.ErrReadOnly) && errors.As(err, &failure) {
		fmt.Println(failure.Code, failure.Reason, failure.Metadata["store"])
	}
	// Output:
	// FailedPrecondition READ_ONLY sealed
}

func ExampleClient_Shutdown() {
	client, err := kvgate.New(address)
	if err != nil {
		log.Fatal(err)
	}
	// Calls under way have five seconds to end.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Println(client.Shutdown(ctx))
	// Output:
	// <nil>
}
