package kvgate

import (
	"context"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// calls makes the calls of a client: with a deadline, and more than once where that is safe.
type calls struct {
	connections *connections
	timeout     time.Duration
	attemptsMax int

	mu       sync.Mutex
	draining bool
	underWay sync.WaitGroup
	// cut is closed when what is under way is cut off.
	cut chan struct{}
}

func newCalls(connections *connections, timeout time.Duration, attemptsMax int) *calls {
	return &calls{
		connections: connections,
		timeout:     timeout,
		attemptsMax: attemptsMax,
		cut:         make(chan struct{}),
	}
}

// unary makes a call that may be repeated.
func unary[Q, A any](
	ctx context.Context,
	c *calls,
	method func(context.Context, *Q, ...grpc.CallOption) (*A, error),
	request *Q,
) (*A, error) {
	ctx, end, err := c.begin(ctx, c.timeout)
	if err != nil {
		return nil, err
	}
	defer end()
	for attempt := 1; ; attempt++ {
		answer, err := method(ctx, request)
		if err == nil {
			return answer, nil
		}
		if err := c.pauseAfter(ctx, err, attempt); err != nil {
			return nil, err
		}
	}
}

// receive makes a call that answers with a stream, which is repeated only before its first answer.
// The call ends when the caller is done with the stream, whatever is left of it.
func receive[Q, A any](
	ctx context.Context,
	c *calls,
	method func(context.Context, *Q, ...grpc.CallOption) (grpc.ServerStreamingClient[A], error),
	request *Q,
) iter.Seq2[*A, error] {
	return func(yield func(*A, error) bool) {
		ctx, end, err := c.begin(ctx, 0)
		if err != nil {
			yield(nil, err)
			return
		}
		defer end()
		for attempt := 1; ; attempt++ {
			answered := false
			answers, err := method(ctx, request)
			for err == nil {
				var answer *A
				if answer, err = answers.Recv(); err != nil {
					break
				}
				answered = true
				if !yield(answer, nil) {
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if answered {
				yield(nil, c.explain(ctx, err, attempt))
				return
			}
			if err := c.pauseAfter(ctx, err, attempt); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// begin registers a call, which the function that it returns ends. A timeout of 0 is none.
func (c *calls) begin(
	ctx context.Context, timeout time.Duration,
) (context.Context, context.CancelFunc, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return nil, nil, closed("the client is closed")
	}
	c.underWay.Add(1)
	var cancel context.CancelFunc
	if _, hasDeadline := ctx.Deadline(); hasDeadline || timeout == 0 {
		ctx, cancel = context.WithCancel(ctx)
	} else {
		ctx, cancel = context.WithTimeout(ctx, timeout)
	}
	return ctx, func() {
		cancel()
		c.underWay.Done()
	}, nil
}

// pauseAfter waits until a call that failed is to be tried again. It returns the error that the
// caller gets, if it is not.
func (c *calls) pauseAfter(ctx context.Context, err error, attempt int) error {
	failure := c.explain(ctx, err, attempt)
	pause, again := pauseBeforeRetry(failure, c.attemptsMax, rand.Float64())
	if !again {
		return failure
	}
	if deadline, has := ctx.Deadline(); has && pause >= time.Until(deadline) {
		return failure
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return c.explain(ctx, ctx.Err(), attempt)
	case <-c.cut:
		return closed("the client was closed during the call")
	}
}

// explain makes the error that callers get of one of gRPC's.
func (c *calls) explain(ctx context.Context, err error, attempt int) *Error {
	var failure *Error
	if !errors.As(err, &failure) {
		failure = fromStatus(status.Convert(err))
	}
	failure.Attempts = attempt
	if failure.Reason != "" {
		return failure
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded) || failure.Code == codes.DeadlineExceeded:
		failure.Code, failure.Reason = codes.DeadlineExceeded, reasonDeadlineExceeded
		failure.Message = "the deadline passed before the server answered"
		failure.cause = context.Cause(ctx)
	case ctx.Err() != nil:
		failure.Code, failure.Message = codes.Canceled, "the call's context was canceled"
		failure.cause = context.Cause(ctx)
	case failure.Code == codes.Canceled && c.isCut():
		failure = closed("the client was closed during the call")
		failure.Attempts = attempt
	}
	return failure
}

func (c *calls) isCut() bool {
	select {
	case <-c.cut:
		return true
	default:
		return false
	}
}

// drain refuses new calls and waits for those under way, until the context ends.
func (c *calls) drain(ctx context.Context) error {
	c.mu.Lock()
	c.draining = true
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		c.underWay.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close refuses new calls, cuts off those under way, and disconnects.
func (c *calls) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if c.isCut() {
		return nil
	}
	close(c.cut)
	return c.connections.close()
}
