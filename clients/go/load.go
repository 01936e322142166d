package kvgate

import (
	"context"
	"errors"
	"io"
	"iter"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	keyvaluev1 "github.com/kvgate/kvgate/clients/go/gen/keyvalue/v1"
)

// batchesWaitingMax is how many batches may be on their way before the next one waits for an
// acknowledgement. They are all the memory that a load takes.
const batchesWaitingMax = 4

// StreamPutMany stores any number of entries and says how many. They go in batches, of which a few
// wait for acknowledgement at once. An error among the entries ends the load, and is returned once
// what was sent before is stored. If the load itself fails, PutMany of the [*Error] says what is
// stored. It is never tried again.
func (c *Collection) StreamPutMany(
	ctx context.Context, entries iter.Seq2[NewEntry, error], options ...PutOption,
) (int, error) {
	if err := c.check(); err != nil {
		return 0, ofPutMany(err, 0)
	}
	putOptions := newPutOptions(options)
	l, err := c.beginLoad(ctx, putOptions.onStored)
	if err != nil {
		return 0, ofPutMany(err, 0)
	}
	defer l.end()
	var failed error
	for batch, err := range inBatches(encodeEntries(entries, putOptions), batchEntriesMax, bytesOf) {
		if err != nil {
			failed = err
			break
		}
		request := &keyvaluev1.StreamPutManyRequest{
			Store: c.store, Collection: c.name, Entries: batch,
		}
		if err := l.send(request); err != nil {
			return l.stored, err
		}
	}
	switch err := l.finish(); {
	case err != nil && failed != nil:
		return l.stored, errors.Join(err, failed)
	case err != nil:
		return l.stored, err
	}
	// All that was sent is stored: what could not be sent is the first that isn't.
	var failure *Error
	if errors.As(failed, &failure) && failure.PutMany == nil {
		failure.PutMany = &PutManyFailure{Acknowledged: l.stored}
	}
	return l.stored, failed
}

// encodeEntries writes entries as they come, until one has an error or can't be written.
func encodeEntries(
	entries iter.Seq2[NewEntry, error], options putOptions,
) iter.Seq2[*keyvaluev1.PutEntry, error] {
	return func(yield func(*keyvaluev1.PutEntry, error) bool) {
		n := 0
		for entry, err := range entries {
			var encoded *keyvaluev1.PutEntry
			if err == nil {
				encoded, err = encodeEntry(entry, n, options)
			}
			if !yield(encoded, err) || err != nil {
				return
			}
			n++
		}
	}
}

// load is a bulk load: batches on their way to the server, of which a few wait for acknowledgement.
type load struct {
	ctx      context.Context // of this one call
	calls    *calls
	end      context.CancelFunc
	call     grpc.BidiStreamingClient[keyvaluev1.StreamPutManyRequest, keyvaluev1.StreamPutManyResponse]
	onStored func(stored int)
	stored   int
	waiting  int
}

func (c *Collection) beginLoad(ctx context.Context, onStored func(int)) (*load, error) {
	ctx, end, err := c.client.calls.begin(ctx, 0)
	if err != nil {
		return nil, err
	}
	call, err := c.client.keyValue.StreamPutMany(ctx)
	if err != nil {
		defer end()
		return nil, c.client.calls.explain(ctx, err, 1)
	}
	return &load{ctx: ctx, calls: c.client.calls, end: end, call: call, onStored: onStored}, nil
}

// send sends a batch, when few enough are waiting.
func (l *load) send(request *keyvaluev1.StreamPutManyRequest) error {
	if l.waiting == batchesWaitingMax {
		if err := l.acknowledge(); err != nil {
			return err
		}
	}
	err := l.call.Send(request)
	l.waiting++
	if errors.Is(err, io.EOF) {
		// The server has ended the call, and says why after the acknowledgements that came before.
		for err = l.acknowledge(); err == nil; err = l.acknowledge() {
		}
		return err
	}
	if err != nil {
		return withPutMany(l.calls.explain(l.ctx, err, 1), l.stored)
	}
	return nil
}

// finish waits until all that was sent is stored.
func (l *load) finish() error {
	if err := l.call.CloseSend(); err != nil {
		return withPutMany(l.calls.explain(l.ctx, err, 1), l.stored)
	}
	for l.waiting > 0 {
		if err := l.acknowledge(); err != nil {
			return err
		}
	}
	// All is stored, whatever comes now; but a call that is cut off looks like a failed one to the
	// server, so its end is waited for.
	_, _ = l.call.Recv()
	return nil
}

// acknowledge waits until the oldest batch is stored.
func (l *load) acknowledge() error {
	answer, err := l.call.Recv()
	if errors.Is(err, io.EOF) {
		err = &Error{
			Code:    codes.Internal,
			Message: "the server ended the stream before it acknowledged every batch",
		}
	}
	if err != nil {
		return withPutMany(l.calls.explain(l.ctx, err, 1), l.stored)
	}
	l.waiting--
	l.stored += int(answer.GetStored())
	l.onStored(l.stored)
	return nil
}
