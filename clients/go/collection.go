package kvgate

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	keyvaluev1 "github.com/kvgate/kvgate/clients/go/gen/keyvalue/v1"
)

// Collection is the entries of one collection of one store. Its methods take and give values as JSON
// text; [Get], [Put] and their like take and give Go values.
type Collection struct {
	client *Client
	store  string
	name   string
}

// Name is the collection's name; empty for the store's default collection.
func (c *Collection) Name() string {
	return c.name
}

// Get returns the entry of a key, or ErrNotFound.
func (c *Collection) Get(ctx context.Context, key string) (Entry, error) {
	if err := errors.Join(c.check(), checkKey(key, "key")); err != nil {
		return Entry{}, err
	}
	request := &keyvaluev1.GetRequest{Store: c.store, Collection: c.name, Key: key}
	answer, err := unary(ctx, c.client.calls, c.client.keyValue.Get, request)
	if err != nil {
		return Entry{}, err
	}
	if answer.GetEntry() == nil {
		return Entry{}, ErrNotFound
	}
	return readEntry(answer.GetEntry()), nil
}

// TTL returns how long the entry of a key lives yet: Forever if it never expires, and ErrNotFound if
// there is none.
func (c *Collection) TTL(ctx context.Context, key string) (time.Duration, error) {
	_, ttl, err := c.GetWithTTL(ctx, key)
	return ttl, err
}

// GetWithTTL returns the entry of a key and how long it lives yet, or ErrNotFound.
func (c *Collection) GetWithTTL(ctx context.Context, key string) (Entry, time.Duration, error) {
	if err := errors.Join(c.check(), checkKey(key, "key")); err != nil {
		return Entry{}, 0, err
	}
	request := &keyvaluev1.TtlRequest{Store: c.store, Collection: c.name, Key: key}
	answer, err := unary(ctx, c.client.calls, c.client.keyValue.Ttl, request)
	if err != nil {
		return Entry{}, 0, err
	}
	if answer.GetEntry() == nil {
		return Entry{}, 0, ErrNotFound
	}
	return readEntry(answer.GetEntry()), readTTL(answer.GetTtl()), nil
}

// Put stores an entry and replaces what was there, its ttl included. The value is a JSON object, and
// stored letter for letter.
func (c *Collection) Put(
	ctx context.Context, key string, value json.RawMessage, options ...PutOption,
) error {
	if err := errors.Join(c.check(), checkKey(key, "key")); err != nil {
		return err
	}
	request := &keyvaluev1.PutRequest{
		Store: c.store, Collection: c.name, Key: key, Value: value, Ttl: newPutOptions(options).ttl,
	}
	_, err := unary(ctx, c.client.calls, c.client.keyValue.Put, request)
	return err
}

// Delete removes an entry and says whether there was one.
func (c *Collection) Delete(ctx context.Context, key string) (bool, error) {
	if err := errors.Join(c.check(), checkKey(key, "key")); err != nil {
		return false, err
	}
	request := &keyvaluev1.DeleteRequest{Store: c.store, Collection: c.name, Key: key}
	answer, err := unary(ctx, c.client.calls, c.client.keyValue.Delete, request)
	return answer.GetDeleted(), err
}

// GetMany returns what came of reading many keys, in their order.
func (c *Collection) GetMany(ctx context.Context, keys []string) ([]Result, error) {
	if err := errors.Join(c.check(), checkKeys(keys)); err != nil {
		return nil, err
	}
	request := &keyvaluev1.GetManyRequest{Store: c.store, Collection: c.name, Keys: keys}
	answer, err := unary(ctx, c.client.calls, c.client.keyValue.GetMany, request)
	if err != nil {
		return nil, err
	}
	results := make([]Result, 0, len(answer.GetResults()))
	for _, result := range answer.GetResults() {
		results = append(results, readResult(result))
	}
	return results, nil
}

// TTLMany returns what came of reading many keys, in their order, and how long each entry lives yet.
func (c *Collection) TTLMany(ctx context.Context, keys []string) ([]TTLResult, error) {
	if err := errors.Join(c.check(), checkKeys(keys)); err != nil {
		return nil, err
	}
	request := &keyvaluev1.TtlManyRequest{Store: c.store, Collection: c.name, Keys: keys}
	answer, err := unary(ctx, c.client.calls, c.client.keyValue.TtlMany, request)
	if err != nil {
		return nil, err
	}
	results := make([]TTLResult, 0, len(answer.GetResults()))
	for _, result := range answer.GetResults() {
		results = append(results, readTTLResult(result))
	}
	return results, nil
}

// PutMany stores many entries, as many as the server takes in one call (10,000 if it isn't told
// otherwise). If it fails, PutMany of the [*Error] says what is stored all the same.
func (c *Collection) PutMany(ctx context.Context, entries []NewEntry, options ...PutOption) error {
	if err := c.check(); err != nil {
		return err
	}
	putOptions := newPutOptions(options)
	request := &keyvaluev1.PutManyRequest{
		Store: c.store, Collection: c.name, Entries: make([]*keyvaluev1.PutEntry, 0, len(entries)),
	}
	for n, entry := range entries {
		encoded, err := encodeEntry(entry, n, putOptions)
		if err != nil {
			return ofPutMany(err, 0)
		}
		request.Entries = append(request.Entries, encoded)
	}
	_, err := unary(ctx, c.client.calls, c.client.keyValue.PutMany, request)
	return ofPutMany(err, 0)
}

// DeleteMany removes many entries and says how many there were. Keys that alone could not be removed
// are in the error, each as an [*Error] with its Key; the others are removed all the same.
func (c *Collection) DeleteMany(ctx context.Context, keys []string) (int, error) {
	if err := errors.Join(c.check(), checkKeys(keys)); err != nil {
		return 0, err
	}
	request := &keyvaluev1.DeleteManyRequest{Store: c.store, Collection: c.name, Keys: keys}
	answer, err := unary(ctx, c.client.calls, c.client.keyValue.DeleteMany, request)
	if err != nil {
		return 0, err
	}
	var failures []error
	for _, result := range answer.GetResults() {
		if result.GetError() != nil {
			failures = append(failures, ofKey(result.GetKey(), result.GetError()))
		}
	}
	return int(answer.GetDeletedCount()), errors.Join(failures...)
}

// check refuses names that can't be sent.
func (c *Collection) check() error {
	if err := checkText(c.store, "MALFORMED_REQUEST", "store"); err != nil {
		return err
	}
	return checkText(c.name, "INVALID_COLLECTION", "collection")
}

// ofPutMany says in an error, if it is one of ours, what is stored of the entries.
func ofPutMany(err error, acknowledged int) error {
	var failure *Error
	if errors.As(err, &failure) {
		return withPutMany(failure, acknowledged)
	}
	return err
}

// bytesOf is how large an entry is in its message.
func bytesOf(entry *keyvaluev1.PutEntry) int {
	return proto.Size(entry)
}
