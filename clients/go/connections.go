package kvgate

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
)

const (
	// A server that restarts should be found again soon.
	reconnectDelayFirst = 100 * time.Millisecond
	reconnectDelayMax   = 5 * time.Second
	connectTimeout      = 5 * time.Second
)

// All addresses that a name has, such as those of a headless service, get calls in turn. There is no
// retryPolicy: gRPC's doesn't read the server's RetryInfo, so calls are tried again in retry.go.
const serviceConfig = `{"loadBalancingConfig": [{"round_robin": {}}]}`

// connections are what calls go by, each with what belongs to every call: the token and the trace.
type connections struct {
	all   []*grpc.ClientConn
	next  atomic.Uint32
	token TokenSource
}

func newConnections(s *settings) (*connections, error) {
	options, err := dialOptions(s)
	if err != nil {
		return nil, err
	}
	c := &connections{token: s.token}
	for range s.connections {
		conn, err := grpc.NewClient(s.target.name, options...)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.all = append(c.all, conn)
	}
	return c, nil
}

func dialOptions(s *settings) ([]grpc.DialOption, error) {
	var encryption credentials.TransportCredentials = insecure.NewCredentials()
	if s.encrypted() {
		var err error
		if encryption, err = newTLSCredentials(s); err != nil {
			return nil, err
		}
	}
	backOff := backoff.DefaultConfig
	backOff.BaseDelay, backOff.MaxDelay = reconnectDelayFirst, reconnectDelayMax
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(encryption),
		grpc.WithUserAgent("kvgate-go/" + Version),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(s.messageBytesMax)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:    s.keepaliveInterval,
			Timeout: s.keepaliveTimeout,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backOff,
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithDefaultServiceConfig(serviceConfig),
		// What DNS says of the service is not asked for.
		grpc.WithDisableServiceConfig(),
	}
	return append(options, s.dialOptions...), nil
}

// Invoke makes a call by the connection whose turn it is.
func (c *connections) Invoke(
	ctx context.Context, method string, request, answer any, options ...grpc.CallOption,
) error {
	ctx, err := c.withHeaders(ctx)
	if err != nil {
		return err
	}
	return c.turn().Invoke(ctx, method, request, answer, options...)
}

// NewStream begins a stream by the connection whose turn it is.
func (c *connections) NewStream(
	ctx context.Context, description *grpc.StreamDesc, method string, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	ctx, err := c.withHeaders(ctx)
	if err != nil {
		return nil, err
	}
	return c.turn().NewStream(ctx, description, method, options...)
}

func (c *connections) turn() *grpc.ClientConn {
	return c.all[c.next.Add(1)%uint32(len(c.all))]
}

func (c *connections) withHeaders(ctx context.Context) (context.Context, error) {
	headers := propagation.MapCarrier{}
	// kvgate reads W3C Trace Context, whatever else the program is set up to send.
	propagation.TraceContext{}.Inject(ctx, headers)
	otel.GetTextMapPropagator().Inject(ctx, headers)
	if c.token != nil {
		token, err := c.token(ctx)
		if err == nil {
			err = checkToken(token)
		}
		if err != nil {
			return nil, &Error{
				Code:    codes.Unauthenticated,
				Message: "there is no token to send: " + err.Error(),
				cause:   err,
			}
		}
		headers["authorization"] = "Bearer " + token
	}
	if len(headers) == 0 {
		return ctx, nil
	}
	// In place of those of the context, which an interceptor may have put there for another server.
	sent, _ := metadata.FromOutgoingContext(ctx)
	sent = sent.Copy()
	for name, value := range headers {
		sent.Set(name, value)
	}
	return metadata.NewOutgoingContext(ctx, sent), nil
}

func (c *connections) close() error {
	var errs []error
	for _, conn := range c.all {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}
