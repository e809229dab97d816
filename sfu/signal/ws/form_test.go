package ws_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/sfu/compact"
	"github.com/rivulet-rtc/rivulet/sfu/peer/brief"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// dialAs opens a WebSocket that offers subprotocols.
func (s *site) dialAs(names ...string) *client {
	s.t.Helper()
	c, _, err := websocket.Dial(s.t.Context(), "ws://10.0.0.1/", &websocket.DialOptions{HTTPClient: s.client, Subprotocols: names})
	if err != nil {
		s.t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	return &client{c, s.t}
}

// exchange writes one frame and reads the next.
func (c *client) exchange(kind websocket.MessageType, b []byte) (websocket.MessageType, []byte) {
	c.t.Helper()
	if err := c.Write(c.t.Context(), kind, b); err != nil {
		c.t.Fatal(err)
	}
	kind, b, err := c.Read(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	return kind, b
}

// A real browser's join takes less than a kilobyte each way in the compact form.
func TestCompactJoin(t *testing.T) {
	recorded, err := os.ReadFile("../../compact/testdata/join-chromium.json")
	if err != nil {
		t.Fatal(err)
	}
	var join map[string]any
	if err := json.Unmarshal(recorded, &join); err != nil {
		t.Fatal(err)
	}
	join["offer"] = compact.SDP(join["offer"].(string))
	plain, err := json.Marshal(join)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, nil, func(t *testing.T, s *site) {
		c := s.dialAs(compact.Subprotocol, compact.PlainSubprotocol)
		defer s.close(c)
		up := compact.Encode(plain)
		kind, down := c.exchange(websocket.MessageBinary, up)
		b, err := compact.Decode(down, 1<<20)
		if err != nil || kind != websocket.MessageBinary {
			t.Fatalf("a frame of type %v: %v", kind, err)
		}
		var joined struct {
			Type, Answer string
		}
		if err := json.Unmarshal(b, &joined); err != nil || joined.Type != "joined" {
			t.Fatalf("%.200s, %v", b, err)
		}
		answer, short, err := compact.Expand(joined.Answer, signal.MaxOfferSize)
		if err != nil || !short || !strings.HasPrefix(answer, "v=0\r\n") || strings.Count(answer, "\r\nm=") != 16 {
			t.Errorf("the answer is %.100q (compact %v, %v)", answer, short, err)
		}
		t.Logf("%d bytes up (%d before), %d down (%d before)", len(up), len(recorded), len(down), len(b)-len(joined.Answer)+len(answer))
		if len(up) > 1000 || len(down) > 1000 {
			t.Error("more than a kilobyte")
		}
	})
}

// What is not in the form agreed is refused, and the connection goes on.
func TestCompactForm(t *testing.T) {
	serve(t, nil, func(t *testing.T, s *site) {
		c := s.dialAs(compact.Subprotocol)
		defer s.close(c)
		refused := func(name string, kind websocket.MessageType, b []byte, want signal.Code) {
			t.Helper()
			_, answer := c.exchange(kind, b)
			plain, err := compact.Decode(answer, 1<<16)
			var m message
			if err != nil || json.Unmarshal(plain, &m) != nil || m.Code != want {
				t.Errorf("%s: %s, %v; want %s", name, plain, err, want)
			}
		}
		refused("text", websocket.MessageText, []byte(`{"type":"ping","id":"1"}`), signal.BadMessage)
		refused("no DEFLATE", websocket.MessageBinary, []byte{1, 2, 3, 4}, signal.BadMessage)
		refused("a bomb", websocket.MessageBinary, compact.Encode(make([]byte, 8<<20)), signal.BadMessage)
		refused("no JSON", websocket.MessageBinary, compact.Encode([]byte("x")), signal.BadMessage)
		refused("no description", websocket.MessageBinary,
			compact.Encode([]byte(`{"type":"join","id":"2","version":1,"room":"a","offer":"~1\nv=0\n=1"}`)), signal.BadOffer)
	})
}

// A brief description is taken with a join and a restart alone, and only whole; a
// join with one is answered with one, and no SDP is in either.
func TestBriefForm(t *testing.T) {
	o := brief.Offer{Transport: brief.Transport{Streams: 7}, Sends: []brief.Send{{Source: brief.Microphone}}, Audio: 3, Video: 4}
	attached := o.Append(nil)
	serve(t, nil, func(t *testing.T, s *site) {
		c := s.dialAs(compact.Three.Subprotocol, compact.Two.Subprotocol)
		defer s.close(c)
		exchange := func(command string, attached []byte) (m map[string]any, rest []byte) {
			t.Helper()
			_, answer := c.exchange(websocket.MessageBinary, compact.Three.EncodeWith([]byte(command), attached))
			plain, rest, err := compact.Three.DecodeWith(answer, 1<<16)
			if err != nil || json.Unmarshal(plain, &m) != nil {
				t.Fatalf("%q: %v", plain, err)
			}
			return m, rest
		}
		const join = `{"type":"join","id":"1","version":1,"room":"a","publish":[{"source":"microphone"}]}`
		for name, bad := range map[string]struct {
			command  string
			attached []byte
			code     signal.Code
		}{
			"with a ping":   {`{"type":"ping","id":"1"}`, attached, signal.BadMessage},
			"with an offer": {`{"type":"join","id":"1","version":1,"room":"a","offer":"v=0"}`, attached, signal.BadMessage},
			"cut off":       {join, attached[:40], signal.BadOffer},
			"too long":      {join, make([]byte, 4000), signal.BadOffer},
		} {
			if m, _ := exchange(bad.command, bad.attached); m["code"] != string(bad.code) {
				t.Errorf("%s: %v", name, m)
			}
		}
		m, rest := exchange(join, attached)
		a, err := brief.DecodeAnswer(rest)
		if err != nil || m["type"] != "joined" || m["answer"] != nil && m["answer"] != "" || m["slots"] != nil {
			t.Fatalf("%v with %d bytes, %v", m, len(rest), err)
		}
		if a.Streams == 0 || a.Fingerprint == (brief.Transport{}.Fingerprint) || len(a.Candidates) == 0 || !strings.Contains(a.SDP(&o), "\r\nm=") {
			t.Errorf("%+v", a)
		}
	})
}

// Browsers fail when none of the names that they offer is taken.
func TestPlainSubprotocol(t *testing.T) {
	serve(t, nil, func(t *testing.T, s *site) {
		c := s.dialAs("something", compact.PlainSubprotocol)
		defer s.close(c)
		if c.Subprotocol() != compact.PlainSubprotocol {
			t.Errorf("the server took %q", c.Subprotocol())
		}
		if kind, b := c.exchange(websocket.MessageText, []byte(`{"type":"ping","id":"1"}`)); kind != websocket.MessageText || !json.Valid(b) {
			t.Errorf("answered %q", b)
		}
	})
}

// What comes with the request that opens the connection is answered as if it had
// come afterwards, and what comes afterwards too.
func TestFirstMessages(t *testing.T) {
	serve(t, nil, func(t *testing.T, s *site) {
		read := func(c *client) (m message) {
			t.Helper()
			_, b, err := c.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			plain, err := compact.Decode(b, 1<<20)
			if err != nil || json.Unmarshal(plain, &m) != nil {
				t.Fatalf("%q: %v", plain, err)
			}
			return m
		}
		names := []string{compact.FirstSubprotocol, compact.Subprotocol, compact.PlainSubprotocol}
		c := s.dialAs(append(names, compact.Token(compact.Encode([]byte(`{"type":"dance","id":"1"}`))), compact.Token([]byte{1, 2, 3}))...)
		defer s.close(c)
		if c.Subprotocol() != compact.FirstSubprotocol {
			t.Fatalf("the server took %q", c.Subprotocol())
		}
		if m := read(c); m.Code != signal.UnknownType {
			t.Errorf("the first is answered by %+v", m)
		}
		if m := read(c); m.Code != signal.BadMessage {
			t.Errorf("the second, which is no DEFLATE, by %+v", m)
		}
		if _, b := c.exchange(websocket.MessageBinary, compact.Encode([]byte(`{"type":"hop","id":"2"}`))); len(b) == 0 {
			t.Error("nothing is answered afterwards")
		}
		// The other dictionary: what a client speaks that knows both.
		two := s.dialAs(compact.Two.First, compact.Two.Subprotocol, compact.Subprotocol, compact.Token(compact.Two.Encode([]byte(`{"type":"dance","id":"1"}`))))
		defer s.close(two)
		_, b, err := two.Read(t.Context())
		if err != nil || two.Subprotocol() != compact.Two.First {
			t.Fatalf("%q: %v", two.Subprotocol(), err)
		}
		if plain, err := compact.Two.Decode(b, 1<<20); err != nil || !strings.Contains(string(plain), string(signal.UnknownType)) {
			t.Errorf("answered %s, %v", plain, err)
		}
		// Without messages, or with too many, the choice says that nothing was taken.
		none := s.dialAs(names...)
		defer s.close(none)
		token := compact.Token([]byte{1})
		many := s.dialAs(append(names, token, token+"A", token+"B")...)
		defer s.close(many)
		if none.Subprotocol() != compact.Subprotocol || many.Subprotocol() != compact.Subprotocol {
			t.Errorf("the server took %q and %q", none.Subprotocol(), many.Subprotocol())
		}
	})
}
