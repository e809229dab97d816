package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/node"
	"github.com/rivulet-rtc/rivulet/sfu/client/web"
	"github.com/rivulet-rtc/rivulet/sfu/direct"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// directScript makes a page a device that answers whatever rings, sends a tone
// that never rests, and measures on the audio thread the longest silence of what
// its audio elements let be heard.
const directScript = `(async (user, url) => {
  const { dial, directPath, captureCamera } = await import("/rivulet.js");
  const line = window.line = await dial({ user, device: "page", url });
  line.on("call", async ({ detail }) => {
    if (detail.type !== "call.ring") return;
    await line.accept(detail.call);
    await go(detail.call);
  });
  const context = new AudioContext();
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([` + "`" + `
    registerProcessor("meter", class extends AudioWorkletProcessor {
      constructor() {
        super();
        this.reset();
        this.port.onmessage = () => { this.port.postMessage([this.longest / sampleRate * 1000, this.loud]); this.reset(); };
      }
      reset() { this.quiet = this.longest = this.loud = 0; }
      process([input]) {
        const samples = input[0];
        const peak = samples ? samples.reduce((most, s) => Math.max(most, Math.abs(s)), 0) : 0;
        if (peak > 0.02) { this.quiet = 0; this.loud++; } else this.longest = Math.max(this.longest, this.quiet += 128);
        return true;
      }
    });` + "`" + `], { type: "text/javascript" })));
  const meter = new AudioWorkletNode(context, "meter");
  meter.connect(context.destination);
  const known = new Map();
  const listen = () => {
    for (const element of [...call.audio.elements, ...call.audio.others]) {
      if (!known.has(element)) {
        const gain = context.createGain();
        context.createMediaStreamSource(element.srcObject).connect(gain).connect(meter);
        known.set(element, gain);
      }
      known.get(element).gain.value = element.muted ? 0 : 1;
    }
    for (const [element, gain] of known) if (!element.srcObject) { gain.disconnect(); known.delete(element); }
  };
  const sent = async (pc) => {
    let bytes = 0;
    for (const report of (await pc?.getStats())?.values() ?? []) if (report.type === "outbound-rtp") bytes += report.bytesSent;
    return bytes;
  };
  window.silence = () => new Promise((done) => { meter.port.onmessage = ({ data }) => done(data); meter.port.postMessage(0); });
  window.sent = async () => [await sent(call.pc), await sent(call.directPC)];
  window.go = async (id) => {
    const tone = context.createOscillator(), sweep = context.createOscillator(), depth = context.createGain(), out = context.createMediaStreamDestination();
    tone.frequency.value = 600; sweep.frequency.value = 4; depth.gain.value = 250;
    sweep.connect(depth).connect(tone.frequency);
    tone.connect(out);
    tone.start(); sweep.start();
    window.call = await line.join(id, {
      slots: { audio: 2, video: 1 },
      publish: user === "eve" ? {} : { microphone: out.stream.getAudioTracks()[0], camera: await captureCamera({ width: 320, height: 180 }) },
      // The path is built when the test says so: there must be something to compare with.
      direct: (host) => {
        window.direct = directPath()(host);
        window.willing = () => { delete window.direct.ready; return window.direct.ready(); };
        window.direct.ready = async () => {};
        return window.direct;
      },
    });
    // How late the page's own thread has been: what a busy machine adds to a silence.
    let ticked = performance.now();
    window.late = 0;
    setInterval(() => {
      const now = performance.now();
      window.late = Math.max(window.late, now - ticked - 10);
      ticked = now;
      listen();
    }, 10);
    call.on("path", listen);
    // One video element for the other's camera, and the longest time without a new picture in it.
    const video = document.createElement("video");
    Object.assign(video.style, { width: "320px", height: "180px" });
    document.body.append(video);
    const show = () => {
      for (const p of call.participants.values()) {
        const camera = p.track("camera");
        if (camera && window.shown !== camera) { window.shown = camera; call.attach(camera, video); }
      }
    };
    call.on("trackpublished", show);
    call.on("participantjoined", show);
    show();
    let last = 0, longest = 0, pictures = 0;
    const picture = (now) => {
      if (last) longest = Math.max(longest, now - last);
      last = now; pictures++;
      video.requestVideoFrameCallback(picture);
    };
    video.requestVideoFrameCallback(picture);
    window.still = () => {
      const seen = [Math.max(longest, last ? performance.now() - last : 0), pictures];
      longest = pictures = 0;
      return seen;
    };
  };
})(%q, %q)`

// device is a page that runs directScript.
type device struct{ *page }

func (d device) path() (path string) {
	path, _ = evaluate[string](d.page, `window.call?.path ?? ""`)
	return path
}

// until waits for something to be true of all devices.
func until(t *testing.T, what string, limit time.Duration, done func() bool) time.Duration {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) { // of the browser's time
		if done() {
			return time.Since(began)
		}
		if time.Since(began) > limit {
			t.Fatalf("not in %v: %s", limit, what)
		}
	}
}

