package whip

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	trickled = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n" +
		"a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n" +
		"a=candidate:473322822 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active\r\n" +
		"a=candidate:1 1 udp 2122260223 4bb5-9f6a.local 61764 typ host\r\na=end-of-candidates\r\n"
	renewed = "a=ice-ufrag:ysXw\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n"
	again   = "a=ice-ufrag:thrd\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n"
)

func change(h http.Handler, location, match, text string) *httptest.ResponseRecorder {
	headers := []string{"Content-Type", mediaFragment}
	if match != "" {
		headers = append(headers, "If-Match", match)
	}
	return ask(h, "PATCH", location, text, headers...)
}

// TestTrickle shows RFC 9725 §4.3.2: candidates are taken with 204, those with
// names are dropped silently, and the entity tag must fit.
func TestTrickle(t *testing.T) {
	f := newFake()
	mux := routes(New(f, Config{}))
	location, etag := created(t, mux, "/whip/r", publisherOffer)
	for name, tt := range map[string]struct {
		match, text string
		status      int
	}{
		"fits":            {etag, trickled, 204},
		"one of several":  {`"other", ` + etag, trickled, 204},
		"nothing":         {etag, "", 204},
		"end":             {etag, "a=end-of-candidates\r\n", 204},
		"any":             {"*", trickled, 204},
		"no If-Match":     {"", trickled, 428},
		"other":           {`"other"`, trickled, 412},
		"weak":            {"W/" + etag, trickled, 412},
		"not a fragment":  {etag, "hello", 400},
		"no candidate":    {etag, "a=candidate:nonsense\r\n", 400},
		"short ufrag":     {"*", "a=ice-ufrag:abc\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n", 400},
		"smuggled line":   {"*", "a=ice-ufrag:abcd\x00\r\na=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n", 400},
		"half a restart":  {"*", "a=ice-ufrag:ysXw\r\n", 400},
		"other half":      {"*", "a=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n", 400},
		"two ufrags":      {"*", renewed + again, 400},
		"many candidates": {etag, strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n", maxCandidates+1), 400},
	} {
		t.Run(name, func(t *testing.T) {
			w := change(mux, location, tt.match, tt.text)
			if w.Code != tt.status {
				t.Fatalf("answered %d %s, want %d", w.Code, w.Body, tt.status)
			}
			if w.Code >= 400 {
				refusal(t, w)
			} else if w.Body.Len() > 0 {
				t.Errorf("204 with body %q", w.Body)
			}
		})
	}
	if len(sent[*signal.Restart](f)) != 0 {
		t.Error("ICE was restarted")
	}
	if w := ask(mux, "PATCH", location, trickled, "Content-Type", mediaOffer, "If-Match", etag); w.Code != 415 || w.Header().Get("Accept-Patch") != mediaFragment {
		t.Errorf("another type: %d, Accept-Patch %q", w.Code, w.Header().Get("Accept-Patch"))
	}
}

func TestTrickledCandidatesReachTheEngine(t *testing.T) {
	f := newFake()
	mux := routes(New(f, Config{}))
	location, etag := created(t, mux, "/whip/r", publisherOffer)
	if w := change(mux, location, etag, trickled); w.Code != 204 {
		t.Fatalf("answered %d %s", w.Code, w.Body)
	}
	want := []*signal.Candidate{
		{Candidate: "candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1", MID: "0"},
		{Candidate: "candidate:473322822 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active", MID: "0"},
	}
	if d := cmp.Diff(want, sent[*signal.Candidate](f)); d != "" {
		t.Errorf("candidates (-want +got):\n%s", d)
	}
}

// TestRestart shows RFC 9725 §4.3.3: 200, a new entity tag, the new credentials.
func TestRestart(t *testing.T) {
	f := newFake()
	mux := routes(New(f, Config{}))
	location, first := created(t, mux, "/whip/r", publisherOffer)
	w := change(mux, location, `"*"`, renewed)
	second := w.Header().Get("ETag")
	if w.Code != 200 || w.Header().Get("Content-Type") != mediaFragment || second == "" || second == first {
		t.Fatalf("answered %d, ETag %q after %q: %s", w.Code, second, first, w.Body)
	}
	want := "a=ice-lite\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n" +
		"a=ice-ufrag:renewedfrag\r\na=ice-pwd:serverpasswordserverpw\r\n" +
		"a=candidate:1 1 udp 2130706431 198.51.100.1 7882 typ host\r\na=end-of-candidates\r\n"
	if d := cmp.Diff(want, w.Body.String()); d != "" {
		t.Errorf("fragment (-want +got):\n%s", d)
	}
	offer := sent[*signal.Restart](f)[0].Offer
	rebuilt := strings.NewReplacer("EsAw", "ysXw", "P2uYro0UCOQ4zxjKXaWCBui1", "vw5LmwG4y/e6dPP/zAP9Gp5k",
		"- 5 7 IN", "- 5 8 IN", "a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host\r\n", "").Replace(publisherOffer)
	if d := cmp.Diff(rebuilt, offer); d != "" {
		t.Errorf("the rebuilt offer (-want +got):\n%s", d)
	}

	if w := change(mux, location, first, trickled); w.Code != 412 {
		t.Errorf("candidates of the ended ICE session: %d, want 412", w.Code)
	}
	if w := change(mux, location, second, "a=end-of-candidates\r\n"); w.Code != 204 {
		t.Errorf("candidates of the new ICE session: %d", w.Code)
	}
	repeated := change(mux, location, "*", renewed)
	if repeated.Code != 200 || repeated.Body.String() != want || repeated.Header().Get("ETag") != second || len(sent[*signal.Restart](f)) != 1 {
		t.Errorf("the same restart again: %d, ETag %q, %d restarts", repeated.Code, repeated.Header().Get("ETag"), len(sent[*signal.Restart](f)))
	}
	if w := change(mux, location, "*", again); w.Code != 200 || w.Header().Get("ETag") == second {
		t.Errorf("a second restart: %d, ETag %q", w.Code, w.Header().Get("ETag"))
	}
}

// TestFailedRestartKeepsTheSession shows RFC 9725 §4.3.3: the old ICE session stays.
func TestFailedRestartKeepsTheSession(t *testing.T) {
	f := newFake()
	mux := routes(New(f, Config{}))
	location, etag := created(t, mux, "/whip/r", publisherOffer)
	f.refuse = signal.Errorf(signal.BadOffer, "no")
	if w := change(mux, location, "*", renewed); w.Code != 400 || refusal(t, w) != signal.BadOffer {
		t.Fatalf("answered %d %s", w.Code, w.Body)
	}
	if w := change(mux, location, etag, trickled); w.Code != 204 {
		t.Errorf("candidates of the old ICE session: %d", w.Code)
	}
	f.refuse = nil
	if w := change(mux, location, "*", renewed); w.Code != 200 {
		t.Errorf("the next try: %d %s", w.Code, w.Body)
	}
}

func TestEndedSession(t *testing.T) {
	for name, request := range map[string]func(http.Handler, string, string) *httptest.ResponseRecorder{
		"trickle": func(h http.Handler, l, tag string) *httptest.ResponseRecorder { return change(h, l, tag, trickled) },
		"nothing": func(h http.Handler, l, tag string) *httptest.ResponseRecorder { return change(h, l, tag, "") },
		"restart": func(h http.Handler, l, _ string) *httptest.ResponseRecorder { return change(h, l, "*", renewed) },
		"delete":  func(h http.Handler, l, _ string) *httptest.ResponseRecorder { return ask(h, "DELETE", l, "") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			h := New(f, Config{})
			mux := routes(h)
			location, etag := created(t, mux, "/whip/r", publisherOffer)
			f.endAll()
			if w := request(mux, location, etag); w.Code != 404 || refusal(t, w) != signal.UnknownSession {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
			if h.sessions.size() != 0 {
				t.Error("the session is still held")
			}
		})
	}
}

func TestChangesAreLimited(t *testing.T) {
	mux := routes(New(newFake(), Config{}))
	location, etag := created(t, mux, "/whip/r", publisherOffer)
	limited := 0
	for range 2 * int(requestBurst) {
		if w := change(mux, location, etag, "a=end-of-candidates\r\n"); w.Code == 429 {
			limited++
			if w.Header().Get("Retry-After") == "" || refusal(t, w) != signal.RateLimited {
				t.Fatalf("refused with %v", w.Header())
			}
		}
	}
	if limited == 0 {
		t.Error("a flood of PATCH requests was let through")
	}
}
