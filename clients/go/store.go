package kvgate

import (
	"context"
	"iter"
	"strings"

	keyvaluev1 "github.com/kvgate/kvgate/clients/go/gen/keyvalue/v1"
)

// Store is one of the server's stores.
type Store struct {
	client *Client
	name   string
}

// Name is the store's name; empty for the server's default store.
func (s *Store) Name() string {
	return s.name
}

// Collection is a collection of the store. It need not be created. Its name is empty for the store's
// default collection.
func (s *Store) Collection(name string) *Collection {
	return &Collection{client: s.client, store: s.name, name: name}
}

// Describe says what the store is and can do.
func (s *Store) Describe(ctx context.Context) (StoreInfo, error) {
	if err := s.check(); err != nil {
		return StoreInfo{}, err
	}
	request := &keyvaluev1.GetStoreRequest{Store: s.name}
	answer, err := unary(ctx, s.client.calls, s.client.stores.GetStore, request)
	if err != nil {
		return StoreInfo{}, err
	}
	return readStoreInfo(answer.GetStore()), nil
}

// ListCollections lists all collections that hold entries, fetched a page at a time. An error ends
// the loop.
func (s *Store) ListCollections(
	ctx context.Context, options ...ListOption,
) iter.Seq2[string, error] {
	o := newListOptions(options)
	return pages(func(token string) ([]string, string, error) {
		if err := s.check(); err != nil {
			return nil, "", err
		}
		if err := checkText(o.prefix, "INVALID_COLLECTION", "prefix"); err != nil {
			return nil, "", err
		}
		answer, err := unary(ctx, s.client.calls, s.client.keyValue.ListCollections,
			&keyvaluev1.ListCollectionsRequest{
				Store:     s.name,
				Prefix:    o.prefix,
				PageSize:  o.pageSize,
				PageToken: token,
			})
		return answer.GetCollections(), answer.GetNextPageToken(), err
	})
}

// DeleteCollection removes a collection, which must be named, with all its entries, and says whether
// there were any.
func (s *Store) DeleteCollection(ctx context.Context, name string) (bool, error) {
	if err := s.Collection(name).check(); err != nil {
		return false, err
	}
	request := &keyvaluev1.DeleteCollectionRequest{Store: s.name, Collection: name}
	answer, err := unary(ctx, s.client.calls, s.client.stores.DeleteCollection, request)
	return answer.GetDeleted(), err
}

// Cull removes the expired entries that the store still holds and says how many there were.
func (s *Store) Cull(ctx context.Context) (int, error) {
	if err := s.check(); err != nil {
		return 0, err
	}
	request := &keyvaluev1.CullRequest{Store: s.name}
	answer, err := unary(ctx, s.client.calls, s.client.stores.Cull, request)
	return int(answer.GetCulledCount()), err
}

// Destroy removes all entries of all collections of the store, which must be named.
func (s *Store) Destroy(ctx context.Context) error {
	if err := s.check(); err != nil {
		return err
	}
	request := &keyvaluev1.DestroyStoreRequest{Store: s.name}
	_, err := unary(ctx, s.client.calls, s.client.stores.DestroyStore, request)
	return err
}

func (s *Store) check() error {
	return checkText(s.name, "MALFORMED_REQUEST", "store")
}

// StoreInfo is what the server says of one of its stores.
type StoreInfo struct {
	// Name is the name that calls use.
	Name string
	// Type is the type, as in the server's configuration: memory, disk, …
	Type string
	// Stability is what is promised about its stored form: STABLE, UNSTABLE or NOT_APPLICABLE.
	Stability string
	// Capabilities is what it can do beyond getting, putting and deleting.
	Capabilities Capabilities
	// Limits are its own limits, within the server's.
	Limits Limits
	// Description is the store with its wrappers and settings, for a person to read.
	Description string
	// IsDefault says whether calls that name no store use this one.
	IsDefault bool
}

// Capabilities is what a store can do beyond getting, putting and deleting.
type Capabilities struct {
	// ListKeys: Collection.ListKeys and Scan.
	ListKeys bool
	// ListCollections: Store.ListCollections.
	ListCollections bool
	// DeleteCollection: Store.DeleteCollection.
	DeleteCollection bool
	// Destroy: Store.Destroy.
	Destroy bool
	// Cull: Store.Cull. False too for a store that removes expired entries by itself.
	Cull bool
	// ExactValues: values come back letter for letter, not only as an equal JSON object.
	ExactValues bool
	// Persistent: entries outlive the server process.
	Persistent bool
	// Shared: other processes see the same entries.
	Shared bool
	// Retains: what was put can be read again. False only for a store that keeps nothing.
	Retains bool
	// Evicts: live entries may be dropped when the store is full, instead of refusing new ones.
	Evicts bool
}

// Limits are the largest things a store takes, in bytes. 0 is no limit but the server's.
type Limits struct {
	KeyBytesMax        int64
	CollectionBytesMax int64
	ValueBytesMax      int64
}

func readStoreInfo(message *keyvaluev1.Store) StoreInfo {
	can, limits := message.GetCapabilities(), message.GetLimits()
	return StoreInfo{
		Name:      message.GetName(),
		Type:      message.GetType(),
		Stability: strings.TrimPrefix(message.GetStability().String(), "STABILITY_"),
		Capabilities: Capabilities{
			ListKeys:         can.GetListKeys(),
			ListCollections:  can.GetListCollections(),
			DeleteCollection: can.GetDeleteCollection(),
			Destroy:          can.GetDestroy(),
			Cull:             can.GetCull(),
			ExactValues:      can.GetExactValues(),
			Persistent:       can.GetPersistent(),
			Shared:           can.GetShared(),
			Retains:          can.GetRetains(),
			Evicts:           can.GetEvicts(),
		},
		Limits: Limits{
			KeyBytesMax:        limits.GetKeyBytesMax(),
			CollectionBytesMax: limits.GetCollectionBytesMax(),
			ValueBytesMax:      limits.GetValueBytesMax(),
		},
		Description: message.GetDescription(),
		IsDefault:   message.GetIsDefault(),
	}
}
