package kvgate_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/kvgate/kvgate/clients/go"
)

type user struct {
	Name   string `json:"name"`
	Visits int64  `json:"visits"`
}

func TestValuesOfAType(t *testing.T) {
	users := connect(t, address).Collection("users")
	ada := user{Name: "<Ada & co>", Visits: 9_007_199_254_740_993}
	must(t, kvgate.Put(t.Context(), users, "ada", ada))
	got, err := kvgate.Get[user](t.Context(), users, "ada")
	must(t, err)
	equal(t, got, ada)
	entry, err := users.Get(t.Context(), "ada")
	must(t, err)
	equal(t, string(entry.Value), `{"name":"<Ada & co>","visits":9007199254740993}`)

	pointer, err := kvgate.Get[*user](t.Context(), users, "ada")
	must(t, err)
	equal(t, *pointer, ada)
	got, err = kvgate.Get[user](t.Context(), users, "nobody")
	equal(t, err, kvgate.ErrNotFound)
	equal(t, got, user{})
}

func TestRawMessagesStayLetterForLetter(t *testing.T) {
	collection := connect(t, address).Collection("raw")
	text := json.RawMessage("{ \"a\" : \"<\", \"a\":1.0 }")
	must(t, kvgate.Put(t.Context(), collection, "key", text))
	got, err := kvgate.Get[json.RawMessage](t.Context(), collection, "key")
	must(t, err)
	equal(t, string(got), string(text))
}

func TestAnEntryHasItsTimes(t *testing.T) {
	collection := connect(t, address).Collection("times")
	must(t, collection.Put(t.Context(), "key", []byte("{}"), kvgate.WithTTL(time.Minute)))
	entry, ttl, err := collection.GetWithTTL(t.Context(), "key")
	must(t, err)
	equal(t, entry.ExpiresAt.Sub(entry.CreatedAt), time.Minute)
	equal(t, ttl > 0 && ttl <= time.Minute, true)
	equal(t, time.Since(entry.CreatedAt).Abs() < 10*time.Minute, true)

	must(t, collection.Put(t.Context(), "key", []byte("{}"), kvgate.WithTTL(kvgate.Forever)))
	entry, ttl, err = collection.GetWithTTL(t.Context(), "key")
	must(t, err)
	equal(t, entry.ExpiresAt.IsZero(), true)
	equal(t, ttl, kvgate.Forever)
}

func TestTTLsOfTheirOwn(t *testing.T) {
	collection := connect(t, address).Collection("own-ttls")
	object := []byte("{}")
	must(t, collection.PutMany(t.Context(), []kvgate.NewEntry{
		{Key: "own", Value: object, TTL: time.Minute},
		{Key: "of the call", Value: object},
		{Key: "forever", Value: object, TTL: kvgate.Forever},
	}, kvgate.WithTTL(time.Hour)))
	keys := []string{"own", "of the call", "forever", "missing"}
	results, err := collection.TTLMany(t.Context(), keys)
	must(t, err)
	for n, longest := range []time.Duration{time.Minute, time.Hour} {
		must(t, results[n].Err)
		equal(t, results[n].TTL > longest/2 && results[n].TTL <= longest, true)
	}
	equal(t, results[2].TTL, kvgate.Forever)
	equal(t, results[3].Err, kvgate.ErrNotFound)
}

func TestMany(t *testing.T) {
	users := connect(t, address).Collection("many")
	all := map[string]user{"ada": {Name: "Ada"}, "alan": {Name: "Alan"}}
	must(t, kvgate.PutMany(t.Context(), users, maps.All(all)))
	got, err := kvgate.GetMany[user](t.Context(), users, []string{"ada", "nobody", "alan"})
	must(t, err)
	equal(t, maps.Equal(got, all), true)
	results, err := users.GetMany(t.Context(), []string{"nobody", "ada"})
	must(t, err)
	equal(t, results[0].Key, "nobody")
	equal(t, results[0].Err, kvgate.ErrNotFound)
	equal(t, results[1].Entry.Key, "ada")
}

func TestAKeyThatAloneCannotBeRead(t *testing.T) {
	collection := connect(t, startStub(t).address).Collection("")
	keys := []string{"a", "damaged", "b"}
	values, err := kvgate.GetMany[user](t.Context(), collection, keys)
	equal(t, mustBe(t, err, kvgate.ErrDataLoss).Key, "damaged")
	equal(t, len(values), 2)

	deleted, err := collection.DeleteMany(t.Context(), keys)
	equal(t, mustBe(t, err, kvgate.ErrDataLoss).Key, "damaged")
	equal(t, deleted, 2)

	var seen []string
	for item, err := range kvgate.Values[user](collection.Scan(t.Context())) {
		if err != nil {
			mustBe(t, err, kvgate.ErrDataLoss)
		}
		if seen = append(seen, item.Key); len(seen) == 3 {
			break
		}
	}
	equal(t, fmt.Sprint(seen), "[0 damaged 1]")
}

func TestValuesThatAreNoJSON(t *testing.T) {
	collection := connect(t, address).Collection("no-json")
	for _, bad := range []any{math.NaN(), map[string]any{"f": func() {}}, make(chan int)} {
		failed := mustBe(t, kvgate.Put(t.Context(), collection, "key", bad), kvgate.ErrInvalidArgument)
		equal(t, failed.Reason, "INVALID_VALUE")
		equal(t, failed.Field, "value")
	}
	// What is JSON and no object is refused by the server.
	mustBe(t, kvgate.Put(t.Context(), collection, "key", 7), kvgate.ErrInvalidArgument)
	mustBe(t, kvgate.Put[*user](t.Context(), collection, "key", nil), kvgate.ErrInvalidArgument)

	values := map[string]float64{"key": math.Inf(1)}
	failed := mustBe(t, kvgate.PutMany(t.Context(), collection, maps.All(values)),
		kvgate.ErrInvalidArgument)
	equal(t, failed.Field, "entries[0].value")
	equal(t, failed.PutMany.Uncertain, false)
}

