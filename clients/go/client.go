package kvgate

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	keyvaluev1 "github.com/kvgate/kvgate/clients/go/gen/keyvalue/v1"
)

// Client is a client of one kvgate server, or of the several that share a name. It is made once and
// shared by all goroutines.
type Client struct {
	calls    *calls
	keyValue keyvaluev1.KeyValueServiceClient
	stores   keyvaluev1.StoreServiceClient
	store    string
}

// New makes a client. It connects at the first call, and again whenever that is needed.
//
// The address is HOST:PORT, a URL (http://…, https://…, unix:/PATH), or a target of gRPC's such as
// dns:///kvgate-headless:50051. All addresses that a name has get calls in turn.
func New(address string, options ...Option) (*Client, error) {
	settings, err := newSettings(address, options)
	if err != nil {
		return nil, fmt.Errorf("kvgate: %w", err)
	}
	connections, err := newConnections(settings)
	if err != nil {
		return nil, fmt.Errorf("kvgate: %w", err)
	}
	return &Client{
		calls:    newCalls(connections, settings.timeout, settings.attemptsMax),
		keyValue: keyvaluev1.NewKeyValueServiceClient(connections),
		stores:   keyvaluev1.NewStoreServiceClient(connections),
		store:    settings.store,
	}, nil
}

// Store is a store of the server. Its name is empty for the store of [WithStore], or else for the
// server's default store.
func (c *Client) Store(name string) *Store {
	if name == "" {
		name = c.store
	}
	return &Store{client: c, name: name}
}

// Collection is a collection of the store of [WithStore], or else of the server's default store. It
// need not be created. Its name is empty for the store's default collection.
func (c *Client) Collection(name string) *Collection {
	return c.Store("").Collection(name)
}

// ListStores describes the stores of the server, by name.
func (c *Client) ListStores(ctx context.Context) ([]StoreInfo, error) {
	answer, err := unary(ctx, c.calls, c.stores.ListStores, &keyvaluev1.ListStoresRequest{})
	if err != nil {
		return nil, err
	}
	stores := make([]StoreInfo, 0, len(answer.GetStores()))
	for _, store := range answer.GetStores() {
		stores = append(stores, readStoreInfo(store))
	}
	return stores, nil
}

// Conn is what generated code needs to make calls of its own by the client's connections, with its
// token and the trace of the context, but without its timeout, its retries and its errors.
func (c *Client) Conn() grpc.ClientConnInterface {
	return c.calls.connections
}

// Close disconnects at once. Calls under way end with [ErrClosed], and so do later ones.
func (c *Client) Close() error {
	return c.calls.close()
}

// Shutdown refuses new calls, waits for those under way, streams included, and disconnects. When
// the context ends first, they are cut off as by [Client.Close], and its error is returned.
func (c *Client) Shutdown(ctx context.Context) error {
	waited := c.calls.drain(ctx)
	if err := c.calls.close(); err != nil {
		return err
	}
	return waited
}
