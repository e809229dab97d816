package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/loadtest/emulate"
	plan "github.com/rivulet-rtc/rivulet/loadtest/link"
)

// TestScalableOnALossyPath: a subscriber on Wi-Fi that loses 5 % in both
// directions sees a picture of several spatial layers go on.
func TestScalableOnALossyPath(t *testing.T) {
	testenv.Long(t)
	const watched = 25 * time.Second
	for _, query := range []string{"codec=VP9&svc=L3T3_KEY", "codec=VP9&svc=L3T3", "codec=AV1&svc=L3T3"} {
		t.Run(query, func(t *testing.T) {
			s := startServer(t, nil)
			lossy := func(seed uint64) plan.Config {
				return plan.Config{
					Capacity: plan.Constant(3 * units.Mbps), Delay: 15 * time.Millisecond, Queue: plan.Queue{Delay: 300 * time.Millisecond},
					Loss: plan.Loss{Random: 0.05}, Overhead: plan.OverheadIPv4, Seed: seed,
				}
			}
			link := startLink(t, s, emulate.Links{Up: lossy(1), Down: lossy(2)})
			ann, bob := openTab(t, "ann"), openTab(t, "bob")
			s.call(ann, "lossy", "audio=0", "video=1280x720", query)
			me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
			bob.behind(s.ports.Media, link.port)
			link.start()
			s.call(bob, "lossy", "audio=0", "video=0", "slots=1", "ice=udp")
			bob.wait(joinLimit, "ann is seen", func(s state) bool { return s.from(me).Decoded > 5 })
			bob.run(samplerScript, me)
			path := s.follow(link, bob.state().Me, time.Since(link.began)+watched)
			samples := bob.samples()
			if report := link.stop(); !report.Valid {
				t.Skipf("the machine was too busy to emulate a link: %v", report.Invalid)
			}
			first, last := samples[0], samples[len(samples)-1]
			longest, shown := 0.0, first
			for _, now := range samples {
				if now.Decoded > shown.Decoded {
					longest, shown = max(longest, now.At-shown.At), now
				}
			}
			t.Logf("%d of %d frames decoded, %d wide, longest gap %.0f ms, %d lost packets, %d key frames, %d freezes (%.2f s), %d PLIs", last.Decoded-first.Decoded,
				last.Received-first.Received, last.Width, longest, last.Lost-first.Lost, last.Keyframes-first.Keyframes, last.Freezes-first.Freezes, last.Frozen-first.Frozen, last.PLIs-first.PLIs)
			if longest > 1000 || last.PLIs > first.PLIs {
				t.Errorf("no picture for %.0f ms, and the browser asked for %d key frames", longest, last.PLIs-first.PLIs)
				t.Logf("%s\nthe path to bob:\n%s", s.dump(), strings.Join(path, "\n"))
			}
		})
	}
}
