package kvgate_test

import (
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"github.com/kvgate/kvgate/clients/go"
	keyvaluev1 "github.com/kvgate/kvgate/clients/go/gen/keyvalue/v1"
)

var (
	down   = failure(codes.Unavailable, "STORE_UNAVAILABLE", 10*time.Millisecond)
	broken = failure(codes.Unavailable, "", 0)
	busy   = failure(codes.ResourceExhausted, "TOO_MANY_CALLS", 10*time.Millisecond)
	full   = failure(codes.ResourceExhausted, "STORE_FULL", 0)
	later  = failure(codes.Unavailable, "STORE_UNAVAILABLE", time.Hour)
)

func TestWhatMayPassIsTriedAgain(t *testing.T) {
	for _, fault := range []error{down, broken, busy} {
		s := startStub(t, fault, fault, fault)
		_, err := connect(t, s.address).Collection("").Get(t.Context(), "key")
		must(t, err)
		equal(t, s.calls(), 4)
	}
}

func TestNoMoreOftenThanTold(t *testing.T) {
	s := startStub(t, down, down, down, down)
	client := connect(t, s.address, kvgate.WithAttemptsMax(3))
	_, err := client.Collection("").Get(t.Context(), "key")
	failed := mustBe(t, err, kvgate.ErrUnavailable)
	equal(t, failed.Attempts, 3)
	equal(t, s.calls(), 3)
	equal(t, failed.Reason, "STORE_UNAVAILABLE")
	equal(t, failed.RetryAfter, 10*time.Millisecond)
}

func TestWhatDoesNotPassIsNotTriedAgain(t *testing.T) {
	s := startStub(t, full)
	_, err := connect(t, s.address).Collection("").Get(t.Context(), "key")
	equal(t, mustBe(t, err, kvgate.ErrResourceExhausted).Attempts, 1)
	equal(t, s.calls(), 1)
}

func TestNoRetryBeyondTheDeadline(t *testing.T) {
	s := startStub(t, later)
	_, err := connect(t, s.address).Collection("").Get(t.Context(), "key")
	mustBe(t, err, kvgate.ErrUnavailable)
	equal(t, s.calls(), 1)
}

func TestClosingEndsThePauseBeforeARetry(t *testing.T) {
	s := startStub(t, later)
	client := connect(t, s.address, kvgate.WithTimeout(0))
	result := make(chan error)
	go func() {
		_, err := client.Collection("").Get(t.Context(), "key")
		result <- err
	}()
	<-s.started
	must(t, client.Close())
	mustBe(t, <-result, kvgate.ErrClosed)
}

func TestAStreamIsTriedAgainBeforeItsFirstAnswer(t *testing.T) {
	s := startStub(t, down)
	for result, err := range connect(t, s.address).Collection("").Scan(t.Context()) {
		must(t, err)
		equal(t, result.Key, "0")
		break
	}
	equal(t, s.calls(), 2)
}

func TestAStreamIsNotTriedAgainAfterItsFirstAnswer(t *testing.T) {
	s := startStub(t)
	s.scanFailure = down
	results, err := gather(connect(t, s.address).Collection("").Scan(t.Context()))
	mustBe(t, err, kvgate.ErrUnavailable)
	equal(t, len(results), 2)
	equal(t, s.calls(), 1)
}

func TestABulkLoadIsNeverTriedAgain(t *testing.T) {
	s := startStub(t, nil, down)
	stored, err := connect(t, s.address).Collection("").StreamPutMany(t.Context(), entries(2_500))
	failed := mustBe(t, err, kvgate.ErrUnavailable)
	equal(t, stored, 1_000)
	equal(t, failed.PutMany.Acknowledged, 1_000)
}

func TestWhatAnEarlierTryStoredIsNotKnown(t *testing.T) {
	s := startStub(t, down, failure(codes.FailedPrecondition, "READ_ONLY", 0))
	collection := connect(t, s.address).Collection("")
	failed := mustBe(t, collection.PutMany(t.Context(), nil), kvgate.ErrReadOnly)
	equal(t, failed.Attempts, 2)
	equal(t, failed.PutMany.Uncertain, true)
}

func TestWhatAFailedBatchStored(t *testing.T) {
	detail := &keyvaluev1.PutManyFailure{
		StoredBitmap: []byte{0b101, 0b10},
		StoredCount:  3,
		FirstFailures: []*keyvaluev1.FailedEntry{
			{Index: 1, Key: "b", Error: status.Convert(down).Proto()},
		},
	}
	fault := failure(codes.Internal, "INTERNAL", 0, protoadapt.MessageV1Of(detail))
	s := startStub(t, nil, fault)
	_, err := connect(t, s.address).Collection("").StreamPutMany(t.Context(), entries(2_000))
	var failed *kvgate.Error
	if !errors.As(err, &failed) {
		t.Fatal(err)
	}
	equal(t, failed.PutMany.Acknowledged, 1_000)
	equal(t, fmt.Sprint(failed.PutMany.Stored), "[1000 1002 1009]")
	equal(t, failed.PutMany.Uncertain, false)
	first := failed.PutMany.FirstFailures[0]
	equal(t, first.Index, 1_001)
	equal(t, first.Key, "b")
	mustBe(t, first.Err, kvgate.ErrUnavailable)
}

func TestAServerThatIsNotThere(t *testing.T) {
	client := connect(t, "127.0.0.1:1")
	failed := mustBe(t, client.Collection("").PutMany(t.Context(), nil), kvgate.ErrUnavailable)
	equal(t, failed.Reason, "")
	equal(t, failed.Attempts, kvgate.DefaultAttemptsMax)
	equal(t, failed.PutMany.Uncertain, true)
}

func entries(count int) iter.Seq2[kvgate.NewEntry, error] {
	return func(yield func(kvgate.NewEntry, error) bool) {
		for n := range count {
			entry := kvgate.NewEntry{
				Key:   fmt.Sprintf("key-%d", n),
				Value: fmt.Appendf(nil, `{"n":%d}`, n),
			}
			if !yield(entry, nil) {
				return
			}
		}
	}
}
