package whip

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/problem"
)

// fakeEngine answers commands by rote and notes them.
type fakeEngine struct {
	refuse  error // of the next join or restart
	servers []signal.ICEServer
	answer  string

	mu       sync.Mutex
	live     map[string]bool
	commands []signal.Command
	next     int
}

const fakeAnswer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE 0 1\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:serverfrag\r\na=ice-pwd:serverpasswordserverpw\r\n" +
	"a=candidate:1 1 udp 2130706431 198.51.100.1 7882 typ host\r\na=end-of-candidates\r\n" +
	"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:serverfrag\r\na=ice-pwd:serverpasswordserverpw\r\n" +
	"a=candidate:1 1 udp 2130706431 198.51.100.1 7882 typ host\r\n"

func newFake() *fakeEngine { return &fakeEngine{live: make(map[string]bool), answer: fakeAnswer} }

func (f *fakeEngine) Do(_ context.Context, c signal.Command) (signal.Reply, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.commands = append(f.commands, c)
	if err := c.Body.Validate(); err != nil {
		return nil, err
	}
	if _, joins := c.Body.(*signal.Join); !joins && !f.live[c.Session] {
		return nil, signal.Errorf(signal.NotJoined, "join or resume first")
	}
	switch b := c.Body.(type) {
	case *signal.Candidate:
		if !strings.Contains(b.Candidate, " typ ") {
			return nil, signal.Errorf(signal.BadCandidate, "not a candidate")
		}
	case *signal.Join:
		if f.refuse != nil {
			return nil, f.refuse
		}
		f.next++
		id := "s_" + string(rune('a'+f.next))
		f.live[id] = true
		return &signal.Joined{Session: id, Answer: f.answer, ICEServers: f.servers}, nil
	case *signal.Restart:
		if f.refuse != nil {
			return nil, f.refuse
		}
		return &signal.Restarted{Answer: strings.ReplaceAll(f.answer, "serverfrag", "renewedfrag"), ICEServers: f.servers}, nil
	case *signal.Leave:
		delete(f.live, c.Session)
	}
	return &signal.Done{}, nil
}

func (f *fakeEngine) Subscribe(context.Context, signal.Filter) (<-chan signal.Event, error) {
	return nil, signal.Errorf(signal.UnknownSession, "nothing to follow here")
}

// endAll ends all sessions, as a room does that throws its members out.
func (f *fakeEngine) endAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.live)
}

// sent answers the commands of one type.
func sent[B signal.Body](f *fakeEngine) (all []B) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.commands {
		if b, ok := c.Body.(B); ok {
			all = append(all, b)
		}
	}
	return all
}

const publisherOffer = "v=0\r\no=- 5 7 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=rtpmap:111 opus/48000/2\r\n" +
	"a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host\r\n" +
	"m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\na=mid:1\r\na=sendonly\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=rtpmap:96 VP8/90000\r\n"

var viewerOffer = strings.ReplaceAll(publisherOffer, "sendonly", "recvonly")

// routes serves h alone, beside a catch-all as a node has one.
func routes(h *Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	h.Register(mux)
	return mux
}

// ask sends one request; headers come in pairs.
func ask(h http.Handler, method, target, text string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://sfu.test"+target, strings.NewReader(text))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// refusal reads the code of a refusal.
func refusal(t *testing.T, w *httptest.ResponseRecorder) signal.Code {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("%d with content type %q, want problem details", w.Code, got)
	}
	var p problem.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("problem details %q: %v", w.Body, err)
	}
	if p.Status != w.Code || p.Detail == "" || p.Title == "" {
		t.Fatalf("problem details %+v of status %d", p, w.Code)
	}
	return p.Code
}

// created makes a session and answers its address and entity tag.
func created(t *testing.T, h http.Handler, target, offer string, headers ...string) (location, etag string) {
	t.Helper()
	w := ask(h, "POST", target, offer, append([]string{"Content-Type", mediaOffer}, headers...)...)
	if w.Code != http.StatusCreated {
		t.Fatalf("POST %s: %d %s", target, w.Code, w.Body)
	}
	return w.Header().Get("Location"), w.Header().Get("ETag")
}
