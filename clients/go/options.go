package kvgate

import (
	"crypto/tls"
	"errors"
	"time"

	"google.golang.org/grpc"
)

const (
	// DefaultTimeout is how long a call that is no stream may take, with all its tries.
	DefaultTimeout = 10 * time.Second
	// DefaultAttemptsMax is how often a call is tried, the first time included.
	DefaultAttemptsMax = 4
	// DefaultMessageBytesMax is the largest message that is taken from the server. What a value may
	// be is the server's limit.
	DefaultMessageBytesMax = 64 * 1024 * 1024
	// DefaultKeepaliveInterval is after how long without a word from the server a connection with
	// calls is asked whether it lives.
	DefaultKeepaliveInterval = 30 * time.Second
	// DefaultKeepaliveTimeout is how long its answer may take.
	DefaultKeepaliveTimeout = 10 * time.Second
)

// Option says how a client is to be.
type Option func(*settings)

// WithStore names the store of [Client.Collection]. Without it that is the server's default store.
func WithStore(name string) Option {
	return func(s *settings) { s.store = name }
}

// WithTimeout says how long a call may take, with all its tries, if its context has no deadline. 0
// is as long as it likes. Streams have no deadline but their context's.
func WithTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.timeout = timeout }
}

// WithAttemptsMax says how often a call is tried, the first time included. 1 is never again.
//
// A call is tried again if it is UNAVAILABLE, or RESOURCE_EXHAUSTED and the server says when to come
// back. A stream is until its first answer, StreamPutMany never is. A Delete that was tried again may say
// false although its first try removed the entry.
func WithAttemptsMax(attempts int) Option {
	return func(s *settings) { s.attemptsMax = attempts }
}

// WithConnections says how many connections, to each address, share the load. More than one help
// programs that make many calls at once.
func WithConnections(count int) Option {
	return func(s *settings) { s.connections = count }
}

// WithMessageBytesMax says how large a message is taken from the server.
func WithMessageBytesMax(bytes int) Option {
	return func(s *settings) { s.messageBytesMax = bytes }
}

// WithKeepalive says after how long without a word from the server a connection with calls is asked
// whether it lives, and how long its answer may take. gRPC takes a shorter interval than 10 seconds as
// 10 seconds.
func WithKeepalive(interval, timeout time.Duration) Option {
	return func(s *settings) { s.keepaliveInterval, s.keepaliveTimeout = interval, timeout }
}

// WithTLS encrypts, as the configuration says. nil trusts the system's authorities.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) {
		if config == nil {
			config = &tls.Config{}
		}
		s.tls = config
	}
}

// WithCAFile encrypts, and trusts the authorities whose certificates are in the file, in PEM. It is
// read again for each connection.
func WithCAFile(path string) Option {
	return func(s *settings) { s.caFile = path }
}

// WithCertificateFiles encrypts, and shows the server a certificate, in PEM, and that one has its
// key. They are read again for each connection.
func WithCertificateFiles(certificate, key string) Option {
	return func(s *settings) { s.certificateFile, s.keyFile = certificate, key }
}

// WithServerName encrypts, and says which name the server's certificate must have, if it isn't that
// of the address.
func WithServerName(name string) Option {
	return func(s *settings) { s.serverName = name }
}

// WithToken sends a bearer token with each call.
func WithToken(token string) Option {
	return WithTokenSource(fixedToken(token))
}

// WithTokenFile sends the bearer token in the file, which is read again when it changes.
func WithTokenFile(path string) Option {
	return WithTokenSource((&tokenFile{path: path}).token)
}

// WithTokenSource sends the bearer token that the function gives for each call, such as one of an
// identity provider.
func WithTokenSource(source TokenSource) Option {
	return func(s *settings) {
		s.token = source
		s.tokenSources++
	}
}

// WithInsecureToken sends the token even where others can read it: without TLS, beyond this machine.
func WithInsecureToken() Option {
	return func(s *settings) { s.insecureToken = true }
}

// WithDialOptions gives more options to gRPC, such as interceptors and stats handlers. They come
// after the client's own.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dialOptions = append(s.dialOptions, options...) }
}

// settings is what a client was told.
type settings struct {
	target            target
	store             string
	timeout           time.Duration
	attemptsMax       int
	connections       int
	messageBytesMax   int
	keepaliveInterval time.Duration
	keepaliveTimeout  time.Duration

	tls                              *tls.Config
	caFile, certificateFile, keyFile string
	serverName                       string

	token         TokenSource
	tokenSources  int
	insecureToken bool

	dialOptions []grpc.DialOption
}

func newSettings(address string, options []Option) (*settings, error) {
	target, err := parseTarget(address)
	if err != nil {
		return nil, err
	}
	s := &settings{
		target:            target,
		timeout:           DefaultTimeout,
		attemptsMax:       DefaultAttemptsMax,
		connections:       1,
		messageBytesMax:   DefaultMessageBytesMax,
		keepaliveInterval: DefaultKeepaliveInterval,
		keepaliveTimeout:  DefaultKeepaliveTimeout,
	}
	for _, option := range options {
		option(s)
	}
	return s, s.check()
}

// encrypted says whether there is to be TLS.
func (s *settings) encrypted() bool {
	return s.target.encrypted || s.tls != nil || s.caFile != "" || s.certificateFile != "" ||
		s.keyFile != "" || s.serverName != ""
}

// check refuses what contradicts itself.
func (s *settings) check() error {
	switch {
	case s.attemptsMax < 1 || s.connections < 1 || s.messageBytesMax < 1:
		return errors.New("attempts, connections and bytes of a message are at least 1")
	case s.timeout < 0:
		return errors.New("the timeout is below zero")
	case (s.certificateFile == "") != (s.keyFile == ""):
		return errors.New("a certificate and its key belong together: give both or none")
	case s.target.open && s.encrypted():
		return errors.New("an http address has no TLS: write https, or leave the options of TLS out")
	case s.tokenSources > 1:
		return errors.New("give one token, one file or one source of tokens")
	case s.token != nil && !s.encrypted() && !s.target.local && !s.insecureToken:
		return errors.New("the token would be sent where others can read it: " +
			"encrypt by WithTLS, or say WithInsecureToken")
	}
	return nil
}
