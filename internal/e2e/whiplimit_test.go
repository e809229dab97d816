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

// whipSends answers what the tool sends, by rid: bytes so far, and the pixels across.
const whipSends = `(async () => {
	const sent = {};
	(await whip.getStats()).forEach((s) => { if (s.type === "outbound-rtp") sent[s.rid ?? ""] = { bytes: s.bytesSent + s.headerBytesSent, width: s.frameWidth ?? 0, frames: s.framesSent ?? 0 }; });
	return sent;
})()`

type whipLayer struct {
	Bytes         float64
	Width, Frames int
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
			sends := func(d time.Duration) (kbps float64) {
				read := func() (sum float64) {
					layers, err := evaluate[map[string]whipLayer](tool, whipSends)
					if err != nil {
						t.Fatal(err)
					}
					for _, l := range layers {
						sum += l.Bytes
					}
					return sum
				}
				before, begin := read(), time.Now()
				time.Sleep(d)
				return (read() - before) * 8 / 1000 / time.Since(begin).Seconds()
			}
			comes := func(what string, limit time.Duration, is func(kbps float64) bool) float64 {
				for deadline := time.Now().Add(limit); ; {
					if r := sends(2 * time.Second); is(r) {
						return r
					} else if time.Now().After(deadline) {
						t.Errorf("%s: %.0f kbit/s are sent\n%s", what, r, s.dump())
						return r
					}
				}
			}
			wide := comes("the largest is looked at", 30*time.Second, func(r float64) bool { return r > 1000 })
			// One encoding has one size; who has little room gets it with less in it.
			if c.name == "simulcast" {
				look(320)
			} else {
				bob.run(`rivulet.call.setDataBudget({ hour: 5e7 })`) // 310 kbit/s at first
			}
			thin := comes("little is wanted", 15*time.Second, func(r float64) bool { return r < 450 })
			shown := bob.state().from(me).Decoded
			bob.wait(10*time.Second, "the picture goes on", func(s state) bool { return s.from(me).Decoded > shown+10 })
			bob.run(`rivulet.call.setDataBudget({})`)
			look(0)
			idle := comes("nobody looks", 10*time.Second, func(r float64) bool { return r < 400 })
			look(1280)
			again := comes("the largest is looked at again", 20*time.Second, func(r float64) bool { return r > 800 })
			t.Logf("the tool sends %.0f kbit/s, %.0f for who wants little, %.0f for nobody, %.0f again", wide, thin, idle, again)
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
