package kvgate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the examples print.
var examples = map[string]string{
	"quickstart": `{Name:Ada Cart:[1 2]}
user-8 has no session
lives 60 minutes more
`,
	"bulk": `25000 of 100000
50000 of 100000
75000 of 100000
100000 of 100000
stored 100000
the warmest of sensor 1: 24.9
`,
	"errors": `missing: true
INVALID_KEY in entries[1].key
no store elsewhere
not reached, tried 2 times
`,
}

func TestExamples(t *testing.T) {
	folders, err := os.ReadDir("examples")
	must(t, err)
	equal(t, len(folders), len(examples))
	for name, wanted := range examples {
		equal(t, run(t, "./examples/"+name), wanted)
	}
}

// TestTheReadmeKeepsItsWord runs the README's first example as it stands.
func TestTheReadmeKeepsItsWord(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	must(t, err)
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	code, _, found := strings.Cut(rest, "```")
	equal(t, found, true)
	path := filepath.Join(t.TempDir(), "main.go")
	code = strings.Replace(code, "localhost:50051", address, 1)
	must(t, os.WriteFile(path, []byte(code), 0o600))
	equal(t, run(t, path), "Ada [1 2]\nuser-8 has no session\n")
}

func run(t *testing.T, program string) string {
	t.Helper()
	command := exec.Command("go", "run", program, address)
	var failed strings.Builder
	command.Stderr = &failed
	said, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, failed.String())
	}
	return string(said)
}
