//go:build cgo && opus

package client_test

import (
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/codec/opus"
	"github.com/rivulet-rtc/rivulet/codec/opus/opustest"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	speechRate  = 16000 // Hz
	speechFrame = speechRate / 50
)

// recite sends speech over and over, coded as the call asks, until the user leaves.
func (u *user) recite(t *testing.T, pcm []int16) {
	encoder, err := opus.NewEncoder(opus.DefaultEncoderConfig())
	must(t, err)
	sender := u.Sender(signal.Microphone)
	u.media.Go(func() {
		start, buf, rate := time.Now(), make([]byte, 0, opus.MaxPacket), units.Rate(0)
		for i := 0; u.waitFor(start.Add(time.Duration(i) * 20 * time.Millisecond)); i++ {
			if r := min(max(sender.Voice().MaxRate, 6*units.Kbps), 32*units.Kbps); r != rate {
				rate = r
				if err := encoder.SetRate(r); err != nil {
					t.Errorf("%v: %v", r, err)
					return
				}
			}
			at := i * speechFrame % len(pcm)
			payload, err := encoder.Encode(pcm[at:at+speechFrame], buf)
			if err == nil {
				err = sender.Write(time.Now(), client.Frame{Timestamp: uint32(i) * 960, Payload: payload, Level: 30, Voice: true})
			}
			if err != nil {
				t.Errorf("recite: %v", err)
				return
			}
		}
	})
}

// recorder decodes what a listener's jitter buffer plays, and puts each sample
// where it was said: by its timestamp, or after what was before it.
type recorder struct {
	t       *testing.T
	mu      sync.Mutex
	decoder *opus.Decoder
	origin  uint32 // timestamp of heard[0]
	heard   []int16
	at      int // where the next sample belongs
	begun   bool
}

func (r *recorder) play(_ int, _ time.Time, f jitter.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Kind == jitter.Play {
		if !r.begun {
			r.begun, r.origin = true, f.Timestamp
		}
		r.at = int(int32(f.Timestamp-r.origin)) / 3
	}
	if !r.begun {
		return
	}
	var pcm []int16
	var err error
	n := opus.Samples(speechRate, f.Duration)
	switch f.Kind {
	case jitter.Play:
		pcm, err = r.decoder.Decode(f.Payload, nil)
	case jitter.Repair:
		pcm, err = r.decoder.Repair(f.Payload, n, nil)
	case jitter.Conceal:
		pcm, err = r.decoder.Conceal(n, nil)
	default:
		return // silence is there already
	}
	if err != nil {
		r.t.Errorf("decode what is played: %v", err)
	}
	if need := r.at + len(pcm); need > len(r.heard) {
		r.heard = append(r.heard, make([]int16, need-len(r.heard))...)
	}
	r.at += copy(r.heard[r.at:], pcm)
}

// chain is one run of speech through everything: coder, client, link, server,
// link, client, jitter buffer, decoder.
type chain struct {
	name     string
	up, down link.Config
	plain    bool // voice as it was published, in the clients and in the server: to compare with
	// distance bounds the segmental distance to the original in dB, hole the share
	// of sound made up, in percent, and delay what the jitter buffer adds.
	distance, hole float64
	delay          time.Duration
}

// chainResult is what came of it.
type chainResult struct {
	distance, hole float64
	delay          time.Duration
	mode           string
}

