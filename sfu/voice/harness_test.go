package voice

import (
	"bytes"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
	"github.com/rivulet-rtc/rivulet/codec/red"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

const (
	opusType = 111
	// Configurations of RFC 6716 table 2, mono.
	silkWide20, celt20 = 9 << 3, 31 << 3
	frame20            = 960 // of the RTP clock
)

var epoch = time.Date(2026, 11, 1, 12, 0, 0, 7, time.UTC)

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// slot drives one Stream and keeps what leaves.
type slot struct {
	t       fataler
	pool    *packet.Pool
	shop    Workshop
	s       Stream
	now     time.Time
	out     []left
	skipped []int64
}

// left is one packet that left.
type left struct {
	at        time.Time
	extended  int64
	timestamp uint32
	marker    bool
	kind      codec.Kind
	payload   []byte
}

func newSlot(t fataler) *slot {
	s := &slot{t: t, pool: packet.NewPool(), now: epoch}
	s.s.SetPayloadType(opusType)
	return s
}

// packet makes one packet of 20 ms whose body tells its number.
func (s *slot) packet(number int64, toc byte, size int) *packet.Packet {
	p := s.pool.Get()
	p.SSRC, p.Extended, p.Sequence, p.Timestamp = 7, number, uint16(number), uint32(number)*frame20
	p.Kind, p.Arrival = codec.Opus, s.now
	p.Payload = append(p.Buffer()[:0], body(number, toc, size)...)
	return p
}

// packet0 is packet without an allocation.
func (s *slot) packet0(number int64) *packet.Packet {
	p := s.pool.Get()
	p.SSRC, p.Extended, p.Sequence, p.Timestamp = 7, number, uint16(number), uint32(number)*frame20
	p.Kind, p.Arrival = codec.Opus, s.now
	b := p.Buffer()[:31]
	b[0], b[1] = silkWide20, byte(number)
	p.Payload = b
	return p
}

func body(number int64, toc byte, size int) []byte {
	return append([]byte{toc}, bytes.Repeat([]byte{byte(number) | 1, byte(number >> 8)}, size)[:size]...)
}

func (s *slot) push(p *packet.Packet) {
	s.s.Push(s.now, &s.shop, p)
	p.Release()
	s.drain()
}

func (s *slot) drain() {
	for out, ok := s.s.Pop(); ok; out, ok = s.s.Pop() {
		p := out.Packet
		if out.Skip {
			s.skipped = append(s.skipped, p.Extended)
		} else {
			s.out = append(s.out, left{s.now, p.Extended, p.Timestamp, p.Marker, p.Kind, bytes.Clone(p.Payload)})
		}
		p.Release()
	}
}

// wait lets time pass.
func (s *slot) wait(d time.Duration) {
	for end := s.now.Add(d); ; {
		next := s.s.Next()
		if next.IsZero() || next.After(end) {
			s.now = end
			return
		}
		s.now = next
		s.s.Tick(s.now, &s.shop)
		s.drain()
	}
}

func (s *slot) close() {
	s.s.Reset()
	if n := s.pool.InUse(); n != 0 {
		s.t.Fatalf("%d packets outlive the slot", n)
	}
}

// heard is one frame as a decoder gets it.
type heard struct {
	timestamp uint32
	toc       byte // without the count
	frame     string
}

// frames takes a payload apart.
func frames(t fataler, timestamp uint32, payload []byte) (all []heard) {
	t.Helper()
	p, err := opuspkt.Parse(payload)
	if err != nil {
		t.Fatalf("%x: %v", payload, err)
	}
	for i := range p.Count() {
		all = append(all, heard{timestamp, byte(p.TOC &^ 3), string(p.Frame(i))})
		timestamp += opuspkt.Samples(p.TOC.FrameDuration())
	}
	return all
}

// receive is what a receiver makes of packets, of which those that lost says are
// lost: RED is taken apart and what it repairs put in place.
func receive(t fataler, packets []left, lost func(i int) bool) (all []heard) {
	t.Helper()
	var w red.Window
	var found []red.Frame
	for i, p := range packets {
		if lost(i) {
			continue
		}
		if p.kind == codec.Opus {
			if w.Fresh(p.timestamp, p.payload) {
				all = append(all, frames(t, p.timestamp, p.payload)...)
			}
			continue
		}
		var err error
		if found, err = w.Recover(found[:0], p.timestamp, p.payload); err != nil {
			t.Fatalf("RED that cannot be read: %v", err)
		}
		for _, f := range found {
			if f.PayloadType != opusType {
				t.Fatalf("a block of payload type %d", f.PayloadType)
			}
			all = append(all, frames(t, f.Timestamp, f.Data)...)
		}
	}
	return all
}

func nothing(int) bool { return false }

func testingSlot(t *testing.T) *slot {
	s := newSlot(t)
	t.Cleanup(s.close)
	return s
}
