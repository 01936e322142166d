package kvgate

import (
	"fmt"
	"iter"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "github.com/kvgate/kvgate/clients/go/gen/keyvalue/v1"
)

const (
	// batchEntriesMax is how many entries one batch of a bulk load has at most.
	batchEntriesMax = 1_000
	// batchKeysMax is how many keys one request of a bulk get has at most.
	batchKeysMax = 100_000
	// batchBytesMax is how many bytes a batch has at most. One entry that is larger is a batch by
	// itself.
	batchBytesMax = 1024 * 1024
)

// PutOption says how entries are to be stored.
type PutOption func(*putOptions)

// WithTTL says how long the entries live that have no ttl of their own.
func WithTTL(ttl time.Duration) PutOption {
	return func(o *putOptions) { o.ttl = encodeTTL(ttl) }
}

// WithOnStored has a function told, by StreamPutMany, how many entries are stored so far, as each
// batch is. Other calls have no use for it.
func WithOnStored(told func(stored int)) PutOption {
	return func(o *putOptions) { o.onStored = told }
}

type putOptions struct {
	ttl      *durationpb.Duration
	onStored func(stored int)
}

func newPutOptions(options []PutOption) putOptions {
	o := putOptions{onStored: func(int) {}}
	for _, option := range options {
		option(&o)
	}
	return o
}

// ListOption says what is to be listed, and how.
type ListOption func(*listOptions)

// WithPrefix leaves out what doesn't begin with the prefix.
func WithPrefix(prefix string) ListOption {
	return func(o *listOptions) { o.prefix = prefix }
}

// WithPageSize says how many names are fetched at once. 0 is as many as the server thinks fit. Scan
// has no pages.
func WithPageSize(names int) ListOption {
	return func(o *listOptions) { o.pageSize = int32(max(-1, min(names, 1<<30))) }
}

type listOptions struct {
	prefix   string
	pageSize int32
}

func newListOptions(options []ListOption) listOptions {
	var o listOptions
	for _, option := range options {
		option(&o)
	}
	return o
}

// encodeTTL writes a ttl as the message that carries it; nil is forever.
func encodeTTL(ttl time.Duration) *durationpb.Duration {
	if ttl == Forever {
		return nil
	}
	return durationpb.New(ttl)
}

// encodeEntry writes the entry that stands at an index among those given.
func encodeEntry(entry NewEntry, index int, options putOptions) (*keyvaluev1.PutEntry, error) {
	if err := checkKey(entry.Key, fmt.Sprintf("entries[%d].key", index)); err != nil {
		return nil, err
	}
	// The ttl of the request would also be that of entries which live forever, so each has its own.
	ttl := options.ttl
	if entry.TTL != 0 {
		ttl = encodeTTL(entry.TTL)
	}
	return &keyvaluev1.PutEntry{Key: entry.Key, Value: entry.Value, Ttl: ttl}, nil
}

func checkKey(key, field string) error {
	return checkText(key, "INVALID_KEY", field)
}

func checkKeys(keys []string) error {
	for n, key := range keys {
		if !utf8.ValidString(key) {
			return checkKey(key, fmt.Sprintf("keys[%d]", n))
		}
	}
	return nil
}

// checkText refuses what protobuf can't carry, and would say less clearly.
func checkText(text, reason, field string) error {
	if utf8.ValidString(text) {
		return nil
	}
	return invalid(reason, field, field+" is not UTF-8")
}

// inBatches parts items into batches, by count and by bytes. An error of the items comes after the
// batch of those before it.
func inBatches[T any](
	items iter.Seq2[T, error], countMax int, bytesOf func(T) int,
) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		var batch []T
		bytes := 0
		for item, err := range items {
			if err != nil {
				if len(batch) == 0 || yield(batch, nil) {
					yield(nil, err)
				}
				return
			}
			size := bytesOf(item)
			if len(batch) == countMax || len(batch) > 0 && bytes+size > batchBytesMax {
				if !yield(batch, nil) {
					return
				}
				batch, bytes = nil, 0
			}
			batch = append(batch, item)
			bytes += size
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}
