package kvgate_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/kvgate/kvgate/clients/go"
	keyvaluev1 "github.com/kvgate/kvgate/clients/go/gen/keyvalue/v1"
)

func TestADeadlineEndsTheCall(t *testing.T) {
	s := startStub(t)
	defer s.hold()()
	client := connect(t, s.address, kvgate.WithTimeout(100*time.Millisecond))
	err := client.Collection("").PutMany(t.Context(), nil)
	failed := mustBe(t, err, kvgate.ErrDeadlineExceeded)
	equal(t, errors.Is(err, context.DeadlineExceeded), true)
	equal(t, status.Code(err), codes.DeadlineExceeded)
	equal(t, failed.PutMany.Uncertain, true)
}

func TestTheDeadlineOfAContextComesFirst(t *testing.T) {
	s := startStub(t)
	defer s.hold()()
	collection := connect(t, s.address, kvgate.WithTimeout(time.Hour)).Collection("")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := collection.Get(ctx, "key")
	mustBe(t, err, kvgate.ErrDeadlineExceeded)
	_, err = collection.StreamPutMany(ctx, entries(1))
	mustBe(t, err, kvgate.ErrDeadlineExceeded)
}

func TestACanceledContextSaysWhy(t *testing.T) {
	s := startStub(t)
	defer s.hold()()
	collection := connect(t, s.address).Collection("")
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the user went away")
	go func() {
		<-s.started
		cancel(reason)
	}()
	_, err := collection.Get(ctx, "key")
	mustBe(t, err, kvgate.ErrCanceled)
	equal(t, errors.Is(err, context.Canceled), true)
	equal(t, errors.Is(err, reason), true)
	equal(t, errors.Is(err, kvgate.ErrClosed), false)
}

func TestMetadataTokenAndTraceArePassedOn(t *testing.T) {
	s := startStub(t)
	client := connect(t, s.address, kvgate.WithToken("secret"))
	span := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{7}, SpanID: trace.SpanID{8}, TraceFlags: trace.FlagsSampled,
	})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request", "7")
	traced := trace.ContextWithSpanContext(ctx, span)
	_, err := client.Collection("").Get(traced, "key")
	must(t, err)
	_, err = client.Collection("").StreamPutMany(ctx, entries(1))
	must(t, err)
	_, err = keyvaluev1.NewKeyValueServiceClient(client.Conn()).Get(ctx, &keyvaluev1.GetRequest{})
	must(t, err)
	wanted := fmt.Sprintf("00-%s-%s-01", span.TraceID(), span.SpanID())
	for n, parent := range []string{wanted, "", ""} {
		headers := s.headers[n]
		equal(t, strings.Join(headers.Get("traceparent"), " "), parent)
		equal(t, strings.Join(headers.Get("x-request"), " "), "7")
		equal(t, strings.Join(headers.Get("authorization"), " "), "Bearer secret")
		agent := strings.Join(headers.Get("user-agent"), " ")
		equal(t, strings.HasPrefix(agent, "kvgate-go/"+kvgate.Version+" "), true)
	}
	if shown := fmt.Sprintf("%+v %#v", client, client); strings.Contains(shown, "secret") {
		t.Error("printing the client shows its token")
	}
}

func TestAClosedClientRefusesCalls(t *testing.T) {
	client := connect(t, address)
	collection := client.Collection("closed")
	_, _ = collection.Get(t.Context(), "key")
	must(t, client.Close())
	must(t, client.Close())
	_, err := collection.Get(t.Context(), "key")
	mustBe(t, err, kvgate.ErrClosed)
	_, err = collection.StreamPutMany(t.Context(), entries(1))
	mustBe(t, err, kvgate.ErrClosed)
	_, err = gather(collection.Scan(t.Context()))
	mustBe(t, err, kvgate.ErrClosed)
	must(t, client.Shutdown(t.Context()))
}

func TestShutdownWaitsForCalls(t *testing.T) {
	s := startStub(t)
	release := s.hold()
	client := connect(t, s.address)
	called, shut := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := client.Collection("").Get(t.Context(), "key")
		called <- err
	}()
	<-s.started
	go func() { shut <- client.Shutdown(t.Context()) }()
	// It refuses new calls as soon as it waits.
	until(t, func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := client.Collection("").Get(ctx, "key")
		return errors.Is(err, kvgate.ErrClosed)
	})
	select {
	case err := <-shut:
		t.Fatalf("it did not wait for the call: %v", err)
	default:
	}
	release()
	must(t, <-called)
	must(t, <-shut)
}

