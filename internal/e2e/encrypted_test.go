package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/node"
	"github.com/rivulet-rtc/rivulet/sfu/client/web"
)

// sealedScript joins with the SDK and hums; a key of no length means none.
const sealedScript = `(async (name, url, key) => {
  const { connect } = await import("/rivulet.js");
  const context = window.context = new AudioContext(), tone = context.createOscillator(), sway = context.createOscillator();
  const depth = context.createGain(), out = context.createMediaStreamDestination();
  sway.frequency.value = 3;
  depth.gain.value = 300;
  tone.frequency.value = 600;
  sway.connect(depth).connect(tone.frequency);
  tone.connect(out);
  tone.start();
  sway.start();
  let encryption;
  if (key.length > 0) {
    const worker = window.worker = new Worker("/frames.js", { type: "module" });
    worker.postMessage({ key: new Uint8Array(key) });
    encryption = {
      send: () => new RTCRtpScriptTransform(worker, { encrypt: true }),
      receive: () => new RTCRtpScriptTransform(worker, {}),
    };
  }
  const publish = { microphone: out.stream.getAudioTracks()[0] };
  if (name === "ann") {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 320, height: 180 } });
    publish.camera = stream.getVideoTracks()[0];
  }
  const call = window.call = await connect({ room: "sealed", identity: name, url, publish, encryption, rtc: { videoCodec: "vp8" } });
  window.told = [];
  call.on("voices", ({ detail: { kind, reason } }) => told.push(kind + " " + reason));
  for (const p of call.participants.values()) for (const t of p.tracks.values()) show(t);
  call.on("trackpublished", ({ detail }) => show(detail.track));
  function show(track) {
    if (!track.video) return;
    const video = document.createElement("video");
    video.style = "width: 320px; height: 180px";
    document.body.append(video);
    call.attach(track, video);
  }
})(%q, %q, %s)`

// heardScript answers the loudest sample that the page played in half a second, of
// all its slots, and how many frames it decoded.
const heardScript = `(async () => {
  let loudest = 0;
  const meters = [...call.slots.values()].filter((slot) => !slot.video).map((slot) => {
    const meter = context.createAnalyser();
    context.createMediaStreamSource(slot.stream).connect(meter);
    return meter;
  });
  for (let i = 0; i < 10; i++) {
    await new Promise((done) => setTimeout(done, 50));
    for (const meter of meters) {
      const samples = new Float32Array(meter.fftSize);
      meter.getFloatTimeDomainData(samples);
      for (const sample of samples) loudest = Math.max(loudest, Math.abs(sample));
    }
  }
  let frames = 0, packets = 0;
  (await call.pc.getStats()).forEach((s) => {
    if (s.type !== "inbound-rtp") return;
    frames += s.framesDecoded ?? 0;
    if (s.kind === "audio") packets += s.packetsReceived;
  });
  return [loudest, frames, packets];
})()`

// documentedFrames serves the SDK, and beside it the frames.js that docs/sdk.md shows.
func documentedFrames(t *testing.T) *httptest.Server {
	t.Helper()
	doc, err := os.ReadFile("../../docs/sdk.md")
	if err != nil {
		t.Fatal(err)
	}
	frames := regexp.MustCompile("(?s)```js\n(// frames\\.js:.*?)```").FindSubmatch(doc)
	if frames == nil {
		t.Fatal("docs/sdk.md shows no frames.js")
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(web.Files()))
	mux.HandleFunc("/frames.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(frames[1])
	})
	files := httptest.NewServer(mux)
	t.Cleanup(files.Close)
	return files
}

// TestEncryptedEndToEnd: who has the key hears and sees what was encrypted by the
// page, by the worker that docs/sdk.md shows; who has another, or none, gets packets
// and plays nothing. The server keeps its hands off: it neither mixes nor thins for
// who could use it, and says why.
func TestEncryptedEndToEnd(t *testing.T) {
	s := startNode(t, func(cfg *node.Config) { cfg.Origins = []string{"*"} })
	files := documentedFrames(t)
	const ours, other, none = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", "[16,15,14,13,12,11,10,9,8,7,6,5,4,3,2,1]", "[]"
	enter := func(p *page, key string) {
		p.server = s
		p.open(files.URL + "/")
		p.run(sealedScript, p.name, fmt.Sprintf("ws://127.0.0.1:%d/v1/ws", s.ports.HTTP), key)
	}
	ann, bob, mallory := openTab(t, "ann"), openTab(t, "bob"), openTab(t, "mallory")
	enter(ann, ours)
	enter(bob, ours)
	enter(mallory, none)
	for _, p := range []*page{bob, mallory} {
		p.run(`call.mute("microphone", true)`) // ann alone is to be heard
	}
	heard := func(p *page) (loudest, frames, packets float64) {
		t.Helper()
		got, err := evaluate[[]float64](p, heardScript)
		if err != nil || len(got) != 3 {
			t.Fatalf("%s: %v, %v", p.name, got, err)
		}
		return got[0], got[1], got[2]
	}
	until(t, "bob hears and sees ann", joinLimit, func() bool {
		loudest, frames, _ := heard(bob)
		return loudest > 0.1 && frames > 10
	})
	until(t, "mallory gets packets of ann's voice", joinLimit, func() bool { _, _, packets := heard(mallory); return packets > 10 })
	if loudest, _, _ := heard(mallory); loudest > 0.001 {
		t.Errorf("mallory, without a key, hears up to %.4f", loudest)
	}
	// What decodes by chance is faint, not silent: it must not be played at all.
	closed, err := evaluate[bool](mallory, `(() => {
		const track = [...call.participants.values()].find((p) => p.identity === "ann").track("microphone");
		return track.encrypted && !call.slots.get(track.slot).stream.getTracks()[0].enabled;
	})()`)
	if err != nil || !closed {
		t.Errorf("mallory plays what is encrypted, or is not told that it is (%v)", err)
	}
	// Who may have almost nothing would get a mix or a thinner copy.
	bob.run(`call.setDataBudget({ hour: 100000 })`)
	until(t, "bob is told why he hears one voice alone", 10*time.Second, func() bool {
		told, err := evaluate[bool](bob, `told.includes("single encrypted")`)
		return err == nil && told
	})
	if loudest, _, _ := heard(bob); loudest < 0.1 {
		t.Errorf("bob, whose path is thin, hears nothing (%.3f)", loudest)
	}
	unchanged(t, s)
	bob.run(`worker.postMessage({ key: new Uint8Array(%s) })`, other)
	_, _, before := heard(bob)
	until(t, "bob, with another key, hears nothing", 5*time.Second, func() bool { loudest, _, _ := heard(bob); return loudest < 0.001 })
	if _, _, packets := heard(bob); packets < before+10 {
		t.Errorf("nothing comes that bob could fail to decrypt: %.0f packets, and %.0f", before, packets)
	}
}

// unchanged holds that the server sends the encrypted voices as they were published.
func unchanged(t *testing.T, s *server) {
	t.Helper()
	room, _ := s.room("sealed")
	for _, p := range room.Participants {
		for i, slot := range p.Slots {
			if slot.Track != "" && p.Path != nil && i < len(p.Path.Slots) {
				if v := p.Path.Slots[i].Voice; v.Merged+v.Copies > 0 || v.Mode.String() != "published" && v.Mode.String() != "" {
					t.Errorf("%s: an encrypted voice was changed: %+v", p.ID, v)
				}
			}
		}
	}
}
