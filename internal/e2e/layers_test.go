package e2e

import (
	"fmt"
	"testing"
	"time"
)

// samplerScript notes ten times a second what a page receives of a participant.
const samplerScript = `(() => {
	window.samples = [];
	const call = rivulet.call;
	const camera = [...call.participants.get(%q).tracks.values()].find((t) => t.source === "camera");
	window.camera = camera;
	window.sampler = setInterval(async () => {
		const receiver = call.slots.get(camera.slot)?.transceiver.receiver;
		if (!receiver) return;
		(await receiver.getStats()).forEach((s) => {
			if (s.type === "inbound-rtp") window.samples.push({
				at: performance.now(), decoded: s.framesDecoded ?? 0, received: s.framesReceived ?? 0, dropped: s.framesDropped ?? 0,
				width: s.frameWidth ?? 0, plis: s.pliCount ?? 0, freezes: s.freezeCount ?? 0, frozen: s.totalFreezesDuration ?? 0,
				keyframes: s.keyFramesDecoded ?? 0, lost: s.packetsLost ?? 0, assembled: s.framesAssembledFromMultiplePackets ?? 0,
			});
		});
	}, 100);
})()`

// sentScript notes in words what the server orders of the camera, what is asked of
// the encoder, and twice a second what it sends.
const sentScript = `(() => {
	window.sent = [];
	const began = performance.now();
	const before = {};
	const say = (what) => window.sent.push(((performance.now() - began) / 1000).toFixed(1) + " s: " + what);
	const publications = rivulet.call.publications;
	const order = publications.order;
	publications.order = function (event) {
		if (event.layers) say("ordered " + JSON.stringify(event.layers));
		return order.call(this, event);
	};
	const set = RTCRtpSender.prototype.setParameters;
	RTCRtpSender.prototype.setParameters = function (p) {
		if (this.track?.kind === "video") say("asks the encoder for " + p.encodings.filter((e) => e.active).map((e) => [e.rid, e.maxBitrate / 1000, "kbit/s", e.maxFramerate ?? "free"].join(" ")).join("; "));
		return set.call(this, p);
	};
	setInterval(async () => {
		const stats = await rivulet.call.pc.getStats();
		const layers = [];
		stats.forEach((s) => {
			if (s.type !== "outbound-rtp" || s.kind !== "video" || !s.framesEncoded) return;
			const was = before[s.rid] ?? { framesEncoded: 0, bytesSent: 0, qpSum: 0 };
			const frames = s.framesEncoded - was.framesEncoded;
			if (frames > 0) layers.push([s.rid, s.frameWidth, "fps", 2 * frames, "kbit/s", Math.round((s.bytesSent - was.bytesSent) * 16 / 1000),
				"of", Math.round(s.targetBitrate / 1000), "qp", Math.round((s.qpSum - was.qpSum) / frames), s.qualityLimitationReason,
				JSON.stringify(s.qualityLimitationDurations)].join(" "));
			before[s.rid] = s;
		});
		say(layers.join("; "));
	}, 500);
})()`

// sample is what was received up to one moment.
type sample struct {
	At                                        float64 // milliseconds
	Decoded, Received, Dropped, Width         int
	PLIs, Freezes, Keyframes, Lost, Assembled int
	Frozen                                    float64
}

func TestLayerSwitchesDownAndUp(t *testing.T) {
	s := startServer(t, nil)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "layers", "video=1280x720")
	s.call(bob, "layers", "video=0")
	me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
	bob.wait(joinLimit, "ann is seen", func(s state) bool { return s.from(me).Decoded > 5 })
	bob.run(samplerScript, me)
	look := func(width, height int) {
		bob.run(`rivulet.call.view([{ track: camera.id, width: %d, height: %d, priority: 5 }])`, width, height)
	}
	shows := func(limit time.Duration, why string, fits func(width int) bool) state {
		t.Helper()
		return bob.wait(limit, why, func(s state) bool { return fits(s.from(me).Width) })
	}

	look(1280, 720)
	shows(30*time.Second, "the large layer is shown", func(w int) bool { return w == 1280 })
	for range 2 {
		look(320, 180)
		shows(5*time.Second, "the small layer is shown", func(w int) bool { return w == 320 })
		look(1280, 720)
		shows(5*time.Second, "the large layer is shown again", func(w int) bool { return w == 1280 })
	}
	bob.run(`rivulet.call.setDataMode("low")`)
	before := shows(5*time.Second, "low data mode shows the small layer", func(w int) bool { return w == 320 })
	bob.run(`rivulet.call.setDataMode("auto")`)
	shows(5*time.Second, "the large layer is shown after low data mode", func(w int) bool { return w == 1280 })
	bob.goesOn(5*time.Second, before)

	judgeSwitches(t, bob.samples())
	bob.run(`rivulet.call.setDataMode("voice")`)
	heard := bob.state()
	bob.wait(5*time.Second, "voice mode pauses the picture and leaves the voice", func(s state) bool {
		now := s.from(me).Decoded
		defer func() { heard = s }()
		return s.energy() > heard.energy() && now == heard.from(me).Decoded && now > 0
	})
}

// judgeSwitches looks for gaps, decode errors and freezes.
func judgeSwitches(t *testing.T, samples []sample) {
	t.Helper()
	first, last := samples[0], samples[len(samples)-1]
	progress, gap, path := first, 0.0, fmt.Sprint(first.Width)
	for _, now := range samples[1:] {
		if now.Width != progress.Width && now.Width != 0 && now.Decoded > progress.Decoded {
			path += fmt.Sprintf(" %d", now.Width)
		}
		if now.Decoded > progress.Decoded {
			gap = max(gap, now.At-progress.At)
			progress = now
		}
	}
	t.Logf("widths %s; longest gap %.0f ms; %d frames and %d key frames decoded, %d lost packets, %d freezes (%.2f s), %d PLIs",
		path, gap, last.Decoded-first.Decoded, last.Keyframes-first.Keyframes, last.Lost-first.Lost,
		last.Freezes-first.Freezes, last.Frozen-first.Frozen, last.PLIs-first.PLIs)
	if gap > 1000 {
		t.Errorf("nothing was decoded for %.0f ms, want at most a second", gap)
	}
	// A browser that cannot decode a frame asks for a key frame.
	if n := last.PLIs - first.PLIs; n > 0 {
		t.Errorf("%d key frames were asked for by the receiver: something could not be decoded", n)
	}
	if undecoded := last.Received - last.Dropped - last.Decoded - (first.Received - first.Dropped - first.Decoded); undecoded > 10 {
		t.Errorf("%d frames arrived and were neither decoded nor dropped", undecoded)
	}
}

// samples ends samplerScript and answers what it noted, of two seconds at least:
// switches may be done in less.
func (p *page) samples() []sample {
	p.t.Helper()
	const least = 20
	p.wait(5*time.Second, "two seconds were noted", func(state) bool {
		n, err := evaluate[int](p, `window.samples.length`)
		return err == nil && n >= least
	})
	samples, err := evaluate[[]sample](p, `(clearInterval(sampler), samples)`)
	if err != nil || len(samples) < least {
		p.t.Fatalf("%d samples, error %v", len(samples), err)
	}
	return samples
}
