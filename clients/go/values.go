package kvgate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// Get returns the value of a key, read by encoding/json, or ErrNotFound.
func Get[T any](ctx context.Context, c *Collection, key string) (T, error) {
	var value T
	entry, err := c.Get(ctx, key)
	if err != nil {
		return value, err
	}
	err = entry.Decode(&value)
	return value, err
}

// Put stores a value, written by encoding/json as a JSON object, and replaces what was there, its
// ttl included. It does not escape <, > and &, which HTML alone asks for.
func Put[T any](
	ctx context.Context, c *Collection, key string, value T, options ...PutOption,
) error {
	encoded, err := encode(value, "value")
	if err != nil {
		return err
	}
	return c.Put(ctx, key, encoded, options...)
}

// GetMany returns the values of those keys that have one. Keys that can't be read, or not as a T,
// are in the error; the values of the others are returned all the same.
func GetMany[T any](ctx context.Context, c *Collection, keys []string) (map[string]T, error) {
	results, err := c.GetMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	values := make(map[string]T, len(results))
	var failures []error
	for _, result := range results {
		var value T
		switch err := result.Decode(&value); {
		case err == nil:
			values[result.Key] = value
		case !errors.Is(err, ErrNotFound):
			failures = append(failures, err)
		}
	}
	return values, errors.Join(failures...)
}

// PutMany stores many values, such as those of maps.All of a map, as [Collection.PutMany] does.
func PutMany[T any](
	ctx context.Context, c *Collection, values iter.Seq2[string, T], options ...PutOption,
) error {
	var entries []NewEntry
	for entry, err := range encodeValues(values) {
		if err != nil {
			return ofPutMany(err, 0)
		}
		entries = append(entries, entry)
	}
	return c.PutMany(ctx, entries, options...)
}

// StreamPutMany stores any number of values, as [Collection.StreamPutMany] does.
func StreamPutMany[T any](
	ctx context.Context, c *Collection, values iter.Seq2[string, T], options ...PutOption,
) (int, error) {
	return c.StreamPutMany(ctx, encodeValues(values), options...)
}

// Item is a value with its key.
type Item[T any] struct {
	Key   string
	Value T
}

// Values reads the values of a stream. Missing keys are left out. An entry that can't be read, or
// not as a T, is an error with its key; a loop may go on after it. An error without a key is the last.
//
//	for user, err := range kvgate.Values[User](users.Scan(ctx)) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(user.Key, user.Value.Name)
//	}
func Values[T any](results iter.Seq2[Result, error]) iter.Seq2[Item[T], error] {
	return func(yield func(Item[T], error) bool) {
		for result, err := range results {
			if errors.Is(result.Err, ErrNotFound) {
				continue
			}
			item := Item[T]{Key: result.Key}
			if err == nil {
				err = result.Decode(&item.Value)
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func encodeValues[T any](values iter.Seq2[string, T]) iter.Seq2[NewEntry, error] {
	return func(yield func(NewEntry, error) bool) {
		n := 0
		for key, value := range values {
			encoded, err := encode(value, fmt.Sprintf("entries[%d].value", n))
			if !yield(NewEntry{Key: key, Value: encoded}, err) || err != nil {
				return
			}
			n++
		}
	}
}

// encode writes a value as JSON. Text stays letter for letter, which encoding/json would compact.
func encode(value any, field string) (json.RawMessage, error) {
	if text, is := value.(json.RawMessage); is {
		return text, nil
	}
	var written bytes.Buffer
	encoder := json.NewEncoder(&written)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		failure := invalid("INVALID_VALUE", field, fmt.Sprintf("%s, a %T, can't be JSON", field, value))
		failure.cause = err
		return nil, failure
	}
	return bytes.TrimSuffix(written.Bytes(), []byte("\n")), nil
}
