package ws

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A browser tells a page nothing of why its connection was refused, so the log
// does, and a flood of such pages does not fill it.
func TestRefusedPagesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := New(nil, Config{Origins: []string{"friend.example"}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ask := func(origin string) {
			r := httptest.NewRequest("GET", "http://calls.example/v1/ws", nil)
			for name, value := range map[string]string{
				"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
				"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": origin,
			} {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusForbidden {
				t.Errorf("a page of %s is answered with %d", origin, w.Code)
			}
		}
		for range 100 {
			ask("https://app.example")
		}
		if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "https://app.example") || !strings.Contains(log.String(), "http.origins") {
			t.Errorf("100 refusals were logged %d times: %s", n, log.String())
		}
		time.Sleep(tellAgain)
		ask("https://other.example")
		if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "https://other.example") {
			t.Errorf("a minute later: %s", log.String())
		}
	})
}
