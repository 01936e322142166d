// Package kvgate is the client of kvgate, one gRPC door to many key-value stores.
//
//	client, err := kvgate.New("localhost:50051")
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//
//	sessions := client.Collection("sessions")
//	err = kvgate.Put(ctx, sessions, "user-7", Session{Name: "Ada"}, kvgate.WithTTL(time.Hour))
//	...
//	session, err := kvgate.Get[Session](ctx, sessions, "user-7")
//	if errors.Is(err, kvgate.ErrNotFound) {
//		...
//	}
//
// # Values
//
// A value is a JSON object. The functions [Get], [Put], [GetMany], [PutMany], [StreamPutMany] and
// [Values] read and write Go values by encoding/json. The methods of [Collection] take and give the
// text as [encoding/json.RawMessage], letter for letter.
//
// Into an interface, encoding/json reads every number as a float64, which changes integers beyond
// 2^53. Read them into a type with integers, or take the text.
//
// # Deadlines and retries
//
// A context's deadline or cancellation ends a call, on the server too. A call that is no stream and
// whose context has no deadline gets one of [DefaultTimeout], or of [WithTimeout].
//
// A call that the server or a store's backend was not there for, or too busy, is tried again:
// see [WithAttemptsMax].
//
// # Errors
//
// A missing key is [ErrNotFound]. Every other call that fails returns an [*Error], which errors.Is
// finds to be one of the Err variables. A value that doesn't fit its type is a [*DecodeError].
package kvgate

// Version is the version of this client.
const Version = "0.1.0"
