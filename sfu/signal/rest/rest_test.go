package rest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/problem"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// ask sends one request to a board that wants tokens.
func ask(t *testing.T, h http.Handler, method, path, bearer, body string) (int, problem.Problem, http.Header) {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var p problem.Problem
	if w.Code > 299 {
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s %s: %d with the content type %q", method, path, w.Code, got)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Detail == "" || p.Code == "" {
			t.Errorf("%s %s: %d with %s is no problem", method, path, w.Code, w.Body)
		}
	}
	return w.Code, p, w.Header()
}

func TestBadRequests(t *testing.T) {
	cfg := token.DefaultConfig()
	cfg.Keys = []token.Key{{ID: "a", Secret: mustSecret(t), Tenant: "acme"}, {ID: "b", Secret: mustSecret(t), Tenant: "other"}}
	verifier, err := token.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	board := signaltest.NewEngine(t, func(c *switchboard.Config) { c.Authorizer = verifier })
	h := handler(board, board)
	now := time.Now()
	signed := func(at time.Time, key string, g token.Grants) string {
		c := cfg
		c.SigningKey = key
		v, err := token.NewVerifier(c)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := v.Sign(at, g, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	good := signed(now, "a", token.Grants{Backend: true})
	const ring = `{"call":"c","from":{"user":"ann","device":"1"},"targets":[{"user":"bob","devices":["1"]}],"future":{"x":1}}`
	if status, p, _ := ask(t, h, "POST", "/v1/calls", good, ring); status != 201 {
		t.Fatalf("a call with a field that is not known: %d %+v", status, p)
	}
	huge := `{"payload":"` + strings.Repeat("A", 2*signal.MaxMessageSize) + `"}`
	deep := `{"targets":` + strings.Repeat("[", 90_000) + `}`
	for name, c := range map[string]struct {
		method, path, bearer, body string
		status                     int
		code                       signal.Code
	}{
		"no token":            {"POST", "/v1/calls", "", ring, 401, signal.BadToken},
		"forged token":        {"POST", "/v1/calls", good[:len(good)-4] + "AAAA", ring, 401, signal.BadToken},
		"nonsense":            {"POST", "/v1/calls", "xyz", ring, 401, signal.BadToken},
		"expired token":       {"POST", "/v1/calls", signed(now.Add(-2*time.Hour), "a", token.Grants{Backend: true}), ring, 401, signal.TokenExpired},
		"five minutes ahead":  {"POST", "/v1/calls", signed(now.Add(5*time.Minute), "a", token.Grants{Backend: true}), ring, 401, signal.BadToken},
		"a device's token":    {"POST", "/v1/calls", signed(now, "a", token.Grants{Identity: "ann", Calls: true}), ring, 403, signal.NotABackend},
		"a room's token":      {"POST", "/v1/calls", signed(now, "a", token.Grants{Identity: "ann", Room: "r", Join: true}), ring, 403, signal.NotPermitted},
		"another's call":      {"POST", "/v1/calls/c/end", signed(now, "b", token.Grants{Backend: true}), "{}", 404, signal.CallUnknown},
		"another's state":     {"GET", "/v1/calls/c", signed(now, "b", token.Grants{Backend: true}), "", 404, signal.CallUnknown},
		"another's events":    {"GET", "/v1/calls/c/events", signed(now, "b", token.Grants{Backend: true}), "", 404, signal.CallUnknown},
		"a stranger accepts":  {"POST", "/v1/calls/c/accept", good, `{"from":{"user":"eve","device":"1"}}`, 403, signal.NotInvited},
		"not JSON":            {"POST", "/v1/calls", good, "hello", 400, signal.BadMessage},
		"an array":            {"POST", "/v1/calls", good, "[]", 400, signal.BadMessage},
		"huge":                {"POST", "/v1/calls", good, huge, 413, signal.TooLarge},
		"deeply nested":       {"POST", "/v1/calls", good, deep, 400, signal.BadMessage},
		"of the wrong type":   {"POST", "/v1/calls", good, `{"targets":{"user":"bob"}}`, 400, signal.BadMessage},
		"a number too large":  {"POST", "/v1/calls", good, `{"lifetimeMs":1e300}`, 400, signal.BadMessage},
		"from nobody":         {"POST", "/v1/calls", good, `{}`, 400, signal.BadMessage},
		"no such room":        {"POST", "/v1/rooms/r/end", good, ``, 404, signal.UnknownRoom},
		"events of no number": {"GET", "/v1/events?after=x", good, ``, 400, signal.BadMessage},
		"events of long ago":  {"GET", "/v1/events?after=1", good, ``, 410, signal.EventsLost},
	} {
		status, p, header := ask(t, h, c.method, c.path, c.bearer, c.body)
		if status != c.status || p.Code != c.code {
			t.Errorf("%s: %d %+v, want %d and %s", name, status, p, c.status, c.code)
		}
		if status == 401 && !strings.HasPrefix(header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("%s: no challenge", name)
		}
	}
	if _, p, _ := ask(t, h, "POST", "/v1/calls", signed(now.Add(5*time.Minute), "a", token.Grants{Backend: true}), ring); !strings.Contains(p.Detail, "clock") {
		t.Errorf("clocks that differ are not named: %q", p.Detail)
	}
}

// TestTenThousandRings: one user who rings all day is refused, and told for how
// long.
func TestTenThousandRings(t *testing.T) {
	board := signaltest.NewEngine(t, func(c *switchboard.Config) { c.RingRate, c.RingBurst = 1, 20 })
	h := handler(board, board)
	rung, limited := 0, 0
	for i := range 10_000 {
		if i >= 100 && i < 9_900 { // the same without HTTP, which only takes time
			_, err := board.Do(t.Context(), signal.Command{Backend: &signal.Backend{}, Body: &signal.Call{
				Verb: signal.CallCreate, From: &signal.Device{User: "ann", Device: "1"}, Targets: []signal.Target{{User: "bob", Devices: []string{"1"}}}}})
			if err == nil {
				rung++
			} else if signal.AsError(err).Code == signal.RateLimited {
				limited++
			}
			continue
		}
		status, p, header := ask(t, h, "POST", "/v1/calls", "", `{"from":{"user":"ann","device":"1"},"targets":[{"user":"bob","devices":["1"]}]}`)
		switch {
		case status == 201:
			rung++
		case status == 429 && p.Code == signal.RateLimited && p.RetryAfterMS > 0 && header.Get("Retry-After") != "":
			limited++
		default:
			t.Fatalf("%d %+v", status, p)
		}
	}
	if rung < 20 || rung > 60 || limited+rung != 10_000 {
		t.Errorf("%d rang and %d were told to wait", rung, limited)
	}
}
