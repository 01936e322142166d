package kvgate

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

func TestAddresses(t *testing.T) {
	for written, wanted := range map[string]target{
		"localhost:50051":          {name: "dns:///localhost:50051", local: true},
		"127.0.0.2:1":              {name: "dns:///127.0.0.2:1", local: true},
		"[::1]:1":                  {name: "dns:///[::1]:1", local: true},
		"dns:///localhost:1":       {name: "dns:///localhost:1", local: true},
		"unix:/a/b":                {name: "unix:/a/b", local: true},
		"unix:///a/b":              {name: "unix:///a/b", local: true},
		"localhost.example:1":      {name: "dns:///localhost.example:1"},
		"10.0.0.1:1":               {name: "dns:///10.0.0.1:1"},
		"dns:///kvgate-headless:1": {name: "dns:///kvgate-headless:1"},
		"dns://127.0.0.1/kvgate:1": {name: "dns://127.0.0.1/kvgate:1"},
		"http://kvgate":            {name: "dns:///kvgate:80", open: true},
		"https://kvgate/":          {name: "dns:///kvgate:443", encrypted: true},
		"https://[::1]":            {name: "dns:///[::1]:443", encrypted: true, local: true},
		"https://kvgate:1":         {name: "dns:///kvgate:1", encrypted: true},
	} {
		got, err := parseTarget(written)
		if err != nil || got != wanted {
			t.Errorf("%s: got %+v, %v instead of %+v", written, got, err, wanted)
		}
	}
}

func TestBadAddresses(t *testing.T) {
	for _, written := range []string{
		"", "https://", "kvgate", "https://user:secret@kvgate", "https://kvgate/secret", "a/secret:1",
	} {
		_, err := parseTarget(written)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", written, err)
		}
	}
}

func TestPausesGrowAndHeedTheServer(t *testing.T) {
	failure := &Error{Code: codes.Unavailable}
	for attempt, backOff := range map[int]time.Duration{
		1: retryDelayFirst, 2: 2 * retryDelayFirst, 9: retryDelayMax, 1 << 40: retryDelayMax,
	} {
		failure.Attempts = attempt
		for random, wanted := range map[float64]time.Duration{0: backOff / 2, 1: backOff * 3 / 2} {
			pause, again := pauseBeforeRetry(failure, 1<<50, random)
			if !again || pause != wanted {
				t.Errorf("got %v, %v instead of %v", pause, again, wanted)
			}
		}
	}
	failure.RetryAfter, failure.Attempts = 7*time.Second, 9
	if pause, again := pauseBeforeRetry(failure, 10, 0); !again || pause < failure.RetryAfter {
		t.Errorf("got %v, %v", pause, again)
	}
	if _, again := pauseBeforeRetry(failure, 9, 0); again {
		t.Error("it is tried once too often")
	}
}
