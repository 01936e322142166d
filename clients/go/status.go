package kvgate

import (
	"fmt"
	"regexp"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	keyvaluev1 "github.com/kvgate/kvgate/clients/go/gen/keyvalue/v1"
)

const errorDomain = "kvgate.dev"

// fromStatus reads what the server, or gRPC itself, reports.
func fromStatus(reported *status.Status) *Error {
	failure := &Error{Code: reported.Code(), Message: reported.Message()}
	for _, detail := range reported.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == errorDomain {
				failure.Reason, failure.Metadata = detail.GetReason(), detail.GetMetadata()
			}
		case *errdetails.BadRequest:
			if violations := detail.GetFieldViolations(); len(violations) > 0 {
				failure.Field = violations[0].GetField()
			}
		case *errdetails.RetryInfo:
			failure.RetryAfter = detail.GetRetryDelay().AsDuration()
		case *keyvaluev1.PutManyFailure:
			failure.PutMany = readPutManyFailure(detail)
		}
	}
	return failure
}

// ofKey reads the error of one key among many, in an answer that is none by itself.
func ofKey(key string, reported *statuspb.Status) *Error {
	failure := fromStatus(status.FromProto(reported))
	failure.Key, failure.Attempts = key, 1
	return failure
}

func readPutManyFailure(message *keyvaluev1.PutManyFailure) *PutManyFailure {
	failure := &PutManyFailure{
		Stored:    setBits(message.GetStoredBitmap()),
		Uncertain: message.GetUncertain(),
	}
	for _, failed := range message.GetFirstFailures() {
		failure.FirstFailures = append(failure.FirstFailures, FailedEntry{
			Index: int(failed.GetIndex()),
			Key:   failed.GetKey(),
			Err:   ofKey(failed.GetKey(), failed.GetError()),
		})
	}
	return failure
}

func setBits(bitmap []byte) []int {
	var places []int
	for at, bits := range bitmap {
		for bit := range 8 {
			if bits>>bit&1 == 1 {
				places = append(places, 8*at+bit)
			}
		}
	}
	return places
}

// withPutMany says in the error of a batch what is stored, the acknowledged entries of earlier
// batches included.
func withPutMany(failure *Error, acknowledged int) *Error {
	if failure.PutMany == nil {
		failure.PutMany = &PutManyFailure{Uncertain: maybeStored(failure)}
	}
	// What the last try didn't store, an earlier one may have.
	failure.PutMany.Uncertain = failure.PutMany.Uncertain || failure.Attempts > 1
	failure.PutMany.Acknowledged = acknowledged
	for n := range failure.PutMany.Stored {
		failure.PutMany.Stored[n] += acknowledged
	}
	for n := range failure.PutMany.FirstFailures {
		failure.PutMany.FirstFailures[n].Index += acknowledged
	}
	failure.Field = shiftIndex(failure.Field, acknowledged)
	return failure
}

// maybeStored says whether a batch of which nothing is said to be stored may be all the same. The
// server says nothing if nothing is; but who got no answer, or too late, can't know.
func maybeStored(failure *Error) bool {
	return failure.Reason == "" ||
		failure.Code == codes.DeadlineExceeded ||
		failure.Code == codes.Canceled ||
		failure.Metadata["outcome"] == "may_have_happened"
}

var entryIndex = regexp.MustCompile(`^entries\[(\d+)\]`)

// shiftIndex turns the place of an entry in its batch to that among all entries given.
func shiftIndex(field string, by int) string {
	found := entryIndex.FindStringSubmatch(field)
	if found == nil {
		return field
	}
	index, err := strconv.Atoi(found[1])
	if err != nil {
		return field
	}
	return fmt.Sprintf("entries[%d]%s", index+by, field[len(found[0]):])
}
