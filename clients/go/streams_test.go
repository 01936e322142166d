package kvgate_test

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kvgate/kvgate/clients/go"
)

const manyEntries = 20_000

func TestManyGoAndCome(t *testing.T) {
	collection := connect(t, address).Collection("many-go")
	var told []int
	stored, err := collection.StreamPutMany(t.Context(), entries(manyEntries),
		kvgate.WithOnStored(func(stored int) { told = append(told, stored) }))
	must(t, err)
	equal(t, stored, manyEntries)
	equal(t, len(told), manyEntries/1_000)
	equal(t, told[0], 1_000)

	n := 0
	for result, err := range collection.StreamGetMany(t.Context(), keysOf(entries(manyEntries))) {
		must(t, err)
		equal(t, result.Key, fmt.Sprintf("key-%d", n))
		equal(t, string(result.Entry.Value), fmt.Sprintf(`{"n":%d}`, n))
		n++
	}
	equal(t, n, manyEntries)

	seen := map[string]bool{}
	for result, err := range collection.Scan(t.Context()) {
		must(t, err)
		seen[result.Key] = true
	}
	equal(t, len(seen), manyEntries)
}

func TestLargeValuesGoInSmallBatches(t *testing.T) {
	collection := connect(t, address).Collection("large")
	value := map[string]string{"text": strings.Repeat("x", 700_000)}
	source := func(yield func(string, map[string]string) bool) {
		for n := range 9 {
			if !yield(fmt.Sprint(n), value) {
				return
			}
		}
	}
	batches := 0
	stored, err := kvgate.StreamPutMany(t.Context(), collection, source,
		kvgate.WithOnStored(func(int) { batches++ }))
	must(t, err)
	equal(t, stored, 9)
	equal(t, batches, 9)
	items, err := gather(kvgate.Values[map[string]string](collection.Scan(t.Context())))
	must(t, err)
	equal(t, len(items), 9)
	for _, item := range items {
		equal(t, item.Value["text"] == value["text"], true)
	}
}

func TestKeysOfSeveralRequests(t *testing.T) {
	collection := connect(t, address).Collection("requests")
	must(t, collection.Put(t.Context(), "last", []byte("{}")))
	keys := func(yield func(string) bool) {
		padding := strings.Repeat("x", 1_000)
		for n := range 2_500 {
			if !yield(fmt.Sprintf("%d-%s", n, padding)) {
				return
			}
		}
		yield("last")
	}
	results, err := gather(collection.StreamGetMany(t.Context(), keys))
	must(t, err)
	equal(t, len(results), 2_501)
	equal(t, results[0].Err, kvgate.ErrNotFound)
	must(t, results[2_500].Err)
}

func TestASourceThatFailsEndsTheLoad(t *testing.T) {
	collection := connect(t, address).Collection("source")
	broken := errors.New("the source failed")
	source := func(yield func(kvgate.NewEntry, error) bool) {
		for entry, err := range entries(2_500) {
			if !yield(entry, err) {
				return
			}
		}
		yield(kvgate.NewEntry{}, broken)
	}
	stored, err := collection.StreamPutMany(t.Context(), source)
	equal(t, err, broken)
	// What came before the error is stored.
	equal(t, stored, 2_500)
	keys, err := gather(collection.ListKeys(t.Context()))
	must(t, err)
	equal(t, len(keys), 2_500)
}

func TestASourceAndALoadThatFailBothSaySo(t *testing.T) {
	s := startStub(t, nil, down)
	// The second of two batches fails, so that both are sent before the load can fail.
	broken := errors.New("the source failed")
	source := func(yield func(kvgate.NewEntry, error) bool) {
		for entry, err := range entries(2_000) {
			if !yield(entry, err) {
				return
			}
		}
		yield(kvgate.NewEntry{}, broken)
	}
	stored, err := connect(t, s.address).Collection("").StreamPutMany(t.Context(), source)
	equal(t, stored, 1_000)
	equal(t, errors.Is(err, broken), true)
	equal(t, mustBe(t, err, kvgate.ErrUnavailable).PutMany.Acknowledged, 1_000)
}

