package e2e

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
)

// whipScript publishes the browser's camera by WHIP, as a page does that knows
// nothing of this server.
const whipScript = `(async () => {
	const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { exact: 1280 }, height: { exact: 720 } } });
	const pc = window.whip = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
	pc.addTransceiver(stream.getVideoTracks()[0], { direction: "sendonly", streams: [stream], sendEncodings: %s });
	await pc.setLocalDescription();
	await new Promise((gathered) => {
		if (pc.iceGatheringState === "complete") return gathered();
		pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && gathered();
	});
	const response = await fetch("/whip/%s?name=Tool", { method: "POST", headers: { "Content-Type": "application/sdp" }, body: pc.localDescription.sdp });
	await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
})()`

// whipSends answers what the tool sends, by rid: bytes so far, and what Chromium's
// encoder may send, bits per second.
const whipSends = `(async () => {
	const sent = {};
	(await whip.getStats()).forEach((s) => { if (s.type === "outbound-rtp") sent[s.rid ?? ""] = {
		bytes: s.bytesSent + s.headerBytesSent, target: s.targetBitrate ?? 0, width: s.frameWidth ?? 0, limited: s.qualityLimitationReason,
	}; });
	return sent;
})()`

type whipLayer struct {
	Bytes, Target float64
	Width         int
	Limited       string // by what the size is
}

// whipRate is what the tool sends, and what it may, kbit/s. It may long send more than
// it does: Chromium makes a picture small at once and larger only step by step, 20 s
// and more to 720p, and what a size of the test picture takes is all that is sent of it.
type whipRate struct {
	sent, may float64
	layers    map[string]whipLayer
}

// TestLimitOfABrowserWithoutSDK: a browser that publishes by WHIP obeys no orders
// of this server, but it heeds REMB: it sends what the best receiver gets.
func TestLimitOfABrowserWithoutSDK(t *testing.T) {
	const simulcast = `[{ rid: "q", scaleResolutionDownBy: 4 }, { rid: "h", scaleResolutionDownBy: 2 }, { rid: "f" }]`
	for _, c := range []struct{ name, encodings string }{{"simulcast", simulcast}, {"one encoding", `[{}]`}} {
		t.Run(c.name, func(t *testing.T) {
			testenv.Long(t) // a minute and more
			s := startServer(t, nil)
			tool, bob := openTab(t, "tool"), openTab(t, "bob")
			s.call(tool, "elsewhere", "video=0", "audio=0") // a page that does not open the camera itself
			tool.wait(joinLimit, "the tool's page is there", func(s state) bool { return s.Call == "connected" })
			tool.run(whipScript, c.encodings, "studio")
			s.call(bob, "studio", "video=0", "audio=0", "slots=1")
			me := bob.wait(joinLimit, "the tool is seen", func(s state) bool {
				return len(s.Others) == 1 && s.from(s.Others[0]).Decoded > 5
			}).Others[0]
			bob.run(samplerScript, me)
			look := func(width int) {
				bob.run(`rivulet.call.view(%d ? [{ track: camera.id, width: %d, height: %d, priority: 5 }] : [])`, width, width, width*9/16)
			}
			look(1280)
			comes := func(what string, limit time.Duration, is func(r whipRate) bool) whipRate {
				begin := time.Now()
				for {
					r := whipSent(t, tool, 2*time.Second)
					late := time.Since(begin) > limit
					if is(r) || late {
						t.Logf("%s: %.0f kbit/s of %.0f after %.0f s", what, r.sent, r.may, time.Since(begin).Seconds())
						if !is(r) {
							t.Errorf("%s: not within %v: %+v\n%s", what, limit, r, s.dump())
						}
						return r
					}
				}
			}
			lifted := func(what string) {
				comes(what, 12*time.Second, func(r whipRate) bool { return r.may > 1000 })
				comes(what+", and sent", 30*time.Second, func(r whipRate) bool { return r.sent > 550 })
			}
			lifted("the largest is looked at")
			// One encoding has one size; who has little room gets it with less in it.
			if c.name == "simulcast" {
				look(320)
			} else {
				bob.run(`rivulet.call.setDataBudget({ hour: 5e7 })`) // 310 kbit/s at first
			}
			comes("little is wanted", 15*time.Second, func(r whipRate) bool { return r.sent < 450 })
			shown := bob.state().from(me).Decoded
			bob.wait(10*time.Second, "the picture goes on", func(s state) bool { return s.from(me).Decoded > shown+10 })
			bob.run(`rivulet.call.setDataBudget({})`)
			look(0)
			comes("nobody looks", 10*time.Second, func(r whipRate) bool { return r.sent < 400 })
			look(1280)
			lifted("the largest is looked at again")
			judgeRoundTrip(t, s, me)
		})
	}
}

// judgeRoundTrip looks whether the round trip to a publisher is known who receives
// nothing.
func judgeRoundTrip(t *testing.T, s *server, participant string) {
	t.Helper()
	for _, r := range s.rooms() {
		for _, p := range r.Participants {
			if p.ID == participant {
				for _, u := range p.Uplinks {
					t.Logf("%s %s: round trip %v", u.Codec, u.RID, u.RTT)
					if u.RTT <= 0 || u.RTT > 50*time.Millisecond { // 100 ms are assumed where nothing is known
						t.Errorf("%s %s: the round trip is taken for %v", u.Codec, u.RID, u.RTT)
					}
				}
			}
		}
	}
}

// whipSent measures what the tool sends for so long.
func whipSent(t *testing.T, tool *page, d time.Duration) (r whipRate) {
	t.Helper()
	read := func() (bytes float64) {
		layers, err := evaluate[map[string]whipLayer](tool, whipSends)
		if err != nil {
			t.Fatal(err)
		}
		r = whipRate{layers: layers}
		for _, l := range layers {
			bytes += l.Bytes
			r.may += l.Target / 1000
		}
		return bytes
	}
	before, begin := read(), time.Now()
	time.Sleep(d)
	bytes := read() - before
	r.sent = bytes * 8 / 1000 / time.Since(begin).Seconds()
	return r
}
