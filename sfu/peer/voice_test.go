package peer

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/red"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// Who speaks is told by size where there are no levels: a longer packet, or one
// with copies, is no louder.
func TestWeightIsThatOfTheSound(t *testing.T) {
	sound := func(frames, size int) []byte {
		return append([]byte{9<<3 | 3, byte(frames)}, make([]byte, frames*size)...)
	}
	pool := packet.NewPool()
	for _, c := range []struct {
		name    string
		kind    codec.Kind
		payload []byte
		want    int
	}{
		{"20 ms", codec.Opus, sound(1, 30), 32},
		{"60 ms", codec.Opus, sound(3, 30), 30},
		{"20 ms with a copy", codec.RED, red.Append(nil, 111, sound(1, 30), red.Block{PayloadType: 111, Offset: 960, Data: sound(1, 90)}), 32},
		{"no Opus", codec.Opus, []byte{9<<3 | 3, 0, 1, 2}, 4},
		{"no RED", codec.RED, []byte{0x80}, 0},
	} {
		p := pool.Get()
		p.Kind, p.Payload = c.kind, c.payload
		if got := weight(p); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.want)
		}
		p.Release()
	}
}