func TestABadEntrySaysWhereItStands(t *testing.T) {
	collection := connect(t, address).Collection("bad")
	for _, bad := range []kvgate.NewEntry{
		{Key: "", Value: []byte("{}")},           // the server refuses it
		{Key: "\xff", Value: []byte("{}")},       // this client does
		{Key: "key", Value: []byte("[]")},        // the server
		{Key: "k", Value: []byte("{}"), TTL: -1}, // the server
	} {
		source := func(yield func(kvgate.NewEntry, error) bool) {
			for entry, err := range entries(3_000) {
				if !yield(entry, err) {
					return
				}
			}
			yield(bad, nil)
		}
		stored, err := collection.StreamPutMany(t.Context(), source)
		failed := mustBe(t, err, kvgate.ErrInvalidArgument)
		equal(t, strings.HasPrefix(failed.Field, "entries[3000]."), true)
		equal(t, stored, 3_000)
		equal(t, failed.PutMany.Acknowledged, 3_000)
		equal(t, failed.PutMany.Uncertain, false)
	}
}

func TestTheStatusOfALoadThatEndsEarly(t *testing.T) {
	// The server answers while the client still writes.
	sealed := connect(t, address).Store("sealed").Collection("early")
	for range 20 {
		stored, err := sealed.StreamPutMany(t.Context(), entries(manyEntries))
		failed := mustBe(t, err, kvgate.ErrReadOnly)
		equal(t, stored, 0)
		equal(t, failed.PutMany.Uncertain, false)
	}
}

func TestAStreamLeftEarlyEndsOnTheServer(t *testing.T) {
	s := startStub(t)
	for _, err := range connect(t, s.address).Collection("").Scan(t.Context()) {
		must(t, err)
		break
	}
	equal(t, <-s.canceled, "ScanEntries")
}

func TestASourceIsLeftWhenTheLoadFails(t *testing.T) {
	sealed := connect(t, address).Store("sealed").Collection("left")
	left := false
	source := func(yield func(kvgate.NewEntry, error) bool) {
		defer func() { left = true }()
		for n := 0; yield(kvgate.NewEntry{Key: fmt.Sprint(n), Value: []byte("{}")}, nil); n++ {
		}
	}
	_, err := sealed.StreamPutMany(t.Context(), source)
	mustBe(t, err, kvgate.ErrReadOnly)
	equal(t, left, true)
}

func TestAStreamCanBeReadTwice(t *testing.T) {
	collection := connect(t, address).Collection("twice")
	_, err := collection.StreamPutMany(t.Context(), entries(10))
	must(t, err)
	streams := []iter.Seq2[kvgate.Result, error]{
		collection.Scan(t.Context()),
		collection.StreamGetMany(t.Context(), slices.Values([]string{"key-1", "key-2"})),
	}
	for n, count := range []int{10, 2} {
		for range 2 {
			results, err := gather(streams[n])
			must(t, err)
			equal(t, len(results), count)
		}
	}
}

func TestStreamsLeaveNoGoroutine(t *testing.T) {
	client := connect(t, address)
	collection := client.Collection("goroutines")
	must(t, collection.Put(t.Context(), "key", []byte("{}")))
	before := runtime.NumGoroutine()
	for range 20 {
		_, err := collection.StreamPutMany(t.Context(), entries(100))
		must(t, err)
		_, err = client.Store("sealed").Collection("").StreamPutMany(t.Context(), entries(100))
		mustBe(t, err, kvgate.ErrReadOnly)
		for range collection.Scan(t.Context()) {
			break
		}
	}
	until(t, func() bool {
		time.Sleep(time.Millisecond)
		return runtime.NumGoroutine() <= before
	})
}

func keysOf(entries iter.Seq2[kvgate.NewEntry, error]) iter.Seq[string] {
	return func(yield func(string) bool) {
		for entry := range entries {
			if !yield(entry.Key) {
				return
			}
		}
	}
}
