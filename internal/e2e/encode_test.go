package e2e

import (
	"strings"
	"testing"
	"time"
)

// encodingsScript reads what the page's camera sends: what was asked of the
// encoder, and what came of it.
const encodingsScript = `(async () => {
	const sender = rivulet.call.pc.getSenders().find((s) => s.track?.kind === "video");
	const sent = {};
	(await sender.getStats()).forEach((s) => { if (s.type === "outbound-rtp") sent[s.rid ?? ""] = s.bytesSent; });
	return sender.getParameters().encodings.map((e) => ({
		rid: e.rid, active: e.active, rate: e.maxBitrate ?? 0, frames: e.maxFramerate ?? 0, bytes: sent[e.rid ?? ""] ?? 0,
		mode: e.scalabilityMode ?? "",
	}));
})()`

// sentLayer is one layer of a page's camera.
type sentLayer struct {
	RID    string
	Active bool
	Rate   float64
	Frames float64
	Bytes  float64
	Mode   string // of scalability
}

// sends waits until the layers of the page's camera are as wanted, and answers
// how long that took.
func (p *page) sends(limit time.Duration, why string, is func([]sentLayer) bool) time.Duration {
	p.t.Helper()
	begin := time.Now()
	for {
		layers, err := evaluate[[]sentLayer](p, encodingsScript)
		if err == nil && is(layers) {
			return time.Since(begin)
		}
		if time.Since(begin) > limit {
			p.t.Fatalf("%s: %s: not within %v: %+v, error %v", p.name, why, limit, layers, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// on says which layers are on, by their rids.
func on(layers []sentLayer) (rids string) {
	for _, l := range layers {
		if l.Active {
			rids += l.RID
		}
	}
	return rids
}

// A viewer that hides the tile stops the publisher's layers; showing it again
// brings the picture back within a second.
func TestHiddenTileStopsThePublisher(t *testing.T) {
	s := startServer(t, nil)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "encode", "video=1280x720")
	s.call(bob, "encode", "video=0")
	me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
	ann.run(sentScript)
	t.Cleanup(func() {
		if t.Failed() {
			sent, _ := evaluate[[]string](ann, `sent`)
			t.Logf("ann sent:\n%s\n%s", strings.Join(sent, "\n"), s.dump())
		}
	})
	bob.wait(joinLimit, "ann is seen", func(s state) bool { return s.from(me).Decoded > 5 })
	bob.run(`(() => {
		window.camera = [...rivulet.call.participants.get(%q).tracks.values()].find((t) => t.source === "camera");
		window.tile = document.querySelector('article[data-key="%s"]');
		window.back = 0;
		window.hide = () => (tile.style.display = "none");
		// How long the tile shows nothing new after it is shown again.
		window.show = () => {
			const begin = performance.now();
			window.back = 0;
			tile.querySelector("video").requestVideoFrameCallback(() => (window.back = performance.now() - begin));
			tile.style.display = "";
		};
	})()`, me, me)

	// One viewer has one layer, by the size of the window.
	ann.sends(20*time.Second, "one layer is on", func(l []sentLayer) bool { return len(on(l)) == 1 })
	for range 2 {
		bob.run(`hide()`)
		ann.sends(6*time.Second, "hidden, no layer is on", func(l []sentLayer) bool { return on(l) == "" })
		ann.falls(3*time.Second, "hidden, nothing is sent in a whole second")
		bob.run(`show()`)
		deadline := time.Now().Add(5 * time.Second)
		back, err := 0.0, error(nil)
		for back == 0 && time.Now().Before(deadline) {
			if back, err = evaluate[float64](bob, `back`); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Logf("the picture is back after %.0f ms", back)
		if back == 0 || back > 1000 {
			t.Errorf("the picture is back after %.0f ms, want a second at most", back)
		}
	}
	// A small tile needs the smallest layer only.
	bob.run(`rivulet.call.view([{ track: camera.id, width: 320, height: 180, priority: 5 }])`)
	ann.sends(10*time.Second, "the smallest layer alone is on", func(l []sentLayer) bool { return on(l) == "q" })
}

// A viewer with room for 50 kbit/s of picture gets one made for it by a real
// encoder: 180p that moves.
func TestThinPictureIsUsable(t *testing.T) {
	s := startServer(t, nil)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "thin", "video=1280x720")
	s.call(bob, "thin", "video=0")
	me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
	bob.wait(joinLimit, "ann is seen", func(s state) bool { return s.from(me).Decoded > 5 })
	// A data budget thins what is sent to bob as a path would: 94 kbit/s now.
	bob.run(`rivulet.call.setDataBudget({ hour: 15e6 })`)
	thin := func(l []sentLayer) bool {
		return on(l) == "q" && l[0].Rate > 0 && l[0].Rate <= 80_000 && l[0].Frames >= 5 && l[0].Frames <= 12
	}
	took := ann.sends(15*time.Second, "ann is asked for a thin picture", thin)
	time.Sleep(2 * time.Second)
	before := bob.state().from(me)
	layers, err := evaluate[[]sentLayer](ann, encodingsScript)
	if err != nil {
		t.Fatal(err)
	}
	const seconds = 6
	time.Sleep(seconds * time.Second) // of watching
	after := bob.state().from(me)
	later, err := evaluate[[]sentLayer](ann, encodingsScript)
	if err != nil {
		t.Fatal(err)
	}
	frames := float64(after.Decoded-before.Decoded) / seconds
	rate := (later[0].Bytes - layers[0].Bytes) * 8 / seconds
	t.Logf("after %v asked for %.0f bit/s at %.0f frames/s; %.0f bit/s sent, %.1f frames/s decoded at %dx%d, %d freezes",
		took, layers[0].Rate, layers[0].Frames, rate, frames, after.Width, after.Height, after.Freezes-before.Freezes)
	if after.Width != 320 || frames < 4 {
		t.Errorf("%.1f frames/s at a width of %d, want 4 at 320", frames, after.Width)
	}
	if rate > 120_000 {
		t.Errorf("%.0f bit/s are sent", rate)
	}
}

// falls waits for a second in which no layer sends more than a packet or two, which
// may have waited in the browser's pacer; a layer has 50 kB/s.
func (p *page) falls(limit time.Duration, what string) {
	p.t.Helper()
	const few = 3000 // bytes
	layers := func() []sentLayer {
		l, err := evaluate[[]sentLayer](p, encodingsScript)
		if err != nil {
			p.t.Fatal(err)
		}
		return l
	}
	for deadline := time.Now().Add(limit); ; {
		before := layers()
		time.Sleep(time.Second)
		after, quiet := layers(), true
		for i := range after {
			quiet = quiet && after[i].Bytes-before[i].Bytes <= few
		}
		if quiet {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: not within %v: %s: %+v, a second later %+v", p.name, limit, what, before, after)
		}
	}
}
