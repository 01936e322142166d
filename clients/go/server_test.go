package kvgate_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kvgate/kvgate/clients/go"
)

const (
	repository = "../.."
	casesPath  = repository + "/clients/cases"
)

// address is that of a server for all tests that need no other.
var address string

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	folder, err := os.MkdirTemp("", "kvgate-go-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	config, err := os.ReadFile(casesPath + "/kvgate.toml")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s := &server{folder: folder, config: string(config), listen: "127.0.0.1:0"}
	if err := s.start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.stop()
	address = s.address
	return m.Run()
}

// server is a kvgate process with a configuration of its own.
type server struct {
	folder, config, listen string

	address string
	process *exec.Cmd
}

func startServer(t *testing.T, config string) *server {
	t.Helper()
	return startServerIn(t, t.TempDir(), config, "127.0.0.1:0")
}

func startServerIn(t *testing.T, folder, config, listen string) *server {
	t.Helper()
	s := &server{folder: folder, config: config, listen: listen}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

// start starts the process and waits until it listens. A server that is started again has the same
// address.
func (s *server) start() error {
	binary, err := findBinary()
	if err != nil {
		return err
	}
	path := filepath.Join(s.folder, "kvgate.toml")
	if err := os.WriteFile(path, []byte(s.config), 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.folder, "kvgate.log"),
		os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	process := exec.Command(binary, "serve", "--config", path)
	process.Dir = s.folder
	process.Env = append(os.Environ(), "KVGATE_SERVER__LISTEN="+s.listen)
	process.Stderr = log
	said, err := process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := process.Start(); err != nil {
		return err
	}
	s.process = process
	line, _ := bufio.NewReader(said).ReadString('\n')
	listens, found := strings.CutPrefix(strings.TrimSpace(line), "kvgate listening on ")
	if !found {
		s.stop()
		text, _ := os.ReadFile(log.Name())
		return fmt.Errorf("kvgate did not start: %s", text)
	}
	s.address, s.listen = listens, listens
	return nil
}

// stop ends the process.
func (s *server) stop() {
	if s.process == nil {
		return // a test has stopped it already
	}
	_ = s.process.Process.Signal(syscall.SIGTERM)
	_ = s.process.Wait()
	s.process = nil
}

// findBinary says where the server's binary is.
func findBinary() (string, error) {
	path := os.Getenv("KVGATE_BIN")
	if path == "" {
		target := os.Getenv("CARGO_TARGET_DIR")
		if target == "" {
			target = repository + "/target"
		}
		path = target + "/debug/kvgate"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%w: build it by cargo build -p kvgate", err)
	}
	return path, nil
}

func connect(t *testing.T, address string, options ...kvgate.Option) *kvgate.Client {
	t.Helper()
	client, err := kvgate.New(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// must fails the test if there is an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustBe fails the test if the error isn't the one that is wanted, and returns it.
func mustBe(t *testing.T, err, wanted error) *kvgate.Error {
	t.Helper()
	var failure *kvgate.Error
	if !errors.Is(err, wanted) || !errors.As(err, &failure) {
		t.Fatalf("got the error %v instead of %v", err, wanted)
	}
	return failure
}

func equal[T comparable](t *testing.T, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Errorf("got %v instead of %v", got, wanted)
	}
}
