package full

import (
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/jitter"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
)

// ear writes down what a person hears, as the client's jitter buffers play it.
// The client calls it from one goroutine at a time.
type ear struct {
	world *callWorld

	mu      sync.Mutex // a leaf
	stopped bool
	heard   []lab.HeardRecord
}

func newEar(w *callWorld) *ear { return &ear{world: w} }

// play is client.Options.OnPlay.
func (e *ear) play(slot int, at time.Time, f jitter.Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return
	}
	h := lab.HeardRecord{At: e.world.since(at), Length: f.Duration, Slot: slot, From: -1, Number: -1}
	switch {
	case f.Kind == jitter.Play:
		e.voice(h, f.Payload)
		return
	case f.Kind == jitter.Repair:
		h.Kind = lab.HeardVoice
	case f.Kind == jitter.Conceal:
		h.Kind = lab.HeardConcealed
	case f.Starved:
		h.Kind = lab.HeardNothing
	}
	e.add(h)
}

// voice writes down each frame of a packet: packets may have been merged.
func (e *ear) voice(h lab.HeardRecord, payload []byte) {
	h.Kind = lab.HeardVoice
	p, err := opuspkt.Parse(payload)
	if err != nil {
		e.add(h)
		return
	}
	h.Length /= time.Duration(p.Count())
	for i := range p.Count() {
		h.From, h.Number = -1, -1
		if number, source, _, ok := media.FindVoice(p.Frame(i)); ok {
			h.From, h.Number = int(source)-1, int(number)
		}
		e.add(h)
		h.At += h.Length
	}
}

// add joins stretches without sound of their own.
func (e *ear) add(h lab.HeardRecord) {
	if n := len(e.heard) - 1; n >= 0 && h.Kind != lab.HeardVoice {
		last := &e.heard[n]
		if last.Slot == h.Slot && last.Kind == h.Kind && last.At+last.Length == h.At {
			last.Length += h.Length
			return
		}
	}
	e.heard = append(e.heard, h)
}

func (e *ear) stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopped = true
}

func sizeOf(payload []byte) units.Size { return units.Size(len(payload)) }

// packetsFrom answers packets as the lab records them, of links that began at a
// time.
func packetsFrom(from time.Duration, all []Packet) []lab.PacketRecord {
	own := packets(all)
	for i := range own {
		own[i].Sent += from
		own[i].Arrived += from
		own[i].Stream = all[i].Stream
	}
	return own
}
