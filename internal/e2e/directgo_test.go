package e2e

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opus"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// TestDirectPathBetweenPageAndGo: a page and a Go client speak the same way of going
// direct. The client sends voice that never rests; neither hears more than 300 ms of
// nothing over the move, nor when the page's user leaves the direct path for the
// server.
func TestDirectPathBetweenPageAndGo(t *testing.T) {
	const bound = 300 * time.Millisecond
	if !opus.Available() {
		t.Skip("needs libopus, to send something that can be heard")
	}
	s, ann, _, _ := startDirect(t, switchboard.DirectPrefer, "")
	var mu sync.Mutex
	var last time.Time
	var longest time.Duration
	gap := func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		g := max(longest, time.Since(last))
		longest = 0
		return g
	}
	ann.run(`line.create([{ user: "gopher", devices: ["phone"] }], { call: "c", early: true }).then(() => go("c"))`)
	var c *client.Call
	until(t, "the Go client is in the call's room", joinLimit, func() bool {
		var err error
		c, err = client.Join(t.Context(), client.Options{
			URL: "http://" + loopback(s.ports.HTTP), Room: "c", Connect: &signal.Connect{User: "gopher", Device: "phone"},
			Publish: []client.Publication{{Source: signal.Microphone}}, Direct: true,
			OnPacket: func(_ int, _ uint32, p *packet.Packet) {
				if !p.Kind.Audio() {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if !last.IsZero() {
					longest = max(longest, p.Arrival.Sub(last))
				}
				last = p.Arrival
			},
		})
		return err == nil
	})
	stop := make(chan struct{})
	var talking sync.WaitGroup
	talking.Go(func() { hum(t, c, stop) })
	defer func() {
		close(stop)
		talking.Wait()
		c.Close()
	}()
	if _, err := c.Do(t.Context(), &signal.Call{Verb: signal.CallAccept, Call: "c"}); err != nil {
		t.Fatal(err)
	}
	until(t, "the Go client hears the page by the server", joinLimit, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return !last.IsZero()
	})
	time.Sleep(time.Second)
	gap()
	ann.silence()
	ann.run(`willing()`)
	both := func(direct bool, path string) func() bool {
		return func() bool {
			playing, _ := c.Direct()
			return playing == direct && ann.path() == path
		}
	}
	took := until(t, "both play the direct path", 15*time.Second, both(true, "direct"))
	time.Sleep(500 * time.Millisecond) // what comes right after belongs to it
	unheard(t, "there", took, bound, gap(), ann)
	ann.run(`window.direct.leave()`)
	took = until(t, "both play the server's", 15*time.Second, both(false, "sfu"))
	time.Sleep(500 * time.Millisecond)
	unheard(t, "back", took, bound, gap(), ann)
}

// unheard judges how long each heard nothing of the other over a move.
func unheard(t *testing.T, move string, took, bound, gap time.Duration, page device) {
	t.Helper()
	silence, sound := page.silence()
	t.Logf("%s after %v: the Go client heard nothing for %v, the page for %v", move, took, gap, silence)
	if gap > bound || silence > bound || !sound {
		t.Errorf("%s: the Go client heard nothing for %v, the page for %v (any sound: %v), at most %v", move, gap, silence, sound, bound)
	}
}

// hum sends a tone that rises and falls, as a page's does, until stop: a steady one
// is taken for noise.
func hum(t *testing.T, c *client.Call, stop <-chan struct{}) {
	cfg := opus.DefaultEncoderConfig()
	cfg.SampleRate, cfg.Rate, cfg.DTX = 48_000, 24*units.Kbps, false
	encoder, err := opus.NewEncoder(cfg)
	if err != nil {
		t.Errorf("encode a tone: %v", err)
		return
	}
	const frame, rate = 20 * time.Millisecond, 48_000
	ticker := time.NewTicker(frame)
	defer ticker.Stop()
	phase := 0.0
	for n := 0; ; n++ {
		var pcm []int16
		for i := range rate * int(frame.Milliseconds()) / 1000 {
			at := float64(n)*frame.Seconds() + float64(i)/rate
			phase += 2 * math.Pi * (600 + 250*math.Sin(2*math.Pi*4*at)) / rate
			pcm = append(pcm, int16(8000*math.Sin(phase)))
		}
		payload, err := encoder.Encode(pcm, make([]byte, 1200))
		if err != nil {
			t.Errorf("encode a tone: %v", err)
			return
		}
		// It fails when the call ends.
		_ = c.Sender(signal.Microphone).Write(time.Now(), client.Frame{Timestamp: uint32(n * len(pcm)), Marker: n == 0, Payload: payload, Level: 20, Voice: true})
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
	}
}
