package kvgate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
)

// TokenSource gives the bearer token of a call. It is called for each try of each call, by many
// goroutines at once, so it should keep the token until it expires.
type TokenSource func(ctx context.Context) (string, error)

func fixedToken(token string) TokenSource {
	return func(context.Context) (string, error) { return token, nil }
}

// tokenFile gives the token in a file, which is read again when it changes.
type tokenFile struct {
	path string

	mu   sync.Mutex
	seen os.FileInfo
	last string
}

func (f *tokenFile) token(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return "", fmt.Errorf("looking at the token's file: %w", err)
	}
	if f.seen != nil && isSame(f.seen, info) {
		return f.last, nil
	}
	content, err := os.ReadFile(f.path)
	if err != nil {
		return "", fmt.Errorf("reading the token's file: %w", err)
	}
	f.seen, f.last = info, strings.TrimSpace(string(content))
	return f.last, nil
}

func isSame(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// checkToken refuses a token that no header can carry, without showing it.
func checkToken(token string) error {
	isBad := func(r rune) bool { return r < ' ' || r > '~' }
	if token == "" || strings.ContainsFunc(token, isBad) {
		return errors.New("the token is empty, or has characters that no header may have")
	}
	return nil
}
