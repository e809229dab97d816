package full

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
)

// crossed is one packet of a time line.
type crossed struct {
	at   time.Duration
	up   bool
	kind string
	size int
}

// timeLine runs the beginning of a call of the suite, and answers what crossed
// the link of the thin person from pressing the button on.
func timeLine(t *testing.T, name string, d time.Duration) (line []crossed, rec lab.CallRecording) {
	t.Helper()
	all, err := lab.Suite("calls")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s lab.Scenario) bool { return s.Name == name })
	p, err := FromCall(all[i], 1)
	if err != nil {
		t.Fatal(err)
	}
	p.Duration = d
	thin := address(1, 1)
	press := p.Call.People[1].Join
	rec, err = runCall(t, p, func(e signal.Engine) http.Handler { return ws.New(e, ws.Config{}) }, func(at time.Duration, p memnet.Packet) {
		if at >= press && (p.From.Addr() == thin || p.To.Addr() == thin) {
			line = append(line, crossed{at - press, p.From.Addr() == thin, kindOf(p), p.Size})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return line, rec
}

// kindOf names a packet by what is clear of it.
func kindOf(p memnet.Packet) string {
	b := p.Data
	switch {
	case p.Stream:
		return "signalling"
	case len(b) < 2:
		return "?"
	case b[0] < 4:
		return fmt.Sprintf("STUN %02x%02x", b[0], b[1])
	case b[0] >= 20 && b[0] < 64:
		kind := "DTLS"
		for len(b) > 13 { // RFC 6347 §4.1, RFC 5246 §7.4
			n := 13 + (int(b[11])<<8 | int(b[12]))
			if kind += fmt.Sprintf(" %d", b[0]); b[0] == 22 {
				kind += fmt.Sprintf("/%d", b[13])
			}
			b = b[min(len(b), n):]
		}
		return kind
	case b[1] >= 192 && b[1] < 224:
		return fmt.Sprintf("RTCP %d", b[1])
	}
	return fmt.Sprintf("RTP %d", b[1]&127)
}

// TestFirstSoundTimeLine prints (-v) what crosses a thin link until the first
// sound, and holds what makes it early: the server's hello of DTLS came with the
// answer, so the client's whole answer to it leaves with the first check; each check
// and flight once; voice comes before the handshake is over, and nothing else of
// media before it.
func TestFirstSoundTimeLine(t *testing.T) {
	for _, name := range []string{"voice-gprs", "voice-2g-urban"} {
		t.Run(name, func(t *testing.T) {
			line, rec := timeLine(t, name, 14*time.Second)
			sent := map[string][]time.Duration{} // by kind, with the direction
			voice := 0
			for _, c := range line {
				way := "down"
				if c.up {
					way = "up"
				}
				if voice < 4 {
					t.Logf("%6.3f s  %-4s %5d B  %s", c.at.Seconds(), way, c.size, c.kind)
				}
				if voice > 0 && c.kind != "RTP 111" && !strings.HasPrefix(c.kind, "DTLS") {
					continue
				}
				sent[way+" "+c.kind] = append(sent[way+" "+c.kind], c.at)
				if c.kind == "RTP 111" {
					voice++
				}
			}
			check, flight, first := sent["up STUN 0001"], sent["up DTLS 22/2 22/11 22/12 22/13 22/14"], sent["down RTP 111"]
			finished, over := sent["down DTLS 22/11 22/16 22/15 20 22/0"], sent["up DTLS 20 22/0"]
			if len(check) == 0 || len(flight) != 1 || len(finished) != 1 || len(over) != 1 || len(first) == 0 || len(rec.People[1].Heard) == 0 {
				t.Fatalf("checks at %v, flights at %v, %v and %v, voice at %v", check, flight, finished, over, first)
			}
			if wait := flight[0] - check[0]; wait > time.Millisecond {
				t.Errorf("DTLS begins %v after the first check", wait)
			}
			if wait := first[0] - finished[0]; wait > 120*time.Millisecond || first[0] > over[0] {
				t.Errorf("voice comes %v after our Finished at %v; the client's is at %v", wait, finished[0], over[0])
			}
			if len(check) > 1 && check[1]-check[0] < time.Second { // those keep the path alive
				t.Errorf("checks at %v: one is repeated within a round trip", check)
			}
		})
	}
}
