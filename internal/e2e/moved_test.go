package e2e

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/emulate"
	plan "github.com/rivulet-rtc/rivulet/loadtest/link"
)

// TestPageIsFollowedToAnotherAddress: a translator before a browser forgets its
// mapping. The browser's own checks are up to 2.5 s apart; the server asks for
// proof when the browser's media comes from elsewhere, so that pictures go on in
// both directions long before.
func TestPageIsFollowedToAnotherAddress(t *testing.T) {
	const moves, limit = 3, 1200 * time.Millisecond
	s := startServer(t, nil)
	way := plan.Config{Delay: 50 * time.Millisecond}
	net := startLink(t, s, emulate.Links{Up: way, Down: way})
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "moved", "video=320x180")
	me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
	bob.behind(s.ports.Media, net.port)
	net.start()
	s.call(bob, "moved", "video=320x180", "ice=udp")
	other := bob.talking(1).Me
	ann.talking(1)
	bob.run(samplerScript, me)
	ann.run(samplerScript, other)
	for range moves {
		time.Sleep(1500 * time.Millisecond)
		net.proxy.Rebind()
	}
	time.Sleep(1500 * time.Millisecond)
	for _, p := range []*page{ann, bob} {
		samples, err := evaluate[[]sample](p, `(clearInterval(sampler), samples)`)
		if err != nil || len(samples) < 20 {
			t.Fatalf("%d samples, error %v", len(samples), err)
		}
		gap := longestGap(samples)
		t.Logf("%s: longest gap %v", p.name, gap)
		if gap > limit {
			t.Errorf("%s saw nothing new for %v, at most %v", p.name, gap, limit)
		}
	}
	if report := net.stop(); !report.Valid {
		t.Skipf("the machine was too busy to emulate a link: %v", report.Invalid)
	} else if report.Rebinds != moves {
		t.Errorf("%d address changes, want %d", report.Rebinds, moves)
	}
}

// longestGap is the longest time without a decoded picture.
func longestGap(samples []sample) (longest time.Duration) {
	progress := samples[0]
	for _, now := range samples[1:] {
		if now.Decoded > progress.Decoded {
			longest = max(longest, time.Duration((now.At-progress.At)*float64(time.Millisecond)))
			progress = now
		}
	}
	last := samples[len(samples)-1]
	return max(longest, time.Duration((last.At-progress.At)*float64(time.Millisecond)))
}
