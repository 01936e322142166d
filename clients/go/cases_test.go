package kvgate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/kvgate/kvgate/clients/go"
)

// value is a Go value, so that what the cases have goes through encoding/json both ways.
type value = map[string]any

// step is one call of a case, as clients/cases/README.md describes it.
type step struct {
	Call     string
	Store    string
	Key      string
	Value    value
	Text     *string
	TTL      *float64
	Raw      bool
	Keys     many
	Entries  many
	Prefix   string
	PageSize int `json:"page_size"`
	Expect   json.RawMessage
	Error    *expectedError
}

type expectedError struct {
	Code     string
	Reason   string
	Field    string
	Metadata map[string]string
}

// TestCases runs the cases that the clients of all languages must pass.
func TestCases(t *testing.T) {
	text, err := os.ReadFile(casesPath + "/cases.json")
	must(t, err)
	var cases []struct {
		Name  string
		Steps json.RawMessage
	}
	must(t, json.Unmarshal(text, &cases))
	for _, each := range cases {
		t.Run(each.Name, func(t *testing.T) {
			// Of a server that no other case uses: cull counts what they leave behind.
			client := connect(t, startServer(t, casesConfig(t)).address)
			var steps []step
			filledIn := bytes.ReplaceAll(each.Steps, []byte("{collection}"), []byte(each.Name))
			decoder := json.NewDecoder(bytes.NewReader(filledIn))
			decoder.DisallowUnknownFields()
			must(t, decoder.Decode(&steps))
			for n, s := range steps {
				answer, err := s.makeCall(t.Context(), client, each.Name)
				if err := s.check(answer, err); err != nil {
					t.Fatalf("step %d, %s: %v", n, s.Call, err)
				}
			}
		})
	}
}

func (s step) makeCall(ctx context.Context, client *kvgate.Client, name string) (any, error) {
	store := client.Store(s.Store)
	collection := store.Collection(name)
	switch s.Call {
	case "put":
		if s.Text != nil {
			return nil, collection.Put(ctx, s.Key, json.RawMessage(*s.Text), s.putOptions()...)
		}
		return nil, kvgate.Put(ctx, collection, s.Key, s.Value, s.putOptions()...)
	case "get":
		if s.Raw {
			entry, err := collection.Get(ctx, s.Key)
			return string(entry.Value), err
		}
		return orMissing(kvgate.Get[value](ctx, collection, s.Key))
	case "delete":
		return collection.Delete(ctx, s.Key)
	case "ttl":
		return orMissing(collection.TTL(ctx, s.Key))
	case "get_many":
		return valuesOf(collection.GetMany(ctx, s.Keys.keys()))
	case "ttl_many":
		return ttlsOf(collection.TTLMany(ctx, s.Keys.keys()))
	case "put_many":
		return nil, kvgate.PutMany(ctx, collection, s.Entries.all(), s.putOptions()...)
	case "delete_many":
		return collection.DeleteMany(ctx, s.Keys.keys())
	case "stream_get_many":
		return valuesOf(gather(collection.StreamGetMany(ctx, slices.Values(s.Keys.keys()))))
	case "stream_put_many":
		return kvgate.StreamPutMany(ctx, collection, s.Entries.all(), s.putOptions()...)
	case "list_keys":
		return sorted(gather(collection.ListKeys(ctx, s.listOptions()...)))
	case "list_collections":
		return sorted(gather(store.ListCollections(ctx, s.listOptions()...)))
	case "scan":
		items, err := gather(kvgate.Values[value](collection.Scan(ctx, s.listOptions()...)))
		scanned := map[string]value{}
		for _, item := range items {
			scanned[item.Key] = item.Value
		}
		return scanned, err
	case "delete_collection":
		return store.DeleteCollection(ctx, name)
	case "store_type":
		info, err := store.Describe(ctx)
		return info.Type, err
	case "cull":
		return store.Cull(ctx)
	}
	return nil, fmt.Errorf("the case has an unknown call: %s", s.Call)
}

func (s step) putOptions() []kvgate.PutOption {
	if s.TTL == nil {
		return nil
	}
	return []kvgate.PutOption{kvgate.WithTTL(time.Duration(*s.TTL * float64(time.Second)))}
}

func (s step) listOptions() []kvgate.ListOption {
	return []kvgate.ListOption{kvgate.WithPrefix(s.Prefix), kvgate.WithPageSize(s.PageSize)}
}

func (s step) check(answer any, err error) error {
	if s.Error != nil {
		return s.Error.check(err)
	}
	if err != nil || s.Expect == nil {
		return err
	}
	switch answer := answer.(type) {
	case time.Duration:
		return checkTTL(&answer, s.Expect)
	case []*time.Duration:
		var all []json.RawMessage
		if err := json.Unmarshal(s.Expect, &all); err != nil || len(all) != len(answer) {
			return fmt.Errorf("%d ttls instead of %s", len(answer), s.Expect)
		}
		for n, expected := range all {
			err = errors.Join(err, checkTTL(answer[n], expected))
		}
		return err
	case nil:
		if string(s.Expect) == `"missing"` {
			return nil
		}
	}
	return checkValue(answer, s.expected())
}

