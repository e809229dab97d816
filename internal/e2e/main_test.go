package e2e

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(childVariable); address != "" {
		os.Exit(serveChild(address))
	}
	code := m.Run()
	closeBrowser()
	os.Exit(code)
}
