package e2e

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/emulate"
	plan "github.com/rivulet-rtc/rivulet/loadtest/link"
)

// repairScript reads what the browser's receiver of video says of repair.
const repairScript = `(async () => {
	const found = { repairs: 0, decoded: 0, codecs: "" };
	(await rivulet.call.pc.getStats()).forEach((s) => {
		if (s.type === "inbound-rtp" && s.kind === "video") {
			found.repairs += s.fecPacketsReceived ?? 0;
			found.discarded = (found.discarded ?? 0) + (s.fecPacketsDiscarded ?? 0);
			found.decoded += s.framesDecoded ?? 0;
			found.nacks = (found.nacks ?? 0) + (s.nackCount ?? 0);
			found.lost = (found.lost ?? 0) + (s.packetsLost ?? 0);
		}
	});
	return found;
})()`

// Far away on a lossy link, Chromium is sent repair packets and takes them.
func TestRepairPacketsReachChromium(t *testing.T) {
	s := startServer(t, nil)
	link := startLink(t, s, emulate.Links{
		Up:   plan.Config{Delay: 150 * time.Millisecond},
		Down: plan.Config{Delay: 150 * time.Millisecond, Loss: plan.Loss{Random: 0.05}, Seed: 3},
	})
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "far", "codec=VP8", "video=640x360")
	me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
	bob.behind(s.ports.Media, link.port)
	link.start()
	s.call(bob, "far", "video=0", "slots=1", "ice=udp")
	bob.wait(joinLimit, "ann is seen", func(s state) bool { return s.from(me).Decoded > 5 })
	type repaired struct{ Repairs, Discarded, Decoded, NACKs, Lost int }
	var got repaired
	bob.wait(40*time.Second, "50 repair packets have come", func(state) bool {
		got, _ = evaluate[repaired](bob, repairScript)
		return got.Repairs >= 50
	})
	before := bob.state()
	bob.goesOn(10*time.Second, before)
	got, _ = evaluate[repaired](bob, repairScript)
	t.Logf("received %+v", got)
	if report := link.stop(); !report.Valid {
		t.Skipf("the machine was too busy to emulate a link: %v", report.Invalid)
	}
	if got.Discarded > got.Repairs/2 {
		t.Errorf("%d of %d repair packets were of no use", got.Discarded, got.Repairs)
	}
}
