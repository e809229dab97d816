// Package testenv says which outside resources a test may use.
//
// Plain `go test ./...` runs in virtual time only: no sockets, no browser, no
// C library. `make test` runs a second phase in which it sets the variables
// below, after installing what they need. A test that cannot run says so aloud
// and why; a test whose variable is set never skips, it fails.
package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// Environment variables that switch on the second phase of `make test`.
const (
	// SocketsVariable allows real sockets on loopback.
	SocketsVariable = "RIVULET_TEST_SOCKETS"
	// LongVariable allows what takes minutes.
	LongVariable = "RIVULET_TEST_LONG"
	// BrowserVariable allows a real headless Chromium.
	BrowserVariable = "RIVULET_TEST_BROWSER"
)

// chromiumNames are the names under which distributions install the browser.
var chromiumNames = []string{"chromium", "chromium-browser", "google-chrome"}

// Sockets skips t, aloud, unless real loopback sockets are allowed.
func Sockets(t testing.TB) {
	t.Helper()
	if os.Getenv(SocketsVariable) != "1" {
		t.Skipf("needs real loopback sockets: run `make test`, or set %s=1", SocketsVariable)
	}
}

// Python answers the path of a Python 3, in the second phase, for the examples.
// Where it is not installed the test fails.
func Python(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal("no python3 was found: install the distribution's package, or run `make test`, which does")
	}
	return path
}

// Browser skips t, aloud, unless a real browser is allowed, and answers the
// browser's path. When it is allowed but not installed the test fails.
func Browser(t testing.TB) string {
	t.Helper()
	if os.Getenv(BrowserVariable) != "1" {
		t.Skipf("needs real headless Chromium: run `make test`, or set %s=1", BrowserVariable)
	}
	for _, name := range chromiumNames {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("%s=1 but no Chromium was found (looked for %v): install the distribution's chromium package, or run `make test`, which does", BrowserVariable, chromiumNames)
	return ""
}

// Long skips a test that takes minutes unless those are wanted.
func Long(t testing.TB) {
	t.Helper()
	if os.Getenv(LongVariable) != "1" {
		t.Skipf("takes minutes: run `make test-long`, or set %s=1", LongVariable)
	}
}
