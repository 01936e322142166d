package kvgate_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	keyvaluev1 "github.com/kvgate/kvgate/clients/go/gen/keyvalue/v1"
)

// stub is a server that fails as a test wants it to: with what is in failures, one a call, and then
// it answers. These are faults that a healthy kvgate doesn't show.
type stub struct {
	keyvaluev1.UnimplementedKeyValueServiceServer
	address string
	// proceed is what every call waits for.
	proceed chan struct{}
	// started and canceled get the name of each call that begins, and of each scan that is ended.
	started, canceled chan string
	// scanFailure is what a scan ends with after its first answer. Without it, it goes on.
	scanFailure error

	mu       sync.Mutex
	failures []error
	headers  []metadata.MD
}

func startStub(t *testing.T, failures ...error) *stub {
	t.Helper()
	return startStubOn(t, "127.0.0.1:0", failures...)
}

func startStubOn(t *testing.T, listen string, failures ...error) *stub {
	t.Helper()
	s := &stub{
		proceed:  make(chan struct{}),
		started:  make(chan string, 100),
		canceled: make(chan string, 100),
		failures: failures,
	}
	close(s.proceed)
	listener, err := net.Listen("tcp", listen)
	must(t, err)
	s.address = listener.Addr().String()
	server := grpc.NewServer()
	keyvaluev1.RegisterKeyValueServiceServer(server, s)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return s
}

// hold has all calls wait until the function that it returns is called.
func (s *stub) hold() func() {
	s.proceed = make(chan struct{})
	return sync.OnceFunc(func() { close(s.proceed) })
}

func (s *stub) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.headers)
}

func (s *stub) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headers = nil
}

func (s *stub) begin(ctx context.Context, name string) error {
	headers, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	s.headers = append(s.headers, headers)
	var failure error
	if len(s.failures) > 0 {
		failure, s.failures = s.failures[0], s.failures[1:]
	}
	s.mu.Unlock()
	select {
	case s.started <- name:
	default:
	}
	select {
	case <-s.proceed:
		return failure
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *stub) Get(
	ctx context.Context, request *keyvaluev1.GetRequest,
) (*keyvaluev1.GetResponse, error) {
	if err := s.begin(ctx, "Get"); err != nil {
		return nil, err
	}
	entry := &keyvaluev1.Entry{Key: request.GetKey(), Value: []byte("{}")}
	return &keyvaluev1.GetResponse{Entry: entry}, nil
}

func (s *stub) GetMany(
	ctx context.Context, request *keyvaluev1.GetManyRequest,
) (*keyvaluev1.GetManyResponse, error) {
	if err := s.begin(ctx, "GetMany"); err != nil {
		return nil, err
	}
	answer := &keyvaluev1.GetManyResponse{}
	for _, key := range request.GetKeys() {
		answer.Results = append(answer.Results, s.result(key))
	}
	return answer, nil
}

// result is an entry, but for the key "damaged".
func (s *stub) result(key string) *keyvaluev1.GetResult {
	if key == "damaged" {
		return &keyvaluev1.GetResult{Key: key, Outcome: &keyvaluev1.GetResult_Error{
			Error: status.Convert(failure(codes.DataLoss, "UNREADABLE_ENTRY", 0)).Proto(),
		}}
	}
	entry := &keyvaluev1.Entry{Key: key, Value: []byte("{}")}
	return &keyvaluev1.GetResult{Key: key, Outcome: &keyvaluev1.GetResult_Entry{Entry: entry}}
}

func (s *stub) PutMany(
	ctx context.Context, _ *keyvaluev1.PutManyRequest,
) (*keyvaluev1.PutManyResponse, error) {
	return &keyvaluev1.PutManyResponse{}, s.begin(ctx, "PutMany")
}

func (s *stub) DeleteMany(
	ctx context.Context, request *keyvaluev1.DeleteManyRequest,
) (*keyvaluev1.DeleteManyResponse, error) {
	answer := &keyvaluev1.DeleteManyResponse{}
	for _, key := range request.GetKeys() {
		result := &keyvaluev1.DeleteResult{Key: key, Error: s.result(key).GetError()}
		if result.Error == nil {
			result.Deleted = true
			answer.DeletedCount++
		}
		answer.Results = append(answer.Results, result)
	}
	return answer, s.begin(ctx, "DeleteMany")
}

// ScanEntries goes on until the caller ends it, or scanFailure does.
func (s *stub) ScanEntries(
	_ *keyvaluev1.ScanEntriesRequest,
	answers grpc.ServerStreamingServer[keyvaluev1.ScanEntriesResponse],
) error {
	if err := s.begin(answers.Context(), "ScanEntries"); err != nil {
		return err
	}
	for n := 0; ; n++ {
		entry := &keyvaluev1.Entry{Key: strconv.Itoa(n), Value: []byte("{}")}
		answer := &keyvaluev1.ScanEntriesResponse{Entries: []*keyvaluev1.Entry{entry}}
		if n == 0 {
			answer.Failures = []*keyvaluev1.GetResult{s.result("damaged")}
		}
		if err := answers.Send(answer); err != nil {
			s.canceled <- "ScanEntries"
			return err
		}
		if s.scanFailure != nil {
			return s.scanFailure
		}
	}
}

func (s *stub) StreamPutMany(
	call grpc.BidiStreamingServer[keyvaluev1.StreamPutManyRequest, keyvaluev1.StreamPutManyResponse],
) error {
	for {
		batch, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = s.begin(call.Context(), "StreamPutMany")
		}
		if err != nil {
			return err
		}
		stored := int64(len(batch.GetEntries()))
		if err := call.Send(&keyvaluev1.StreamPutManyResponse{Stored: stored}); err != nil {
			return err
		}
	}
}

// failure is an error as kvgate makes it. Without a reason it is one that a proxy could make.
func failure(
	code codes.Code, reason string, retryAfter time.Duration, details ...protoadapt.MessageV1,
) error {
	if reason != "" {
		details = append(details, &errdetails.ErrorInfo{Reason: reason, Domain: "kvgate.dev"})
	}
	if retryAfter != 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	}
	reported, err := status.New(code, "made to fail").WithDetails(details...)
	if err != nil {
		panic(err)
	}
	return reported.Err()
}
