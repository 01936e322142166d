package kvgate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc/credentials"
)

// tlsCredentials encrypts connections. It reads the files of certificates anew for each, so that
// they can be replaced while the client runs.
type tlsCredentials struct {
	// What gRPC asks for beside handshakes.
	credentials.TransportCredentials
	config                           *tls.Config
	caFile, certificateFile, keyFile string
}

func newTLSCredentials(s *settings) (*tlsCredentials, error) {
	config := &tls.Config{}
	if s.tls != nil {
		config = s.tls.Clone()
	}
	if s.serverName != "" {
		config.ServerName = s.serverName
	}
	c := &tlsCredentials{
		TransportCredentials: credentials.NewTLS(config),
		config:               config,
		caFile:               s.caFile,
		certificateFile:      s.certificateFile,
		keyFile:              s.keyFile,
	}
	// What is wrong with a file is better said now than by the first call.
	_, err := c.load()
	return c, err
}

// ClientHandshake encrypts one connection.
func (c *tlsCredentials) ClientHandshake(
	ctx context.Context, authority string, conn net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	config, err := c.load()
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(config).ClientHandshake(ctx, authority, conn)
}

// Clone is asked for by gRPC.
func (c *tlsCredentials) Clone() credentials.TransportCredentials {
	clone := *c
	clone.TransportCredentials = c.TransportCredentials.Clone()
	return &clone
}

func (c *tlsCredentials) load() (*tls.Config, error) {
	config := c.config.Clone()
	if c.caFile != "" {
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities to trust: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate in PEM", c.caFile)
		}
	}
	if c.certificateFile != "" {
		certificate, err := tls.LoadX509KeyPair(c.certificateFile, c.keyFile)
		if err != nil {
			return nil, fmt.Errorf("reading the client's certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}
