package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestReports lets two ends talk that report by stream, as the Go client does by
// itself, or transport-wide, as browsers do: either is understood in both
// directions, and only the second puts numbers on the packets. Nothing else is in
// the header extensions of what is forwarded, and reports go without a receiver
// report before them (reduced-size RTCP, RFC 5506).
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
				sent, came := l.sent["rtp"].packets, l.heard["rtp"].packets
				if sent+came < 1000 {
					t.Errorf("%d packets of media", sent+came)
				}
				// What comes carries what its receiver needs for its reports, and no more:
				// not the level of the sound, which everybody publishes.
				switch {
				case l.sentMarked < sent:
					t.Errorf("%d of %d packets sent carry a header extension: the level of the sound is missing", l.sentMarked, sent)
				case !transportWide && l.heardMarked > 0:
					t.Errorf("%d of %d packets that came carry a header extension, of %d bytes; none is needed", l.heardMarked, came, l.widest)
				case transportWide && (l.heardMarked < came || l.widest != 8):
					t.Errorf("%d of %d packets that came carry a header extension, of %d bytes; all should, of 8", l.heardMarked, came, l.widest)
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

// TestIdleCallCostsLittle lets two people be silent, with discontinuous
// transmission, and holds what is not media: reports, consent, clocks.
func TestIdleCallCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		options := client.Options{Publish: publications(signal.Microphone)}
		a, b := w.join(options), w.join(options)
		a.waitConnected(t)
		b.waitConnected(t)
		silence := media.VoiceConfig{Seed: 1, DTX: true, Silent: true, Pause: time.Hour}
		a.speak(t, silence)
		b.speak(t, silence)
		time.Sleep(20 * time.Second)
		l := w.watch(a)
		const d = time.Minute
		time.Sleep(d)
		l.mu.Lock()
		up, down := kbps(l.sent, d), kbps(l.heard, d)
		t.Logf("sent %.2f kbit/s: %s", up, itemise(l.sent, d))
		t.Logf("came %.2f kbit/s: %s", down, itemise(l.heard, d))
		if up > 1.5 || down > 1.5 {
			t.Errorf("what is not media costs %.2f kbit/s up and %.2f down, at most 1.5 are allowed", up, down)
		}
		if l.sent["rtp"].packets < 100 || l.heard["rtp"].packets < 100 || l.sent["rtcp ccfb"].packets < 20 {
			t.Errorf("the call is not alive: %v", l.sent)
		}
		l.mu.Unlock()
		w.leave(a)
		w.leave(b)
	})
}
