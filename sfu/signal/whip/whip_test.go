package whip

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestCreate shows what RFC 9725 §4.2 and §4.6 ask of the answer to a POST.
func TestCreate(t *testing.T) {
	f := newFake()
	f.servers = []signal.ICEServer{
		{URLs: []string{"stun:sfu.test"}},
		{URLs: []string{"turn:sfu.test:3478?transport=udp", "turn:sfu.test:3478?transport=tcp"}, Username: `1:"p"`, Credential: `a\b`},
	}
	mux := routes(New(f, Config{}))
	w := ask(mux, "POST", "/whip/caf%C3%A9%2Fbar?name=Stage&identity=cam", publisherOffer,
		"Content-Type", "application/sdp; charset=utf-8", "Authorization", "bearer  secret")
	if w.Code != http.StatusCreated || w.Header().Get("Content-Type") != mediaOffer || w.Body.String() != fakeAnswer {
		t.Fatalf("answered %d %q %q", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	location := w.Header().Get("Location")
	id, ok := strings.CutPrefix(location, "/whip/caf%C3%A9%2Fbar/")
	if !ok || len(id) < 20 || strings.Contains(id, "/") {
		t.Errorf("Location %q, want an unguessable address below the endpoint", location)
	}
	if tag := w.Header().Get("ETag"); len(tag) < 10 || tag[0] != '"' || tag[len(tag)-1] != '"' {
		t.Errorf("ETag %q is no strong entity tag", tag)
	}
	if got := w.Header().Get("Accept-Patch"); got != mediaFragment {
		t.Errorf("Accept-Patch %q", got)
	}
	links := []string{
		`<stun:sfu.test>; rel="ice-server"`,
		`<turn:sfu.test:3478?transport=udp>; rel="ice-server"; username="1:\"p\""; credential="a\\b"; credential-type="password"`,
		`<turn:sfu.test:3478?transport=tcp>; rel="ice-server"; username="1:\"p\""; credential="a\\b"; credential-type="password"`,
	}
	if d := cmp.Diff(links, w.Header().Values("Link")); d != "" {
		t.Errorf("Link (-want +got):\n%s", d)
	}
	c := f.commands[0]
	join := c.Body.(*signal.Join)
	if c.Host != "sfu.test" || c.Remote != "192.0.2.1" {
		t.Errorf("host %q, remote %q", c.Host, c.Remote)
	}
	want := &signal.Join{
		Version: 1, Room: "café/bar", Token: "secret", Name: "Stage", Identity: "cam", Client: "whip", Offer: publisherOffer,
		Send:    []signal.Section{{MID: "0", Source: signal.Microphone}, {MID: "1", Source: signal.Camera}},
		Publish: []signal.Publish{{Source: signal.Microphone}, {Source: signal.Camera}},
	}
	if d := cmp.Diff(want, join); d != "" {
		t.Errorf("join (-want +got):\n%s", d)
	}
	w = ask(mux, "DELETE", location, "", "Authorization", "Bearer secret")
	if w.Code != http.StatusOK {
		t.Errorf("DELETE of %s: %d %s", location, w.Code, w.Body)
	}
}

func TestWatcherPublishesNothing(t *testing.T) {
	f := newFake()
	location, _ := created(t, routes(New(f, Config{})), "/whep/r", viewerOffer)
	if !strings.HasPrefix(location, "/whep/r/") {
		t.Errorf("Location %q", location)
	}
	join := f.commands[0].Body.(*signal.Join)
	if len(join.Send) != 0 || len(join.Publish) != 0 || join.Offer != viewerOffer || join.Client != "whep" {
		t.Errorf("joined with %+v", join)
	}
}

// TestRefusals shows status, code and headers of each refusal.
func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		target, offer, media string
		err                  error
		status               int
		code                 signal.Code
		header, value        string
	}{
		"media type":   {media: "text/plain", status: 415, code: signal.BadMessage, header: "Accept-Post", value: mediaOffer},
		"no type":      {media: " ", status: 415, code: signal.BadMessage},
		"empty":        {offer: " ", status: 400, code: signal.BadOffer},
		"too large":    {offer: "v=0" + strings.Repeat("a", signal.MaxOfferSize), status: 413, code: signal.TooLarge},
		"lines":        {offer: "v=0" + strings.Repeat("\na=b", 10_000), status: 400, code: signal.BadOffer},
		"watches":      {offer: viewerOffer, status: 400, code: signal.BadOffer},
		"sends":        {target: "/whep/r", offer: publisherOffer, status: 400, code: signal.BadOffer},
		"no ICE":       {offer: strings.ReplaceAll(publisherOffer, "ice-ufrag", "ice-none"), status: 400, code: signal.BadOffer},
		"sections":     {offer: publisherOffer + strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:9\r\na=sendonly\r\n", 2), status: 400, code: signal.BadOffer},
		"room name":    {target: "/whip/a%00b", status: 400, code: signal.BadMessage},
		"name":         {target: "/whip/r?name=" + strings.Repeat("n", 65), status: 400, code: signal.BadMessage},
		"no token":     {err: signal.Errorf(signal.BadToken, "no"), status: 401, code: signal.BadToken, header: "WWW-Authenticate", value: `Bearer realm="rivulet"`},
		"expired":      {err: signal.Errorf(signal.TokenExpired, "no"), status: 401, code: signal.TokenExpired, header: "WWW-Authenticate", value: `Bearer realm="rivulet", error="invalid_token"`},
		"wrong room":   {err: signal.Errorf(signal.WrongRoom, "no"), status: 403, code: signal.WrongRoom},
		"permission":   {err: signal.Errorf(signal.NotPermitted, "no"), status: 403, code: signal.NotPermitted},
		"rate":         {err: signal.Errorf(signal.RateLimited, "no"), status: 429, code: signal.RateLimited, header: "Retry-After", value: "1"},
		"room full":    {err: signal.Errorf(signal.RoomFull, "no"), status: 503, code: signal.RoomFull, header: "Retry-After", value: "30"},
		"server full":  {err: signal.Errorf(signal.ServerFull, "no"), status: 503, code: signal.ServerFull, header: "Retry-After", value: "10"},
		"draining":     {err: signal.Errorf(signal.Draining, "no"), status: 503, code: signal.Draining, header: "Retry-After", value: "3"},
		"our own":      {err: signal.Errorf(signal.Internal, "no"), status: 500, code: signal.Internal},
		"not an Error": {err: http.ErrBodyNotAllowed, status: 500, code: signal.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.refuse = tt.err
			if tt.target == "" {
				tt.target = "/whip/r"
			}
			if tt.offer == "" {
				tt.offer = publisherOffer
			}
			if tt.media == "" {
				tt.media = mediaOffer
			}
			h := New(f, Config{})
			w := ask(routes(h), "POST", tt.target, tt.offer, "Content-Type", tt.media)
			if w.Code != tt.status || refusal(t, w) != tt.code {
				t.Fatalf("answered %d %s, want %d %s", w.Code, w.Body, tt.status, tt.code)
			}
			if got := w.Header().Get(tt.header); tt.header != "" && got != tt.value {
				t.Errorf("%s: %q, want %q", tt.header, got, tt.value)
			}
			if h.sessions.size() != 0 || h.sessions.reserved != 0 || h.sessions.bytes != 0 {
				t.Errorf("a refused session keeps its place")
			}
		})
	}
}

