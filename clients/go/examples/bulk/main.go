// Loads 100,000 entries, scans them, and removes them: go run ./examples/bulk [ADDRESS].
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/kvgate/kvgate/clients/go"
)

const count = 100_000

type reading struct {
	Celsius float64 `json:"celsius"`
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
	readings := client.Collection("readings")

	stored, err := kvgate.StreamPutMany(ctx, readings, measure,
		kvgate.WithTTL(time.Hour), kvgate.WithOnStored(progress))
	if err != nil {
		return err
	}
	fmt.Println("stored", stored)

	warmest := 0.0
	ofSensor := readings.Scan(ctx, kvgate.WithPrefix("sensor-1"))
	for item, err := range kvgate.Values[reading](ofSensor) {
		if err != nil {
			return err
		}
		warmest = max(warmest, item.Value.Celsius)
	}
	fmt.Println("the warmest of sensor 1:", warmest)

	_, err = client.Store("").DeleteCollection(ctx, readings.Name())
	return err
}

// measure gives the readings one by one: what is loaded need not fit in memory.
func measure(yield func(string, reading) bool) {
	for n := range count {
		key := fmt.Sprintf("sensor-%d/%d", n%3, n)
		if !yield(key, reading{Celsius: 15 + float64(n%100)/10}) {
			return
		}
	}
}

func progress(stored int) {
	if stored%25_000 == 0 {
		fmt.Println(stored, "of", count)
	}
}
