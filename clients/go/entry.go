package kvgate

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	keyvaluev1 "github.com/kvgate/kvgate/clients/go/gen/keyvalue/v1"
)

// Forever is the ttl of what never expires, or of what lives longer than a Duration can say (290
// years).
const Forever time.Duration = math.MaxInt64

// Entry is one stored entry. Printing or logging one doesn't show its value.
type Entry struct {
	// Key is the key exactly as it was put.
	Key string
	// Value is a JSON object, letter for letter as it was put.
	Value json.RawMessage
	// CreatedAt is when the entry was put; the zero time if the store does not know.
	CreatedAt time.Time
	// ExpiresAt is when the entry stops being visible; the zero time if it never does.
	ExpiresAt time.Time
}

// Decode reads the value by encoding/json. If it doesn't fit, the error is a [*DecodeError].
func (e Entry) Decode(into any) error {
	if text, is := into.(*json.RawMessage); is {
		*text = e.Value
		return nil
	}
	if err := json.Unmarshal(e.Value, into); err != nil {
		return &DecodeError{Key: e.Key, Into: reflect.TypeOf(into), cause: err}
	}
	return nil
}

// String says which entry it is, and how large.
func (e Entry) String() string {
	return fmt.Sprintf("entry %q of %d bytes", e.Key, len(e.Value))
}

// GoString is String, so that %#v shows no value either.
func (e Entry) GoString() string {
	return e.String()
}

// LogValue is String, for package slog.
func (e Entry) LogValue() slog.Value {
	return slog.StringValue(e.String())
}

// Result is what came of reading one key among many.
type Result struct {
	// Key is the key that was asked for.
	Key string
	// Entry is what was found. It is empty if Err is not nil.
	Entry Entry
	// Err is nil, or ErrNotFound, or why this key alone can't be read.
	Err error
}

// Decode reads the value by encoding/json, or returns Err.
func (r Result) Decode(into any) error {
	if r.Err != nil {
		return r.Err
	}
	return r.Entry.Decode(into)
}

// TTLResult is a Result with the time that the entry has left.
type TTLResult struct {
	Result
	// TTL is how long the entry lives yet. It is 0 if Err is not nil.
	TTL time.Duration
}

// NewEntry is one of many entries to store.
type NewEntry struct {
	// Key is the entry's key; not empty.
	Key string
	// Value is a JSON object, which is stored letter for letter.
	Value json.RawMessage
	// TTL is how long the entry lives. 0 is as long as the option WithTTL says, and without that
	// forever.
	TTL time.Duration
}

func readEntry(message *keyvaluev1.Entry) Entry {
	return Entry{
		Key:       message.GetKey(),
		Value:     message.GetValue(),
		CreatedAt: readTime(message.GetCreatedAt()),
		ExpiresAt: readTime(message.GetExpiresAt()),
	}
}

func readTime(message *timestamppb.Timestamp) time.Time {
	if message == nil {
		return time.Time{}
	}
	return message.AsTime()
}

func readTTL(message *durationpb.Duration) time.Duration {
	if message == nil {
		return Forever
	}
	return message.AsDuration()
}

func readResult(message *keyvaluev1.GetResult) Result {
	result := Result{Key: message.GetKey()}
	switch outcome := message.GetOutcome().(type) {
	case *keyvaluev1.GetResult_Entry:
		result.Entry = readEntry(outcome.Entry)
	case *keyvaluev1.GetResult_Error:
		result.Err = ofKey(result.Key, outcome.Error)
	default:
		result.Err = ErrNotFound
	}
	return result
}

func readTTLResult(message *keyvaluev1.TtlResult) TTLResult {
	result := TTLResult{Result: Result{Key: message.GetKey()}}
	switch {
	case message.GetError() != nil:
		result.Err = ofKey(result.Key, message.GetError())
	case message.GetEntry() == nil:
		result.Err = ErrNotFound
	default:
		result.Entry = readEntry(message.GetEntry())
		result.TTL = readTTL(message.GetTtl())
	}
	return result
}