func TestShutdownEndsCallsThatTakeTooLong(t *testing.T) {
	s := startStub(t)
	defer s.hold()()
	client := connect(t, s.address)
	called := make(chan error, 1)
	go func() {
		called <- client.Collection("").PutMany(t.Context(), nil)
	}()
	<-s.started
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	equal(t, client.Shutdown(ctx), context.DeadlineExceeded)
	equal(t, mustBe(t, <-called, kvgate.ErrClosed).PutMany.Uncertain, true)
}

func TestAServerThatComesBack(t *testing.T) {
	s := startServer(t, casesConfig(t))
	collection := connect(t, s.address).Collection("back")
	must(t, collection.Put(t.Context(), "key", []byte("{}")))
	s.stop()
	_, err := collection.Get(t.Context(), "key")
	mustBe(t, err, kvgate.ErrUnavailable)
	must(t, s.start())
	until(t, func() bool {
		_, err := collection.Get(t.Context(), "key")
		return errors.Is(err, kvgate.ErrNotFound) // it was in memory
	})
}

func TestAServerThatDiesDuringALoad(t *testing.T) {
	s := startServer(t, casesConfig(t))
	collection := connect(t, s.address).Collection("dies")
	source := func(yield func(kvgate.NewEntry, error) bool) {
		n := 0
		for entry, err := range entries(20_000) {
			if n++; n == 10_000 {
				must(t, s.process.Process.Kill())
			}
			if !yield(entry, err) {
				return
			}
		}
	}
	stored, err := collection.StreamPutMany(t.Context(), source)
	failed := mustBe(t, err, kvgate.ErrUnavailable)
	equal(t, failed.PutMany.Acknowledged, stored)
	equal(t, failed.PutMany.Uncertain, true)
	equal(t, stored%1_000 == 0 && stored < 20_000, true)
}

func TestAServerThatDiesDuringAScan(t *testing.T) {
	s := startServer(t, casesConfig(t))
	collection := connect(t, s.address).Collection("dies")
	large := []byte(`{"text":"` + strings.Repeat("x", 20_000) + `"}`)
	_, err := collection.StreamPutMany(t.Context(),
		func(yield func(kvgate.NewEntry, error) bool) {
			for entry := range entries(2_000) {
				entry.Value = large
				if !yield(entry, nil) {
					return
				}
			}
		})
	must(t, err)
	read := 0
	for _, err = range collection.Scan(t.Context()) {
		if err != nil {
			break
		}
		if read++; read == 1 {
			must(t, s.process.Process.Kill())
		}
	}
	mustBe(t, err, kvgate.ErrUnavailable)
	equal(t, read > 0 && read < 2_000, true)
}

func TestAllAddressesOfANameGetCalls(t *testing.T) {
	one := startStub(t)
	_, port, _ := net.SplitHostPort(one.address)
	other := startStubOn(t, "127.0.0.2:"+port)
	dns := startDNS(t, "kvgate-headless.test.", [4]byte{127, 0, 0, 1}, [4]byte{127, 0, 0, 2})
	client := connect(t, fmt.Sprintf("dns://%s/kvgate-headless.test.:%s", dns, port))
	call := func() {
		_, err := client.Collection("").Get(t.Context(), "key")
		must(t, err)
	}
	// The second connection may come a moment after the first.
	until(t, func() bool {
		call()
		return one.calls() > 0 && other.calls() > 0
	})
	one.forget()
	other.forget()
	for range 10 {
		call()
	}
	equal(t, one.calls(), 5)
	equal(t, other.calls(), 5)
}

func TestSeveralConnectionsShareTheLoad(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	accepted := make(chan string, 10)
	go forward(listener, address, accepted)
	client := connect(t, listener.Addr().String(), kvgate.WithConnections(3))
	for n := range 6 {
		must(t, client.Collection("connections").Put(t.Context(), fmt.Sprint(n), []byte("{}")))
	}
	equal(t, len(accepted), 3)
}