func TestValuesThatDoNotFitTheType(t *testing.T) {
	users := connect(t, address).Collection("misfits")
	must(t, users.Put(t.Context(), "key", []byte(`{"visits": "secret"}`)))
	_, err := kvgate.Get[user](t.Context(), users, "key")
	var failed *kvgate.DecodeError
	var misfit *json.UnmarshalTypeError
	equal(t, errors.As(err, &failed) && errors.As(err, &misfit), true)
	equal(t, failed.Key, "key")
	equal(t, err.Error(), `kvgate: "visits" of a value doesn't fit kvgate_test.user`)
	must(t, users.Put(t.Context(), "key", []byte(`{"visits": 98765432109876543210}`)))
	_, err = kvgate.Get[user](t.Context(), users, "key")
	if err == nil || strings.Contains(err.Error(), "9876") {
		t.Errorf("the error should not show the value: %v", err)
	}
}

func TestDecodingIntoNoPointer(t *testing.T) {
	entry := kvgate.Entry{Key: "key", Value: []byte(`{"name": "Ada"}`)}
	for _, into := range []any{nil, user{}, (*user)(nil)} {
		var failed *kvgate.DecodeError
		err := entry.Decode(into)
		equal(t, errors.As(err, &failed), true)
		equal(t, strings.Contains(err.Error(), "Ada"), false)
	}
}

func TestNamesThatAreNoUTF8(t *testing.T) {
	client := connect(t, address)
	collection := client.Collection("no-names")
	bad := "\xff"
	_, err := collection.Get(t.Context(), bad)
	equal(t, mustBe(t, err, kvgate.ErrInvalidArgument).Field, "key")
	_, err = collection.GetMany(t.Context(), []string{"a", bad})
	equal(t, mustBe(t, err, kvgate.ErrInvalidArgument).Field, "keys[1]")
	_, err = client.Collection(bad).Delete(t.Context(), "key")
	equal(t, mustBe(t, err, kvgate.ErrInvalidArgument).Field, "collection")
	_, err = client.Store(bad).Cull(t.Context())
	equal(t, mustBe(t, err, kvgate.ErrInvalidArgument).Field, "store")
	_, err = gather(collection.Scan(t.Context(), kvgate.WithPrefix(bad)))
	equal(t, mustBe(t, err, kvgate.ErrInvalidArgument).Field, "prefix")
}

func TestPageSizes(t *testing.T) {
	collection := connect(t, address).Collection("pages")
	for _, size := range []int{-1, math.MinInt} {
		_, err := gather(collection.ListKeys(t.Context(), kvgate.WithPageSize(size)))
		equal(t, mustBe(t, err, kvgate.ErrInvalidArgument).Reason, "INVALID_PAGE_SIZE")
	}
	_, err := gather(collection.ListKeys(t.Context(), kvgate.WithPageSize(math.MaxInt)))
	must(t, err)
}

func TestPrintingAnEntryDoesNotShowItsValue(t *testing.T) {
	entry := kvgate.Entry{Key: "key", Value: []byte(`{"password":"secret"}`)}
	result := kvgate.Result{Key: "key", Entry: entry}
	var logged strings.Builder
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("found", "entry", entry)
	shown := fmt.Sprintf("%v %+v %#v %s %v", entry, entry, entry, entry, result) + logged.String()
	if strings.Contains(shown, "secret") || strings.Contains(shown, "112 97 115") {
		t.Errorf("it shows the value: %s", shown)
	}
}

func TestStores(t *testing.T) {
	client := connect(t, address)
	stores, err := client.ListStores(t.Context())
	must(t, err)
	equal(t, len(stores), 2)
	equal(t, stores[0].Name+" "+stores[1].Name, "main sealed")
	main, err := client.Store("").Describe(t.Context())
	must(t, err)
	equal(t, main.Type+" "+main.Stability, "memory NOT_APPLICABLE")
	equal(t, main.IsDefault && main.Capabilities.ListKeys && !main.Capabilities.Persistent, true)

	mustBe(t, client.Store("").Destroy(t.Context()), kvgate.ErrInvalidArgument)
	mustBe(t, client.Store("sealed").Destroy(t.Context()), kvgate.ErrReadOnly)
	_, err = client.Store("nowhere").Describe(t.Context())
	failed := mustBe(t, err, kvgate.ErrStoreNotFound)
	equal(t, failed.Metadata["store"], "nowhere")
	// A store that isn't there must not look like a key that isn't.
	equal(t, errors.Is(err, kvgate.ErrNotFound), false)
}

func TestDestroyingAStore(t *testing.T) {
	client := connect(t, startServer(t, casesConfig(t)).address, kvgate.WithStore("main"))
	must(t, client.Collection("c").Put(t.Context(), "key", []byte("{}")))
	must(t, client.Store("").Destroy(t.Context()))
	names, err := gather(client.Store("").ListCollections(t.Context()))
	must(t, err)
	equal(t, len(names), 0)
}

func TestTheStoreOfAClient(t *testing.T) {
	client := connect(t, address, kvgate.WithStore("sealed"))
	mustBe(t, client.Collection("c").Put(t.Context(), "key", []byte("{}")), kvgate.ErrReadOnly)
	must(t, client.Store("main").Collection("c").Put(t.Context(), "key", []byte("{}")))
	equal(t, client.Store("").Name(), "sealed")
	equal(t, client.Collection("c").Name(), "c")
}