// silence answers the longest silence since it was asked last, and whether
// there was any sound.
func (d device) silence() (longest time.Duration, sound bool) {
	d.t.Helper()
	v, err := evaluate[[2]float64](d.page, `silence()`)
	if err != nil {
		d.t.Fatalf("%s: %v", d.name, err)
	}
	return time.Duration(v[0] * float64(time.Millisecond)), v[1] > 0
}

// still answers the longest time without a new picture since it was asked last,
// and how many there were.
func (d device) still() (longest time.Duration, pictures int) {
	d.t.Helper()
	v, err := evaluate[[2]float64](d.page, `window.still?.() ?? [0, 0]`)
	if err != nil {
		d.t.Fatalf("%s: %v", d.name, err)
	}
	return time.Duration(v[0] * float64(time.Millisecond)), int(v[1])
}

// sends answers the bytes that it sends in half a second, by the server and directly.
func (d device) sends() (server, directly float64) {
	d.t.Helper()
	v, err := evaluate[[2]float64](d.page, `(async () => {
		const before = await sent();
		await new Promise((done) => setTimeout(done, 500));
		return (await sent()).map((bytes, i) => bytes - before[i]);
	})()`)
	if err != nil {
		d.t.Fatalf("%s: %v", d.name, err)
	}
	return v[0], v[1]
}

// withDirect configures a server that lets devices send to each other. From its
// journal calls go on after a restart.
func withDirect(policy switchboard.DirectPolicy, journal string) func(cfg *node.Config) {
	return func(cfg *node.Config) {
		calls := switchboard.DefaultConfig()
		calls.Direct.Policy, calls.Direct.Path = policy, direct.DefaultConfig()
		calls.Direct.Path.Retry = time.Second
		calls.Journal = journal
		cfg.Calls, cfg.Origins = &calls, []string{"*"}
	}
}

// startDirect starts a server with a policy, and three devices.
func startDirect(t *testing.T, policy switchboard.DirectPolicy, journal string) (s *server, ann, bob, eve device) {
	t.Helper()
	s = startNode(t, withDirect(policy, journal))
	// Another origin than the server's: its pages may run no scripts but their own.
	files := httptest.NewServer(http.FileServerFS(web.Files()))
	t.Cleanup(files.Close)
	for name, d := range map[string]*device{"ann": &ann, "bob": &bob, "eve": &eve} {
		*d = device{openTab(t, name)}
		d.open(files.URL + "/")
		d.run(directScript, name, fmt.Sprintf("ws://127.0.0.1:%d/v1/ws", s.ports.HTTP))
	}
	return s, ann, bob, eve
}

// TestDirectPathIsNotHeard: two pages move from the server to a direct path, back
// when a third one is in, there again, and back when the path breaks. No move
// that is planned is heard, and nothing is sent twice once it is done.
func TestDirectPathIsNotHeard(t *testing.T) {
	const bound = 300 * time.Millisecond
	_, ann, bob, eve := startDirect(t, switchboard.DirectPrefer, "")
	pair := []device{ann, bob}
	all := func(path string) func() bool { return func() bool { return ann.path() == path && bob.path() == path } }
	unheard := func(move string) {
		t.Helper()
		time.Sleep(500 * time.Millisecond) // what comes right after belongs to it
		for _, d := range pair {
			longest, sound := d.silence()
			still, pictures := d.still()
			t.Logf("%s: %s was silent for %v and saw %d pictures, nothing new for %v", move, d.name, longest, pictures, still)
			if longest > bound || !sound {
				t.Errorf("%s: %s heard nothing for %v, at most %v", move, d.name, longest, bound)
			}
			if still > time.Second || pictures == 0 {
				t.Errorf("%s: %s saw nothing new for %v", move, d.name, still)
			}
		}
	}

	ann.run(`line.create([{ user: "bob" }], { call: "c" }).then(() => go("c"))`)
	until(t, "both hear each other by the server", joinLimit, func() bool {
		_, a := ann.silence()
		_, b := bob.silence()
		return a && b
	})
	time.Sleep(time.Second)
	for _, d := range pair {
		d.silence()
		if server, directly := d.sends(); server < 500 || directly != 0 {
			t.Errorf("%s sends %v bytes by the server and %v directly before anything has moved", d.name, server, directly)
		}
		d.run(`willing()`)
	}
	took := until(t, "both play the direct path", 10*time.Second, all("direct"))
	t.Logf("there after %v", took)
	unheard("to the direct path")
	for _, d := range pair {
		if server, directly := d.sends(); server > 100 || directly < 500 {
			t.Errorf("%s sends %v bytes by the server and %v directly: twice, or not at all", d.name, server, directly)
		}
		d.silence()
	}

	ann.run(`line.ring("c", [{ user: "eve" }])`)
	took = until(t, "both play the server's", 10*time.Second, all("sfu"))
	t.Logf("back after %v", took)
	until(t, "the third hears them", 5*time.Second, func() bool { _, sound := eve.silence(); return sound })
	unheard("back for a third")
	until(t, "the direct path is closed", 5*time.Second, func() bool {
		open, err := evaluate[bool](ann.page, `call.directPC !== undefined`)
		return err == nil && !open
	})

	eve.run(`line.leave("c")`)
	until(t, "both play the direct path again", 15*time.Second, all("direct"))
	unheard("to the direct path again")
	// One that has lost its session joins anew: what comes directly goes on until
	// the server's path is there again.
	ann.run(`call.rejoin({ code: "connection_lost", message: "" })`)
	until(t, "ann is in again, and the path is built anew", 15*time.Second, func() bool {
		epoch, err := evaluate[int](ann.page, `window.direct.epoch === 3 && call.counters.rejoins === 1 ? 1 : 0`)
		return err == nil && epoch == 1 && all("direct")()
	})
	unheard("over a join anew")
	ann.run(`call.directPC.close()`) // without a word
	took = until(t, "both play the server's after the path broke", 10*time.Second, all("sfu"))
	time.Sleep(500 * time.Millisecond)
	for _, d := range pair {
		longest, _ := d.silence()
		t.Logf("the path broke: %s was silent for %v, back after %v", d.name, longest, took)
		if longest > 4*time.Second {
			t.Errorf("%s heard nothing for %v after the path broke", d.name, longest)
		}
	}
}

