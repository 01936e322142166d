package kvgate

import (
	"context"
	"errors"
	"fmt"
	"iter"

	keyvaluev1 "github.com/kvgate/kvgate/clients/go/gen/keyvalue/v1"
)

// StreamGetMany reads any number of keys, in their order, as fast as the results are taken. Leaving
// the loop ends the call on the server. An error ends the loop; that of one key alone is in its
// Result.
//
//	for result, err := range users.StreamGetMany(ctx, slices.Values(keys)) {
//		if err != nil {
//			return err
//		}
//		...
//	}
func (c *Collection) StreamGetMany(
	ctx context.Context, keys iter.Seq[string],
) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		if err := c.check(); err != nil {
			yield(Result{}, err)
			return
		}
		for batch, err := range inBatches(checkedKeys(keys), batchKeysMax, bytesOfKey) {
			if err != nil {
				yield(Result{}, err)
				return
			}
			if !c.streamBatch(ctx, batch, yield) {
				return
			}
		}
	}
}

// streamBatch reads the keys of one request, and says whether the loop goes on.
func (c *Collection) streamBatch(
	ctx context.Context, keys []string, yield func(Result, error) bool,
) bool {
	request := &keyvaluev1.StreamGetManyRequest{Store: c.store, Collection: c.name, Keys: keys}
	for answer, err := range receive(ctx, c.client.calls, c.client.keyValue.StreamGetMany, request) {
		if err != nil {
			yield(Result{}, err)
			return false
		}
		for _, result := range answer.GetResults() {
			if !yield(readResult(result), nil) {
				return false
			}
		}
	}
	return true
}

// Scan reads all entries, in no promised order. An error ends the loop; that of an entry that can't
// be read is in its Result.
func (c *Collection) Scan(ctx context.Context, options ...ListOption) iter.Seq2[Result, error] {
	return func(yield func(Result, error) bool) {
		prefix := newListOptions(options).prefix
		if err := errors.Join(c.check(), checkKey(prefix, "prefix")); err != nil {
			yield(Result{}, err)
			return
		}
		request := &keyvaluev1.ScanEntriesRequest{Store: c.store, Collection: c.name, Prefix: prefix}
		for answer, err := range receive(ctx, c.client.calls, c.client.keyValue.ScanEntries, request) {
			if err != nil {
				yield(Result{}, err)
				return
			}
			for _, entry := range answer.GetEntries() {
				if !yield(Result{Key: entry.GetKey(), Entry: readEntry(entry)}, nil) {
					return
				}
			}
			for _, failure := range answer.GetFailures() {
				if !yield(readResult(failure), nil) {
					return
				}
			}
		}
	}
}

// ListKeys lists all keys, fetched a page at a time. An error ends the loop.
func (c *Collection) ListKeys(ctx context.Context, options ...ListOption) iter.Seq2[string, error] {
	o := newListOptions(options)
	return pages(func(token string) ([]string, string, error) {
		if err := errors.Join(c.check(), checkKey(o.prefix, "prefix")); err != nil {
			return nil, "", err
		}
		answer, err := unary(ctx, c.client.calls, c.client.keyValue.ListKeys,
			&keyvaluev1.ListKeysRequest{
				Store:      c.store,
				Collection: c.name,
				Prefix:     o.prefix,
				PageSize:   o.pageSize,
				PageToken:  token,
			})
		return answer.GetKeys(), answer.GetNextPageToken(), err
	})
}

// pages gives what is on one page after another, each of which names the next.
func pages(fetch func(token string) ([]string, string, error)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		token := ""
		for {
			names, next, err := fetch(token)
			if err != nil {
				yield("", err)
				return
			}
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}

func checkedKeys(keys iter.Seq[string]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		n := 0
		for key := range keys {
			if !yield(key, checkKey(key, fmt.Sprintf("keys[%d]", n))) {
				return
			}
			n++
		}
	}
}

// bytesOfKey is how large a key is in its message, at most.
func bytesOfKey(key string) int {
	return len(key) + 8
}
