package kvgate_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kvgate/kvgate/clients/go"
)

const token = "kvgate-test-token-0123456789abcdef0123456789abcdef"

const secureConfig = `
[server]
default_store = "main"

[server.tls]
certificate_file = "server.pem"
key_file = "server.key"
client_ca_file = "ca.pem"
client_certificates = "optional"

[[server.authentication.tokens]]
principal = "web"
roles = ["web"]
sha256 = "%x"

[[server.authentication.certificates]]
name = "job.example"
roles = ["web"]

[[server.roles.web]]
stores = ["main"]
operations = ["read", "write"]

[stores.main]
type = "memory"
`

// secure is a server with TLS that knows a token and a client's certificate.
type secure struct {
	*server
	authority *authority
}

func startSecure(t *testing.T) secure {
	t.Helper()
	folder := t.TempDir()
	authority := newAuthority(t)
	write(t, folder, "ca.pem", authority.pem)
	for name, host := range map[string]string{"server": "localhost", "job": "job.example"} {
		certificate, key := authority.issue(t, host, "kvgate.example")
		write(t, folder, name+".pem", certificate)
		write(t, folder, name+".key", key)
	}
	config := fmt.Sprintf(secureConfig, sha256.Sum256([]byte(token)))
	return secure{startServerIn(t, folder, config, "127.0.0.1:0"), authority}
}

// file is the path of one of the server's files.
func (s secure) file(name string) string {
	return filepath.Join(s.folder, name)
}

// at is the server's address by a name that its certificate has.
func (s secure) at(scheme string) string {
	_, port, _ := net.SplitHostPort(s.address)
	return scheme + "localhost:" + port
}

func (s secure) trusted() kvgate.Option {
	return kvgate.WithCAFile(s.file("ca.pem"))
}

func put(t *testing.T, client *kvgate.Client) error {
	t.Helper()
	return client.Collection("secure").Put(t.Context(), "key", []byte("{}"))
}

func TestATokenOverTLS(t *testing.T) {
	s := startSecure(t)
	for _, address := range []string{s.at(""), s.at("https://"), s.at("dns:///")} {
		client := connect(t, address, s.trusted(), kvgate.WithToken(token))
		must(t, put(t, client))
		_, err := client.Store("main").Cull(t.Context())
		equal(t, mustBe(t, err, kvgate.ErrPermissionDenied).Reason, "NOT_ALLOWED")
	}
}

func TestATLSConfiguration(t *testing.T) {
	s := startSecure(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.authority.pem)
	config := &tls.Config{RootCAs: roots, ServerName: "kvgate.example"}
	must(t, put(t, connect(t, s.address, kvgate.WithTLS(config), kvgate.WithToken(token))))
}

func TestAServerByAnotherName(t *testing.T) {
	s := startSecure(t)
	options := []kvgate.Option{s.trusted(), kvgate.WithToken(token)}
	mustBe(t, put(t, connect(t, s.address, options...)), kvgate.ErrUnavailable)
	options = append(options, kvgate.WithServerName("kvgate.example"))
	must(t, put(t, connect(t, s.address, options...)))
}

func TestAClientCertificate(t *testing.T) {
	s := startSecure(t)
	own := kvgate.WithCertificateFiles(s.file("job.pem"), s.file("job.key"))
	must(t, put(t, connect(t, s.at(""), s.trusted(), own)))
}

func TestCertificatesAreReadAgainForEachConnection(t *testing.T) {
	s := startSecure(t)
	folder := t.TempDir()
	stranger := newAuthority(t)
	certificate, key := stranger.issue(t, "job.example")
	write(t, folder, "job.pem", certificate)
	write(t, folder, "job.key", key)
	write(t, folder, "ca.pem", stranger.pem)
	client := connect(t, s.at(""), kvgate.WithCAFile(filepath.Join(folder, "ca.pem")),
		kvgate.WithCertificateFiles(filepath.Join(folder, "job.pem"), filepath.Join(folder, "job.key")))
	mustBe(t, put(t, client), kvgate.ErrUnavailable)

	for _, name := range []string{"job.pem", "job.key", "ca.pem"} {
		content, err := os.ReadFile(s.file(name))
		must(t, err)
		write(t, folder, name, content)
	}
	until(t, func() bool { return put(t, client) == nil })
}

