package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestReports lets two ends talk that report by stream, as the Go client does by
// itself, or transport-wide, as browsers do: either is understood in both
// directions, and only the second puts numbers on the packets.
func TestReports(t *testing.T) {
	for _, transportWide := range []bool{false, true} {
		name, kind, other := "by stream", "rtcp ccfb", "rtcp twcc"
		if transportWide {
			name, kind, other = "transport-wide", other, kind
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				defer w.close()
				options := client.Options{TransportFeedback: transportWide, Publish: publications(signal.Microphone)}
				a, b := w.join(options), w.join(options)
				a.waitConnected(t)
				b.waitConnected(t)
				a.talk(t)
				b.talk(t)
				l := w.watch(a)
				const d = 20 * time.Second
				time.Sleep(d)
				must(t, a.Restart(short(t)))
				time.Sleep(d)
				l.mu.Lock()
				t.Logf("sent: %s", itemise(l.sent, 2*d))
				t.Logf("came: %s", itemise(l.heard, 2*d))
				if l.sent[kind].packets < 20 || l.heard[kind].packets < 20 || l.sent[other].packets+l.heard[other].packets > 0 {
					t.Errorf("reports of the wrong kind: sent %v, came %v", l.sent, l.heard)
				}
				media := l.sent["rtp"].packets + l.heard["rtp"].packets
				if media < 1000 || !transportWide && l.numbers > l.sent["rtp"].packets || transportWide && l.numbers < media {
					t.Errorf("%d of %d packets carry a header extension", l.numbers, media)
				}
				l.mu.Unlock()
				paths := 0
				for _, r := range w.engine.Rooms() {
					for _, p := range r.Participants {
						if p.Path != nil {
							paths++
							if s := p.Path.Path; s.Reports < 500 || s.State == bwe.Coarse || s.State == bwe.Blackout || s.Blackouts > 1 {
								t.Errorf("the server's side heard %d reports, is in state %v after %d blackouts", s.Reports, s.State, s.Blackouts)
							}
						}
					}
				}
				if paths != 2 {
					t.Errorf("%d paths", paths)
				}
				w.leave(a)
				w.leave(b)
			})
		})
	}
}
