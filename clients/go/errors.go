package kvgate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrNotFound is returned for a key that has no entry. It is no [*Error].
var ErrNotFound = errors.New("kvgate: no entry has this key")

// What errors.Is finds in an [*Error]. What callers can do nothing about, such as a fault of the server
// (codes.Internal), is none of these.
var (
	// ErrInvalidArgument: a name, value, ttl or page size that kvgate doesn't take; see Error.Field.
	ErrInvalidArgument = errors.New("kvgate: invalid argument")
	// ErrStoreNotFound: no store of that name is configured.
	ErrStoreNotFound = errors.New("kvgate: no such store")
	// ErrNotSupported: the store can't do this; see StoreInfo.Capabilities.
	ErrNotSupported = errors.New("kvgate: not supported")
	// ErrReadOnly: the store is configured to be read only.
	ErrReadOnly = errors.New("kvgate: read only")
	// ErrUnavailable: the server or the store's backend can't be reached, even by trying again. A
	// write may have taken place.
	ErrUnavailable = errors.New("kvgate: unavailable")
	// ErrResourceExhausted: too many calls, a full store or too large a message; see Error.Reason.
	ErrResourceExhausted = errors.New("kvgate: resource exhausted")
	// ErrDeadlineExceeded: the time was over. A write may have taken place. It is
	// context.DeadlineExceeded too.
	ErrDeadlineExceeded = errors.New("kvgate: deadline exceeded")
	// ErrCanceled: the context was canceled. A write may have taken place. It is context.Canceled
	// too.
	ErrCanceled = errors.New("kvgate: canceled")
	// ErrDataLoss: what is stored under the key can't be read as an entry.
	ErrDataLoss = errors.New("kvgate: data loss")
	// ErrUnauthenticated: the server wants a token or a certificate that it knows.
	ErrUnauthenticated = errors.New("kvgate: unauthenticated")
	// ErrPermissionDenied: the server, or the store's backend, doesn't allow it.
	ErrPermissionDenied = errors.New("kvgate: permission denied")
	// ErrClosed: the client was closed, before the call or during it.
	ErrClosed = errors.New("kvgate: client is closed")
)

// Error is a call that failed. It never holds a value or a secret.
//
//	var failure *kvgate.Error
//	if errors.As(err, &failure) {
//		log.Print(failure.Code, failure.Reason, failure.Metadata)
//	}
type Error struct {
	// Code is the gRPC status code.
	Code codes.Code
	// Reason is why, for programs: a name of the API's ErrorReason without its prefix, such as
	// "STORE_NOT_FOUND". It is empty if kvgate didn't say so, as when a connection breaks.
	Reason string
	// Message is why, for people.
	Message string
	// Metadata has facts such as store, limit and limit_name.
	Metadata map[string]string
	// Field is the part of the request that is wrong, such as "entries[1].key".
	Field string
	// Key is the key that alone failed, of many.
	Key string
	// RetryAfter is in how long the server asks to be called again, if it does.
	RetryAfter time.Duration
	// Attempts is how often the call was tried.
	Attempts int
	// PutMany says what was stored all the same, if PutMany or StreamPutMany failed.
	PutMany *PutManyFailure

	cause error
}

// PutManyFailure says what is stored of the entries that a failed PutMany or StreamPutMany was
// given.
type PutManyFailure struct {
	// Acknowledged is how many entries, counted from the first one given, belong to batches that
	// were stored as a whole. It is 0 for PutMany, which is one batch.
	Acknowledged int
	// Stored says which further entries are stored: their places among all given, from 0.
	Stored []int
	// Uncertain says whether entries that are neither acknowledged nor in Stored may be stored all
	// the same.
	Uncertain bool
	// FirstFailures are the first few entries that failed.
	FirstFailures []FailedEntry
}

// FailedEntry is an entry that was not stored.
type FailedEntry struct {
	// Index is the entry's place among all given, from 0.
	Index int
	// Key is the entry's key. A long one is cut.
	Key string
	// Err is why it was not stored.
	Err *Error
}

// Error says why, for people.
func (e *Error) Error() string {
	why := e.Reason
	if why == "" {
		why = e.Code.String()
	}
	return fmt.Sprintf("kvgate: %s (%s)", e.Message, why)
}

// Is finds the Err variable of the error, and those of package context.
func (e *Error) Is(wanted error) bool {
	switch wanted {
	case context.DeadlineExceeded:
		return e.Code == codes.DeadlineExceeded
	case context.Canceled:
		return e.kind() == ErrCanceled
	default:
		return wanted == e.kind()
	}
}

// Unwrap gives what lies below the error, such as the cause for which a context was canceled.
func (e *Error) Unwrap() error {
	return e.cause
}

// GRPCStatus is for status.FromError and status.Code.
func (e *Error) GRPCStatus() *status.Status {
	return status.New(e.Code, e.Message)
}

// DecodeError is a value that doesn't fit the type that it was to be read into. Unlike the error of
// encoding/json that lies below it, it shows nothing of the value.
type DecodeError struct {
	// Key is the key of the entry.
	Key string
	// Into is the type of what the value was to be read into: a pointer, if it is as it should be.
	Into reflect.Type

	cause error
}

// Error says which part of the value doesn't fit, if one is to blame.
func (e *DecodeError) Error() string {
	into := e.Into
	if into != nil && into.Kind() == reflect.Pointer {
		into = into.Elem()
	}
	var misfit *json.UnmarshalTypeError
	if errors.As(e.cause, &misfit) && misfit.Field != "" {
		return fmt.Sprintf("kvgate: %q of a value doesn't fit %v", misfit.Field, into)
	}
	return fmt.Sprintf("kvgate: a value can't be read as %v", into)
}

// Unwrap gives the error of encoding/json.
func (e *DecodeError) Unwrap() error {
	return e.cause
}

const (
	reasonStoreNotFound    = "STORE_NOT_FOUND"
	reasonReadOnly         = "READ_ONLY"
	reasonDeadlineExceeded = "DEADLINE_EXCEEDED"
	// The client's own, which no server sends.
	reasonClientClosed = "CLIENT_CLOSED"
)

// kind is the Err variable that the error matches; nil if there is none.
func (e *Error) kind() error {
	switch e.Reason {
	case reasonStoreNotFound:
		return ErrStoreNotFound
	case reasonReadOnly:
		return ErrReadOnly
	case reasonClientClosed:
		return ErrClosed
	}
	return kindsByCode[e.Code]
}

var kindsByCode = map[codes.Code]error{
	codes.InvalidArgument:   ErrInvalidArgument,
	codes.Unimplemented:     ErrNotSupported,
	codes.Unavailable:       ErrUnavailable,
	codes.ResourceExhausted: ErrResourceExhausted,
	codes.DeadlineExceeded:  ErrDeadlineExceeded,
	codes.Canceled:          ErrCanceled,
	codes.DataLoss:          ErrDataLoss,
	codes.Unauthenticated:   ErrUnauthenticated,
	codes.PermissionDenied:  ErrPermissionDenied,
}

// invalid is the error of a request that can't be sent, as the server would make it.
func invalid(reason, field, message string) *Error {
	return &Error{Code: codes.InvalidArgument, Reason: reason, Field: field, Message: message}
}

func closed(message string) *Error {
	return &Error{Code: codes.Canceled, Reason: reasonClientClosed, Message: message}
}
