package uplink

import (
	"slices"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
)

// red is a RED payload (RFC 2198) with copies of so many packets before it.
func red(copies int) []byte {
	var b []byte
	for i := copies; i > 0; i-- {
		b = append(b, 0x80|111, byte(i*960>>6), byte(i*960<<2), 2)
	}
	b = append(b, 111)
	for range copies + 1 {
		b = append(b, 9<<3, 7)
	}
	return b
}

// A lost packet of sound is asked for while that helps, and not where a copy of
// it has come.
func TestVoiceIsAskedForWhileItHelps(t *testing.T) {
	for _, c := range []struct {
		name   string
		rtt    time.Duration
		copies int
		want   []uint16
	}{
		{"near", 40 * time.Millisecond, 0, []uint16{11, 12}},
		{"far", 200 * time.Millisecond, 0, nil},
		{"one copy", 40 * time.Millisecond, 1, []uint16{11}},
		{"two copies", 40 * time.Millisecond, 2, nil},
	} {
		u := newPublisher(Config{Kind: codec.Opus, NACK: true})
		u.stream.SetRTT(c.rtt)
		deliver := func(sequence uint16, payload []byte) {
			p := u.packet(mediaSSRC, sequence, payload...)
			p.Kind = codec.RED
			if v := u.stream.Receive(u.now, p); v != Accepted {
				t.Fatalf("%s: %v", c.name, v)
			}
			p.Release()
		}
		deliver(10, red(0))
		u.after(60 * time.Millisecond)
		deliver(13, red(c.copies))
		u.after(60 * time.Millisecond)
		got := u.stream.AppendNACKs(u.now, nil)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: asks for %v, want %v", c.name, got, c.want)
		}
		if next := u.stream.Next(); c.want == nil && !next.IsZero() && next.Before(u.now) {
			t.Errorf("%s: wants to be asked for ever", c.name)
		}
	}
}