// goDirect lets ann call bob and waits until both play the direct path. It answers
// what says whether they do.
func goDirect(t *testing.T, ann, bob device) (both func() bool) {
	t.Helper()
	ann.run(`line.create([{ user: "bob" }], { call: "c" }).then(() => go("c"))`)
	until(t, "both are in", joinLimit, func() bool {
		_, a := ann.silence()
		_, b := bob.silence()
		return a && b
	})
	for _, d := range []device{ann, bob} {
		d.run(`willing()`)
	}
	both = func() bool { return ann.path() == "direct" && bob.path() == "direct" }
	until(t, "both play the direct path", 15*time.Second, both)
	return both
}

// TestDirectPathThroughRelays: where the operator wants no addresses shown, the
// devices meet at relays alone, and are heard.
func TestDirectPathThroughRelays(t *testing.T) {
	_, ann, bob, _ := startDirect(t, switchboard.DirectRelay, "")
	goDirect(t, ann, bob)
	for _, d := range []device{ann, bob} {
		d.silence()
		time.Sleep(300 * time.Millisecond)
		kinds, err := evaluate[string](d.page, `call.directPC.getStats().then((all) => {
			const pair = [...all.values()].find((r) => r.type === "candidate-pair" && r.nominated);
			const seen = [...all.values()].filter((r) => r.type === "remote-candidate").map((r) => r.candidateType);
			return [all.get(pair.localCandidateId).candidateType, ...new Set(seen)].join(" ");
		})`)
		if err != nil || kinds != "relay relay" {
			t.Errorf("%s sends by a candidate, and knows remote ones, of the kinds %q (%v), want relays alone", d.name, kinds, err)
		}
		if longest, sound := d.silence(); !sound || longest > 300*time.Millisecond {
			t.Errorf("%s hears nothing for %v by the relays", d.name, longest)
		}
	}
}

// TestDirectPathOutlivesTheServer: while the server restarts the devices go on
// hearing each other, and afterwards they find a path anew. The new server counts
// epochs from 1 again: what is said of the old path must not end the new one.
func TestDirectPathOutlivesTheServer(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "journal")
	s, ann, bob, _ := startDirect(t, switchboard.DirectPrefer, journal)
	both := goDirect(t, ann, bob)
	for _, d := range []device{ann, bob} {
		d.run(`(() => { window.before = call.directPC; window.late = 0; return 0 })()`)
		d.silence()
	}
	s.restart(t, withDirect(switchboard.DirectPrefer, journal))
	t.Cleanup(func() {
		for _, d := range []device{ann, bob} {
			said, _ := evaluate[string](d.page, `JSON.stringify({ call: call.state, path: call.path, epoch: direct.epoch, willing: direct.willing, moved: direct.moved, same: call.directPC === before, pc: call.directPC?.connectionState, described: call.directPC?.signalingState, line: line.open, counters: call.counters, people: [...call.participants.values()].map((p) => p.identity + " " + p.tracks.size) })`)
			t.Logf("%s: %s", d.name, said)
		}
	})
	until(t, "both have found a path anew", 25*time.Second, func() bool {
		a, errA := evaluate[bool](ann.page, `call.directPC !== undefined && call.directPC !== before`)
		b, errB := evaluate[bool](bob.page, `call.directPC !== undefined && call.directPC !== before`)
		return errA == nil && errB == nil && a && b && both()
	})
	for _, d := range []device{ann, bob} {
		longest, sound := d.silence()
		late, _ := evaluate[float64](d.page, `window.late`)
		t.Logf("the server was away: %s was silent for %v; its thread was late by %.0f ms at the most", d.name, longest, late)
		if longest > 300*time.Millisecond || !sound {
			t.Errorf("%s heard nothing for %v while the server restarted", d.name, longest)
		}
	}
}
