package e2e

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Whatever a stranger, or a member of the room, sends: two pages go on talking.
func TestHostileInputHarmsNobodyElse(t *testing.T) {
	s := startServer(t, nil)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "hostile", "video=320x180")
	s.call(bob, "hostile", "video=320x180")
	before := ann.talking(1)
	bob.talking(1)
	seen := before.from(before.Others[0])

	t.Run("messages", func(t *testing.T) { badMessages(t, s) })
	t.Run("unknown RTP and RTCP", func(t *testing.T) { floodMedia(t, s, "hostile") })
	t.Run("datagrams", func(t *testing.T) {
		floodDatagrams(t, s.ports.Media)
		floodDatagrams(t, s.ports.Relay)
	})
	t.Run("streams", func(t *testing.T) {
		floodStreams(t, s.ports.Media)
		floodStreams(t, s.ports.Relay)
	})
	t.Run("a member that never reads", func(t *testing.T) { neverRead(t, s, "hostile") })
	t.Run("a thousand joins", func(t *testing.T) { floodJoins(t, s, "flood") })

	for _, p := range []*page{ann, bob} {
		now := p.wait(10*time.Second, "still connected", func(s state) bool { return s.Call == "connected" })
		p.goesOn(10*time.Second, now)
		if c := p.state().Counters.negotiations(); c != (counters{SDP: 2}) {
			t.Errorf("%s was harmed: %+v", p.name, c)
		}
	}
	// The browser's own figures, which a busy page does not distort. A thousand
	// joins, clients and all, do take the machine's time.
	after := ann.state().from(before.Others[0])
	if after.Frozen-seen.Frozen > 3 || after.PLIs > seen.PLIs {
		t.Errorf("the picture suffered: %+v\nbefore: %+v", after, seen)
	}
	if m := s.stats().Media; m.Unknown == 0 {
		t.Errorf("the flood was not counted: %+v", m)
	}
}

// badMessages says what must be refused, each with its code.
func badMessages(t *testing.T, s *server) {
	for _, tt := range []struct {
		name, text string
		want       signal.Code
	}{
		{"malformed JSON", `{"type":`, signal.BadMessage},
		{"unknown type", `{"type":"dance"}`, signal.UnknownType},
		{"before joining", `{"type":"leave"}`, signal.NotJoined},
		{"no SDP", joinMessage("hostile", "x", "hello"), signal.BadOffer},
		{"10,000 lines", joinMessage("hostile", "x", "v=0\r\n"+strings.Repeat("a=x\r\n", 10_000)), signal.BadOffer},
		{"an offer without sections", joinMessage("hostile", "x", "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"), signal.BadOffer},
		{"no room", joinMessage("", "x", ""), signal.BadMessage},
		{"oversized", joinMessage("hostile", "x", strings.Repeat("x", signal.MaxMessageSize)), signal.TooLarge},
	} {
		if got := s.attack(t).say(tt.text); got.Code != tt.want {
			t.Errorf("%s: answered %+v, want %s", tt.name, got, tt.want)
		}
	}
	a := s.attack(t)
	if got := a.say(`{"type":"join","id":"1","version":1,"room":"elsewhere"}`); got.Type != "joined" {
		t.Fatalf("a join without media was answered %+v", got)
	}
	for text, want := range map[string]signal.Code{
		`{"type":"candidate","candidate":"candidate:1 1 udp 1 evil.example.org 9 typ host"}`: signal.BadCandidate,
		`{"type":"ack","slot":60,"source":1}`:                                                signal.UnknownSlot,
		`{"type":"mute","source":"camera","muted":true}`:                                     signal.UnknownTrack,
		`{"type":"restart","offer":"v=0\r\n"}`:                                               signal.BadMessage,
	} {
		if got := a.say(text); got.Code != want {
			t.Errorf("%s: answered %+v, want %s", text, got, want)
		}
	}
}

// neverRead joins and takes nothing that is sent to it, while things happen.
func neverRead(t *testing.T, s *server, room string) {
	var raw net.Conn
	client := s.attackOver(t, func(c net.Conn) { raw = c })
	if got := client.say(`{"type":"join","id":"1","version":1,"room":"` + room + `"}`); got.Type != "joined" {
		t.Fatalf("answered %+v", got)
	}
	if err := raw.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	other := s.attack(t)
	other.say(`{"type":"join","id":"1","version":1,"room":"` + room + `","name":"` + strings.Repeat("x", 60) + `"}`)
	for i := range 150 {
		// Each is answered, so it is not the other one's reading that stalls.
		if got := other.say(fmt.Sprintf(`{"type":"ping","id":"%d"}`, i)); got.Type != "pong" {
			t.Fatalf("answered %+v", got)
		}
	}
}

// floodJoins joins a thousand times as fast as it can, from one address.
func floodJoins(t *testing.T, s *server, room string) {
	var joined, limited, refused atomic.Int32
	var running sync.WaitGroup
	next := make(chan int)
	for range 16 {
		running.Go(func() {
			for i := range next {
				switch code := joinOnce(t.Context(), s, fmt.Sprintf(`{"type":"join","id":"1","version":1,"room":"%s","identity":"flood-%d"}`, room, i%20)); code {
				case "joined":
					joined.Add(1)
				case string(signal.RateLimited):
					limited.Add(1)
				default:
					refused.Add(1)
				}
			}
		})
	}
	start := time.Now()
	for i := range 1000 {
		next <- i
	}
	close(next)
	running.Wait()
	took := time.Since(start)
	t.Logf("in %v of 1000 joins %d came in, %d were limited, %d refused otherwise", took, joined.Load(), limited.Load(), refused.Load())
	if most := 110 + 20*took.Seconds(); float64(joined.Load()) > most {
		t.Errorf("%d joins came in, at most %.0f are due", joined.Load(), most)
	}
	if limited.Load() == 0 {
		t.Error("no join was limited")
	}
}

// joinOnce opens a connection, joins and closes; it answers the type or the code of the reply.
func joinOnce(ctx context.Context, s *server, message string) string {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws://"+loopback(s.ports.HTTP)+"/v1/ws", nil)
	if err != nil {
		return "not connected"
	}
	defer c.CloseNow()
	if err := c.Write(ctx, websocket.MessageText, []byte(message)); err != nil {
		return "not written"
	}
	_, b, err := c.Read(ctx)
	if err != nil {
		return "not answered"
	}
	if strings.Contains(string(b), `"joined"`) {
		return "joined"
	}
	if strings.Contains(string(b), string(signal.RateLimited)) {
		return string(signal.RateLimited)
	}
	return string(b)
}