// expected is what the answer is to be, with what is repeated in full.
func (s step) expected() json.RawMessage {
	var entries many
	if err := json.Unmarshal(s.Expect, &entries); err != nil || entries.Repeat == nil {
		return s.Expect
	}
	var full any
	switch s.Call {
	case "list_keys":
		full = slices.Sorted(maps.Keys(maps.Collect(entries.all())))
	case "scan":
		full = maps.Collect(entries.all())
	default:
		var values []value
		for _, v := range entries.all() {
			values = append(values, v)
		}
		full = values
	}
	text, _ := json.Marshal(full)
	return text
}

func checkValue(answer any, expected json.RawMessage) error {
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	var got, wanted any
	if err := errors.Join(json.Unmarshal(text, &got), json.Unmarshal(expected, &wanted)); err != nil {
		return err
	}
	if !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("got %s instead of %s", text, expected)
	}
	return nil
}

func checkTTL(ttl *time.Duration, expected json.RawMessage) error {
	var between [2]float64
	switch {
	case string(expected) == `"missing"` && ttl == nil,
		string(expected) == `"forever"` && ttl != nil && *ttl == kvgate.Forever:
		return nil
	case ttl != nil && json.Unmarshal(expected, &between) == nil &&
		between[0] < ttl.Seconds() && ttl.Seconds() <= between[1]:
		return nil
	}
	return fmt.Errorf("got the ttl %v instead of %s", ttl, expected)
}

// Every error of the cases has a variable of its own for errors.Is.
var errorsByCode = map[string]error{
	"INVALID_ARGUMENT":    kvgate.ErrInvalidArgument,
	"NOT_FOUND":           kvgate.ErrStoreNotFound,
	"FAILED_PRECONDITION": kvgate.ErrReadOnly,
}

func (e *expectedError) check(err error) error {
	var failure *kvgate.Error
	if !errors.As(err, &failure) || !errors.Is(err, errorsByCode[e.Code]) {
		return fmt.Errorf("got the error %v instead of %s", err, e.Code)
	}
	var code codes.Code
	if err := code.UnmarshalJSON([]byte(`"` + e.Code + `"`)); err != nil {
		return err
	}
	if failure.Code != code || failure.Reason != e.Reason || e.Field != "" && failure.Field != e.Field {
		return fmt.Errorf("got %v, field %q, instead of %+v", failure, failure.Field, e)
	}
	for name, value := range e.Metadata {
		if failure.Metadata[name] != value {
			return fmt.Errorf("got the metadata %v instead of %v", failure.Metadata, e.Metadata)
		}
	}
	return nil
}

// many is a list of keys, or of pairs of key and value, or what is to be repeated in its place.
type many struct {
	list   []json.RawMessage
	Repeat *struct {
		Count int
		Key   string
		Value value
	}
}

func (m *many) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte("[")) {
		return json.Unmarshal(text, &m.list)
	}
	type plain many
	return json.Unmarshal(text, (*plain)(m))
}

func (m many) keys() []string {
	if m.Repeat != nil {
		var keys []string
		for key := range m.all() {
			keys = append(keys, key)
		}
		return keys
	}
	keys := make([]string, len(m.list))
	for n, text := range m.list {
		if err := json.Unmarshal(text, &keys[n]); err != nil {
			panic(err)
		}
	}
	return keys
}

func (m many) all() iter.Seq2[string, value] {
	return func(yield func(string, value) bool) {
		for _, text := range m.list {
			var key string
			var v value
			if err := json.Unmarshal(text, &[]any{&key, &v}); err != nil {
				panic(err)
			}
			if !yield(key, v) {
				return
			}
		}
		if m.Repeat == nil {
			return
		}
		for n := range m.Repeat.Count {
			v := maps.Clone(m.Repeat.Value)
			for name, member := range v {
				if member == "{n}" {
					v[name] = n
				}
			}
			if !yield(strings.ReplaceAll(m.Repeat.Key, "{n}", fmt.Sprint(n)), v) {
				return
			}
		}
	}
}

// orMissing turns a missing key into nil, as the cases write it.
func orMissing[T any](found T, err error) (any, error) {
	if errors.Is(err, kvgate.ErrNotFound) {
		return nil, nil
	}
	return found, err
}

func valuesOf(results []kvgate.Result, err error) (any, error) {
	values := []value{}
	for _, result := range results {
		var v value
		if err := result.Decode(&v); err != nil && !errors.Is(err, kvgate.ErrNotFound) {
			return nil, err
		}
		values = append(values, v)
	}
	return values, err
}

func ttlsOf(results []kvgate.TTLResult, err error) (any, error) {
	var ttls []*time.Duration
	for _, result := range results {
		switch {
		case result.Err == nil:
			ttls = append(ttls, &result.TTL)
		case errors.Is(result.Err, kvgate.ErrNotFound):
			ttls = append(ttls, nil)
		default:
			return nil, result.Err
		}
	}
	return ttls, err
}

func gather[T any](items iter.Seq2[T, error]) ([]T, error) {
	all := []T{}
	for item, err := range items {
		if err != nil {
			return all, err
		}
		all = append(all, item)
	}
	return all, nil
}

func sorted(names []string, err error) (any, error) {
	slices.Sort(names)
	return names, err
}
