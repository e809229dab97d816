package node

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/rivulet-rtc/rivulet/sfu"
)

func TestPublicRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		for _, path := range []string{"/", "/r/kitchen", "/app.js", "/sdk/rivulet.js", "/v1/info"} {
			status, header, body := w.get("http://10.0.0.1:8080" + path)
			if status != http.StatusOK || len(body) == 0 {
				t.Errorf("%s answers %d with %d bytes", path, status, len(body))
			}
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
				if header.Get(name) != want {
					t.Errorf("%s: %s is %q", path, name, header.Get(name))
				}
			}
			if header.Get("Content-Security-Policy") == "" {
				t.Errorf("%s has no policy", path)
			}
		}
		_, header, _ := w.get("http://10.0.0.1:8080/")
		mentions(t, header.Get("Permissions-Policy"), "camera=(self)", "microphone=(self)", "display-capture=(self)")
		_, _, body := w.get("http://10.0.0.1:8080/v1/info")
		var info Info
		if err := json.Unmarshal([]byte(body), &info); err != nil || info != (Info{Version: "v1.2.3", Protocol: 1, Tokens: false}) {
			t.Errorf("info is %s, %v", body, err)
		}
		for _, path := range []string{"/metrics", "/debug/rooms", "/debug/pprof/", "/readyz", "/nothing", "/r/a/b"} {
			if status, _, _ := w.get("http://10.0.0.1:8080" + path); status != http.StatusNotFound {
				t.Errorf("%s answers everybody with %d", path, status)
			}
		}
		for _, path := range []string{"/whip/kitchen", "/whep/kitchen"} {
			if status, _, _ := w.get("http://10.0.0.1:8080" + path); status != http.StatusMethodNotAllowed {
				t.Errorf("GET %s answers %d", path, status)
			}
		}
		if status, _, _ := w.get("http://10.0.0.1:8080/v1/ws"); status != http.StatusUpgradeRequired {
			t.Errorf("a plain request to the WebSocket answers %d", status)
		}
	})
}

func TestAdminRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		w.dial().join("ann-the-secret-name")
		for path, want := range map[string]string{
			"/healthz": "ok\n", "/readyz": "ready\n", "/debug/pprof/": "goroutine", "/debug/pprof/cmdline": "",
			"/metrics": "rivulet_forwarded_packets_total 0\n",
		} {
			status, _, body := w.get("http://10.0.0.1:9090" + path)
			if status != http.StatusOK {
				t.Errorf("%s answers %d", path, status)
			}
			mentions(t, body, want)
		}
		_, _, body := w.get("http://10.0.0.1:9090/debug/rooms")
		var rooms []sfu.RoomSnapshot
		if err := json.Unmarshal([]byte(body), &rooms); err != nil || len(rooms) != 1 || len(rooms[0].Participants) != 1 {
			t.Errorf("rooms are %s, %v", body, err)
		}
	})
}

// A name that leads to the admin listener may be anybody's.
func TestAdminIsAskedByAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		for host, want := range map[string]int{
			"10.0.0.1:9090": http.StatusOK, "localhost": http.StatusOK, "localhost:9090": http.StatusOK, "[::1]:9090": http.StatusOK,
			"evil.example": http.StatusMisdirectedRequest, "localhost.evil.example:9090": http.StatusMisdirectedRequest,
		} {
			if status, _, _ := w.get("http://10.0.0.1:9090/healthz", "Host", host); status != want {
				t.Errorf("asked as %s it answers %d, want %d", host, status, want)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.AdminRemote = true })
		if status, _, _ := w.get("http://10.0.0.1:9090/healthz", "Host", "node1.internal"); status != http.StatusOK {
			t.Errorf("with remote access allowed it answers %d", status)
		}
	})
}
