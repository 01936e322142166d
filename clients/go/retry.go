package kvgate

import (
	"time"

	"google.golang.org/grpc/codes"
)

const (
	// retryDelayFirst is about how long a call waits before its second try. It doubles with each.
	retryDelayFirst = 50 * time.Millisecond
	// retryDelayMax is about how long it waits at most, unless the server asks for more.
	retryDelayMax = time.Second
)

// pauseBeforeRetry says how long to wait before a call is tried again, and whether it is to be.
// What is UNAVAILABLE is, and RESOURCE_EXHAUSTED where the server says when: too many calls at once
// pass, a full disk doesn't.
//
// random is from 0 to 1: the callers of a server that comes back should not call all at once.
func pauseBeforeRetry(failure *Error, attemptsMax int, random float64) (time.Duration, bool) {
	busy := failure.Code == codes.ResourceExhausted && failure.RetryAfter > 0
	if !busy && failure.Code != codes.Unavailable || failure.Attempts >= attemptsMax {
		return 0, false
	}
	backOff := retryDelayFirst
	for n := 1; n < failure.Attempts && backOff < retryDelayMax; n++ {
		backOff *= 2
	}
	backOff = min(backOff, retryDelayMax)
	return failure.RetryAfter + time.Duration(float64(backOff)*(0.5+random)), true
}