// run answers what a listener heard of the speech after the path was known.
func (c *chain) run(t *testing.T, spoken []int16) (got chainResult) {
	settle, recited := 3, 2 // times the speech
	if c.plain {            // nothing settles
		settle, recited = 1, 1
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(cfg *sfu.Config) { cfg.PlainVoice = c.plain })
		defer w.close()
		for host, cfg := range map[byte][2]link.Config{1: {c.up, {Delay: c.up.Delay}}, 2: {{Delay: c.down.Delay}, c.down}} {
			addr := netip.AddrFrom4([4]byte{10, 0, 1, host})
			up, err := link.New(time.Now(), cfg[0])
			must(t, err)
			down, err := link.New(time.Now(), cfg[1])
			must(t, err)
			w.network.Connect(addr, serverAddr, up)
			w.network.Connect(serverAddr, addr, down)
		}
		ann := w.join(client.Options{Identity: "ann", Publish: publications(signal.Microphone), PlainVoice: c.plain})
		defer w.leave(ann)
		decoder, err := opus.NewDecoder(speechRate)
		must(t, err)
		r := &recorder{t: t, decoder: decoder}
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true, OnPlay: r.play, PlainVoice: c.plain})
		defer w.leave(bob)
		ann.waitConnected(t)
		bob.waitConnected(t)
		ann.recite(t, spoken)
		length := time.Duration(len(spoken)) * time.Second / speechRate
		time.Sleep(time.Duration(settle) * length)
		before := bob.Stats().Playout
		r.mu.Lock()
		from := (len(r.heard)/len(spoken) + 1) * len(spoken)
		r.mu.Unlock()
		time.Sleep(time.Duration(recited+1)*length + 3*time.Second)
		after := bob.Stats().Playout
		missing := after.Concealed + after.Starved - before.Concealed - before.Starved
		got.hole = 100 * missing.Seconds() / (missing + after.Played + after.Repaired - before.Played - before.Repaired).Seconds()
		got.delay = after.Delay
		for _, p := range w.engine.Rooms()[0].Participants {
			for _, s := range p.Path.Slots {
				if s.Kind == downlink.Audio && s.Source != 0 {
					got.mode = s.Voice.Mode.String()
				}
			}
		}
		// What was heard repeats with the speech: how far in it the first sample
		// is, is found by likeness.
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.heard) < from+(recited+1)*len(spoken) {
			if c.plain {
				return // so much was lost
			}
			t.Fatalf("%d samples heard of %d", len(r.heard), from+(recited+1)*len(spoken))
		}
		rest := r.heard[from:]
		lag := opustest.Lag(spoken, rest, len(spoken))
		for i := range recited {
			got.distance += opustest.Distance(spoken, rest[lag+i*len(spoken):][:len(spoken)]) / float64(recited)
		}
	})
	return got
}

// Speech through the whole chain stays what it was: on a good link, on links that
// lose much, with time to ask again (near) and without (far: only copies help), and
// on one that carries nothing but long packets. The same links with voice as it
// was published are far beyond the same bounds, so these say something.
func TestSpeechThroughTheWholeChain(t *testing.T) {
	spoken := opustest.Spoken(t)
	spoken = spoken[:6*speechRate]
	clean := link.Config{Delay: 10 * time.Millisecond}
	near := link.Config{Delay: 10 * time.Millisecond, Loss: link.Loss{Random: 0.2}, Seed: 5}
	far := link.Config{Delay: 150 * time.Millisecond, Loss: link.Loss{Random: 0.1}, Seed: 6}
	thin := link.Config{Delay: 150 * time.Millisecond, Capacity: link.Constant(20 * units.Kbps), Queue: link.Queue{Delay: time.Second}}
	for _, c := range []chain{
		{name: "clean", up: clean, down: clean, distance: 2, hole: 0.2, delay: 100 * time.Millisecond},
		{name: "near, 20 % lost both ways", up: near, down: near, distance: 6, hole: 5.5, delay: 420 * time.Millisecond},
		{name: "far, 10 % lost both ways", up: far, down: far, distance: 6, hole: 6.5, delay: 420 * time.Millisecond},
		{name: "thin", up: clean, down: thin, distance: 5.3, hole: 1, delay: 330 * time.Millisecond},
		{name: "far, plain", up: far, down: far, plain: true},
		{name: "thin, plain", up: clean, down: thin, plain: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.run(t, spoken)
			t.Logf("%.1f dB from the original, %.2f %% made up, buffer %v, mode %s", got.distance, got.hole, got.delay, got.mode)
			if c.plain {
				if got.hole < 12 {
					t.Errorf("only %.1f %% made up with voice as it was published: the link is no test", got.hole)
				}
				return
			}
			if got.distance > c.distance || got.hole > c.hole || got.delay > c.delay {
				t.Errorf("%.1f dB, %.2f %% made up, buffer %v; want at most %v, %v, %v", got.distance, got.hole, got.delay, c.distance, c.hole, c.delay)
			}
		})
	}
}