// TestHalfAcceptedOffer shows that nobody gets a session without its picture
// (RFC 9725 §4.4.3).
func TestHalfAcceptedOffer(t *testing.T) {
	f := newFake()
	f.answer = strings.Replace(fakeAnswer, "m=video 9", "m=video 0", 1)
	w := ask(routes(New(f, Config{})), "POST", "/whip/r", publisherOffer, "Content-Type", mediaOffer)
	if w.Code != 400 || refusal(t, w) != signal.BadOffer {
		t.Fatalf("answered %d %s", w.Code, w.Body)
	}
	if len(f.live) != 0 {
		t.Error("the session was not left")
	}
}

// TestMethods shows that all other methods answer 405 (RFC 9725 §4.2), also
// beside a catch-all route.
func TestMethods(t *testing.T) {
	mux := routes(New(newFake(), Config{}))
	location, _ := created(t, mux, "/whip/r", publisherOffer)
	for target, allowed := range map[string]string{"/whip/r": endpointMethods, "/whep/r": endpointMethods, location: sessionMethods} {
		for _, method := range []string{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "TRACE"} {
			if slices.Contains(strings.Split(allowed, ", "), method) {
				continue
			}
			if w := ask(mux, method, target, ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
				t.Errorf("%s %s: %d, Allow %q", method, target, w.Code, w.Header().Get("Allow"))
			}
		}
	}
}

