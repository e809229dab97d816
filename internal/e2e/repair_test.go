package e2e

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
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
			found.freezes = (found.freezes ?? 0) + (s.freezeCount ?? 0);
			found.frozen = (found.frozen ?? 0) + (s.totalFreezesDuration ?? 0);
			found.dropped = (found.dropped ?? 0) + (s.framesDropped ?? 0);
			found.plis = (found.plis ?? 0) + (s.pliCount ?? 0);
			found.longest = Math.max(found.longest ?? 0, s.totalInterFrameDelay ?? 0);
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
	bob.wait(40*time.Second, "25 repair packets have come", func(state) bool {
		got, _ = evaluate[repaired](bob, repairScript)
		return got.Repairs >= 25
	})
	before := bob.state()
	bob.goesOn(5*time.Second, before)
	got, _ = evaluate[repaired](bob, repairScript)
	t.Logf("received %+v", got)
	if report := link.stop(); !report.Valid {
		t.Skipf("the machine was too busy to emulate a link: %v", report.Invalid)
	}
	if got.Discarded > got.Repairs/2 {
		t.Errorf("%d of %d repair packets were of no use", got.Discarded, got.Repairs)
	}
}

// without has a page offer nothing of the formats, as an older browser, and ask
// for no packet of a picture again.
func (p *page) without(formats string) {
	p.t.Helper()
	p.before(`{
		const make = RTCPeerConnection.prototype.createOffer;
		RTCPeerConnection.prototype.createOffer = async function (...options) {
			const { type, sdp } = await make.apply(this, options);
			const gone = new Set([...sdp.matchAll(/a=rtpmap:(\d+) (?:` + formats + `)\/90000/g)].map(([, pt]) => pt));
			for (const [, pt, apt] of sdp.matchAll(/a=fmtp:(\d+) apt=(\d+)/g)) if (gone.has(apt)) gone.add(pt);
			const lines = sdp.split("\r\n").filter((line) =>
				!gone.has(/^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /.exec(line)?.[1]) && !/^a=rtcp-fb:\d+ nack$/.test(line));
			return { type, sdp: lines.map((line) => line.startsWith("m=video ")
				? line.split(" ").filter((word, i) => i < 3 || !gone.has(word)).join(" ") : line).join("\r\n") };
		};
	}`)
}

// repairs is how many repair packets the server sent to a participant.
func (s *server) repairs(id string) (n uint64) {
	for _, r := range s.rooms() {
		for _, p := range r.Participants {
			if p.ID == id && p.Path != nil {
				for i := range p.Path.Slots {
					n += p.Path.Slots[i].Repairs
				}
			}
		}
	}
	return n
}

// A browser that knows no newer form than ULPFEC in RED is sent that and makes
// use of it. Chromium counts FlexFEC alone (fecPacketsReceived is not there), so
// what it sees is held against one that is sent none. Neither asks for packets
// again nor takes any a second time (RTX), which the server sends as padding, too:
// nothing else repairs.
func TestOlderRepairPacketsServeChromium(t *testing.T) {
	testenv.Long(t)
	s := startServer(t, nil)
	// One packet in 19 to 26 is lost: never two that share a repair packet, for
	// where nothing is asked for again one such stops the picture for seconds. A
	// steady period would fall in step with voice or with frames.
	links := emulate.Links{Up: plan.Config{Delay: 150 * time.Millisecond}, Down: plan.Config{Delay: 150 * time.Millisecond}}
	random := rand.New(rand.NewPCG(1, 2))
	for n := uint64(100); n < 20_000; n += 19 + random.Uint64N(8) {
		links.Down.Loss.Packets = append(links.Down.Loss.Packets, n)
	}
	ann, bob, carl := openTab(t, "ann"), openTab(t, "bob"), openTab(t, "carl")
	s.call(ann, "far", "codec=VP8", "video=640x360")
	me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
	older, none := startLink(t, s, links), startLink(t, s, links)
	bob.behind(s.ports.Media, older.port)
	carl.behind(s.ports.Media, none.port)
	bob.without("flexfec-03|rtx")
	carl.without("flexfec-03|rtx|red|ulpfec")
	older.start()
	none.start()
	ids := make([]string, 2)
	for _, p := range []*page{bob, carl} {
		s.call(p, "far", "video=0", "slots=1", "ice=udp")
	}
	for i, p := range []*page{bob, carl} {
		ids[i] = p.wait(joinLimit, "ann is seen", func(s state) bool { return s.from(me).Decoded > 5 }).Me
	}
	bob.wait(20*time.Second, "repair packets are sent", func(state) bool { return s.repairs(ids[0]) >= 5 })
	with, without := bob.state().from(me), carl.state().from(me)
	time.Sleep(8 * time.Second) // of watching
	after, afterWithout := bob.state().from(me), carl.state().from(me)
	repairs, others := s.repairs(ids[0]), s.repairs(ids[1])
	for _, link := range []*thinLink{older, none} {
		if report := link.stop(); !report.Valid {
			t.Skipf("the machine was too busy to emulate a link: %v", report.Invalid)
		}
	}
	frozen, frozenWithout := after.Frozen-with.Frozen, afterWithout.Frozen-without.Frozen
	t.Logf("with %d repair packets: %d frames decoded, %d frozen for %.1f s; without: %d frames, %d frozen for %.1f s", repairs,
		after.Decoded-with.Decoded, after.Freezes-with.Freezes, frozen, afterWithout.Decoded-without.Decoded, afterWithout.Freezes-without.Freezes, frozenWithout)
	if after.NACKs+afterWithout.NACKs > 0 || others > 0 {
		t.Errorf("%d packets were asked for again, %d repair packets were sent to who knows none", after.NACKs+afterWithout.NACKs, others)
	}
	if frozen >= frozenWithout || after.Decoded-with.Decoded < (afterWithout.Decoded-without.Decoded)*5/4 {
		t.Error("repair packets are of little use")
	}
}