func TestAConnectionThatFallsSilentIsGivenUp(t *testing.T) {
	t.Parallel() // the shortest interval that gRPC takes is 10 seconds
	s := startStub(t)
	defer s.hold()()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	silent := make(chan struct{})
	go func() {
		from, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", s.address)
		if err != nil {
			return
		}
		go copyAndClose(server, from)
		answer := make([]byte, 4_096)
		for {
			size, err := server.Read(answer)
			if err != nil {
				return
			}
			select {
			case <-silent:
				continue // what the server says gets lost, and nobody notices
			default:
			}
			if _, err := from.Write(answer[:size]); err != nil {
				return
			}
		}
	}()
	client := connect(t, listener.Addr().String(), kvgate.WithTimeout(0),
		kvgate.WithAttemptsMax(1), kvgate.WithKeepalive(10*time.Second, time.Second))
	go func() {
		<-s.started
		close(silent)
	}()
	_, err = client.Collection("").Get(t.Context(), "key")
	mustBe(t, err, kvgate.ErrUnavailable)
}

func TestInterceptorsOfTheirOwn(t *testing.T) {
	var seen []string
	intercept := func(ctx context.Context, method string, request, answer any,
		conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		seen = append(seen, method)
		return invoke(ctx, method, request, answer, conn, options...)
	}
	s := startStub(t, down)
	client := connect(t, s.address, kvgate.WithDialOptions(grpc.WithChainUnaryInterceptor(intercept)))
	_, err := client.Collection("").Get(t.Context(), "key")
	must(t, err)
	// It is there for each try.
	equal(t, fmt.Sprint(seen), "[/keyvalue.v1.KeyValueService/Get /keyvalue.v1.KeyValueService/Get]")
}

func TestGoroutinesShareAClient(t *testing.T) {
	client := connect(t, address, kvgate.WithConnections(2))
	collection := client.Collection("shared")
	var work sync.WaitGroup
	for worker := range 8 {
		work.Go(func() {
			for n := range 50 {
				key := fmt.Sprintf("%d-%d", worker, n)
				if err := collection.Put(t.Context(), key, []byte("{}")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	keys, err := gather(collection.ListKeys(t.Context()))
	must(t, err)
	equal(t, len(keys), 400)
}

func TestLargeMessages(t *testing.T) {
	s := startServer(t, `
[server.limits]
message_bytes_max = 16777216
value_bytes_max = 12582912

[stores.main]
type = "memory"
`)
	large := []byte(`{"text":"` + strings.Repeat("x", 10<<20) + `"}`)
	collection := connect(t, s.address).Collection("large")
	must(t, collection.Put(t.Context(), "key", large))
	entry, err := collection.Get(t.Context(), "key")
	must(t, err)
	equal(t, string(entry.Value) == string(large), true)

	careful := connect(t, s.address, kvgate.WithMessageBytesMax(1<<20))
	_, err = careful.Collection("large").Get(t.Context(), "key")
	mustBe(t, err, kvgate.ErrResourceExhausted)
}

func TestCompressedAnswers(t *testing.T) {
	config := "[server]\ncompression = [\"gzip\"]\n[stores.main]\ntype = \"memory\"\n"
	watch := &payloads{}
	client := connect(t, startServer(t, config).address,
		kvgate.WithDialOptions(grpc.WithStatsHandler(watch)))
	collection := client.Collection("compressed")
	text := []byte(`{"text":"` + strings.Repeat("x", 100_000) + `"}`)
	must(t, collection.Put(t.Context(), "key", text))
	entry, err := collection.Get(t.Context(), "key")
	must(t, err)
	equal(t, string(entry.Value) == string(text), true)
	if watch.length < len(text) || watch.compressed > watch.length/10 {
		t.Errorf("%d bytes were compressed to %d", watch.length, watch.compressed)
	}
}

// payloads has the lengths of the last message that came.
type payloads struct{ length, compressed int }

func (*payloads) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (*payloads) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (*payloads) HandleConn(context.Context, stats.ConnStats) {}

func (p *payloads) HandleRPC(_ context.Context, event stats.RPCStats) {
	if payload, is := event.(*stats.InPayload); is {
		p.length, p.compressed = payload.Length, payload.CompressedLength
	}
}

// until waits for a condition.
func until(t *testing.T, met func() bool) {
	t.Helper()
	for range 600 {
		if met() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("waited in vain")
}

func casesConfig(t *testing.T) string {
	t.Helper()
	config, err := os.ReadFile(casesPath + "/kvgate.toml")
	must(t, err)
	return string(config)
}