func TestSessionsOfOthers(t *testing.T) {
	f := newFake()
	mux := routes(New(f, Config{}))
	location, etag := created(t, mux, "/whip/r", publisherOffer, "Authorization", "Bearer one")
	id := location[strings.LastIndexByte(location, '/')+1:]
	for name, tt := range map[string]struct {
		target, token string
		status        int
		challenge     string
	}{
		"no token":    {location, "", 401, `Bearer realm="rivulet"`},
		"other token": {location, "Bearer two", 401, `Bearer realm="rivulet", error="invalid_token"`},
		"other id":    {"/whip/r/" + strings.Repeat("A", 26), "Bearer one", 404, ""},
		"other room":  {"/whip/q/" + id, "Bearer one", 404, ""},
		"other kind":  {"/whep/r/" + id, "Bearer one", 404, ""},
	} {
		for _, method := range []string{"PATCH", "DELETE"} {
			w := ask(mux, method, tt.target, "", "Authorization", tt.token, "If-Match", etag, "Content-Type", mediaFragment)
			if w.Code != tt.status || w.Header().Get("WWW-Authenticate") != tt.challenge {
				t.Errorf("%s: %s answered %d %q", name, method, w.Code, w.Header().Get("WWW-Authenticate"))
			}
		}
	}
	if len(f.live) != 1 {
		t.Error("somebody else ended the session")
	}
}

// TestOrigins shows that pages of other hosts are kept out unless allowed.
func TestOrigins(t *testing.T) {
	for name, tt := range map[string]struct {
		origins []string
		origin  string
		allowed bool
	}{
		"no page":         {nil, "", true},
		"same host":       {nil, "https://SFU.test", true},
		"closed":          {nil, "https://studio.example", false},
		"null":            {nil, "null", false},
		"no URL":          {[]string{"x"}, "://", false},
		"listed":          {[]string{"studio.example"}, "https://studio.example", true},
		"pattern":         {[]string{"*.studio.example"}, "https://a.studio.example", true},
		"pattern's top":   {[]string{"*.studio.example"}, "https://studio.example", false},
		"port":            {[]string{"studio.example"}, "https://studio.example:8443", false},
		"everybody":       {[]string{"*"}, "https://anywhere.example", true},
		"everybody, null": {[]string{"*"}, "null", true},
	} {
		t.Run(name, func(t *testing.T) {
			mux := routes(New(newFake(), Config{Origins: tt.origins}))
			w := ask(mux, "POST", "/whip/r", publisherOffer, "Content-Type", mediaOffer, "Origin", tt.origin)
			if got := w.Code == http.StatusCreated; got != tt.allowed {
				t.Fatalf("POST answered %d %s", w.Code, w.Body)
			}
			want := ""
			if tt.allowed {
				want = tt.origin
			}
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("Access-Control-Allow-Origin %q, want %q", got, want)
			}
			if want != "" && !strings.Contains(w.Header().Get("Access-Control-Expose-Headers"), "Location") {
				t.Error("the page cannot read Location")
			}
			for target, accept := range map[string]string{"/whip/r": "Accept-Post", "/whep/r/x": "Accept-Patch"} {
				w = ask(mux, "OPTIONS", target, "", "Origin", tt.origin, "Access-Control-Request-Method", "POST")
				if w.Code != http.StatusOK || w.Header().Get(accept) == "" {
					t.Errorf("OPTIONS %s: %d, %s %q", target, w.Code, accept, w.Header().Get(accept))
				}
				if got := w.Header().Get("Access-Control-Allow-Headers") != ""; got != (want != "") {
					t.Errorf("OPTIONS %s: permission %v, want %v", target, got, want != "")
				}
			}
		})
	}
}

func TestPlacesAreBoundedAndGivenBack(t *testing.T) {
	f := newFake()
	h := New(f, Config{MaxSessions: 3})
	mux := routes(h)
	for range 3 {
		created(t, mux, "/whip/r", publisherOffer)
	}
	w := ask(mux, "POST", "/whip/r", publisherOffer, "Content-Type", mediaOffer)
	if w.Code != 503 || refusal(t, w) != signal.ServerFull {
		t.Fatalf("a fourth of three: %d %s", w.Code, w.Body)
	}
	f.endAll() // the room threw them out
	location, _ := created(t, mux, "/whip/r", publisherOffer)
	if n := h.sessions.size(); n != 1 {
		t.Errorf("%d sessions are held, want the live one", n)
	}
	if w := ask(mux, "DELETE", location, ""); w.Code != 200 {
		t.Fatalf("DELETE: %d", w.Code)
	}
	if h.sessions.size() != 0 || h.sessions.bytes != 0 || len(h.sessions.stored) != 0 {
		t.Errorf("%d sessions and %d bytes remain", h.sessions.size(), h.sessions.bytes)
	}
	if w := ask(mux, "DELETE", location, ""); w.Code != 404 || refusal(t, w) != signal.UnknownSession {
		t.Errorf("a second DELETE: %d", w.Code)
	}
}