func TestTokensFromFilesAndFunctions(t *testing.T) {
	s := startSecure(t)
	path := filepath.Join(t.TempDir(), "token")
	client := connect(t, s.at(""), s.trusted(), kvgate.WithTokenFile(path))
	err := put(t, client)
	mustBe(t, err, kvgate.ErrUnauthenticated)
	equal(t, errors.Is(err, fs.ErrNotExist), true)

	write(t, filepath.Dir(path), "token", []byte("outdated\n"))
	equal(t, mustBe(t, put(t, client), kvgate.ErrUnauthenticated).Reason, "CREDENTIALS_INVALID")
	write(t, filepath.Dir(path), "new", []byte(token+"\n"))
	must(t, os.Rename(filepath.Join(filepath.Dir(path), "new"), path))
	must(t, put(t, client))

	source := func(context.Context) (string, error) { return token, nil }
	must(t, put(t, connect(t, s.at(""), s.trusted(), kvgate.WithTokenSource(source))))
}

func TestNoTokenAndAWrongOne(t *testing.T) {
	s := startSecure(t)
	err := put(t, connect(t, s.at(""), s.trusted()))
	equal(t, mustBe(t, err, kvgate.ErrUnauthenticated).Reason, "CREDENTIALS_MISSING")
	err = put(t, connect(t, s.at(""), s.trusted(), kvgate.WithToken("wrong")))
	equal(t, mustBe(t, err, kvgate.ErrUnauthenticated).Reason, "CREDENTIALS_INVALID")
	equal(t, strings.Contains(err.Error(), "wrong"), false)
}

func TestAServerThatIsNotTrusted(t *testing.T) {
	s := startSecure(t)
	failed := mustBe(t, put(t, connect(t, s.at("https://"))), kvgate.ErrUnavailable)
	equal(t, strings.Contains(failed.Message, "certificate"), true)
}

func TestATokenIsNotSentInTheOpen(t *testing.T) {
	for _, address := range []string{"kvgate.example:50051", "http://10.0.0.1:50051"} {
		_, err := kvgate.New(address, kvgate.WithToken(token))
		if err == nil || !strings.Contains(err.Error(), "WithInsecureToken") {
			t.Errorf("%s: %v", address, err)
		}
	}
	connect(t, "kvgate.example:50051", kvgate.WithToken(token), kvgate.WithInsecureToken())
	connect(t, "https://kvgate.example", kvgate.WithToken(token))
	connect(t, "unix:/run/kvgate.sock", kvgate.WithToken(token))
}

func TestATokenThatNoHeaderCanCarryIsNotShown(t *testing.T) {
	for _, bad := range []string{"", "secret\n", "secrét"} {
		err := put(t, connect(t, "localhost:1", kvgate.WithToken(bad)))
		mustBe(t, err, kvgate.ErrUnauthenticated)
		equal(t, strings.Contains(err.Error(), "secr"), false)
	}
}

func TestAUnixSocket(t *testing.T) {
	folder := t.TempDir()
	listen := "unix:" + filepath.Join(folder, "kvgate.sock")
	startServerIn(t, folder, "[stores.main]\ntype = \"memory\"\n", listen)
	must(t, put(t, connect(t, listen)))
	must(t, put(t, connect(t, "unix://"+filepath.Join(folder, "kvgate.sock"))))
}

func TestSettingsThatContradict(t *testing.T) {
	damaged := filepath.Join(t.TempDir(), "damaged.pem")
	must(t, os.WriteFile(damaged, []byte("no certificate"), 0o600))
	for name, option := range map[string]kvgate.Option{
		"attempts":         kvgate.WithAttemptsMax(0),
		"connections":      kvgate.WithConnections(0),
		"message bytes":    kvgate.WithMessageBytesMax(0),
		"timeout":          kvgate.WithTimeout(-1),
		"certificate only": kvgate.WithCertificateFiles(damaged, ""),
		"TLS over http":    kvgate.WithTLS(nil),
		"damaged file":     kvgate.WithCAFile(damaged),
	} {
		address := "localhost:1"
		if name == "TLS over http" {
			address = "http://localhost"
		}
		if _, err := kvgate.New(address, option); err == nil {
			t.Errorf("%s: there is no error", name)
		}
	}
	_, err := kvgate.New("localhost:1", kvgate.WithToken("a"), kvgate.WithTokenFile("b"))
	equal(t, err != nil, true)
}

// authority issues certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "the test's authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	certificate, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{certificate, key, pemOf("CERTIFICATE", der)}
}

// issue makes a certificate, and its key, in PEM.
func (a *authority) issue(t *testing.T, names ...string) ([]byte, []byte) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: names[0]},
		DNSNames:     names,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pemOf("CERTIFICATE", der), pemOf("PRIVATE KEY", keyDER)
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func write(t *testing.T, folder, name string, content []byte) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(folder, name), content, 0o600))
}
