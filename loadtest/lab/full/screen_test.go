package full

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// filmed is a second and a half of camera as packets, frame by frame.
func filmed(t *testing.T) (frames [][]*packet.Packet, temporal []uint8) {
	t.Helper()
	begin := time.Unix(1000, 0)
	e := media.NewVP8(begin, media.VP8Config{Width: 320, Height: 180})
	number := int64(100)
	for now := begin; now.Before(begin.Add(1500 * time.Millisecond)); now = now.Add(time.Millisecond) {
		f, ok := e.Poll(now)
		if !ok {
			continue
		}
		var all []*packet.Packet
		for i := range f.Packets() {
			payload, last := f.Packet(i, make([]byte, media.DefaultMaxPayload))
			info, ok := codec.Inspect(codec.VP8, payload, nil, last)
			if !ok {
				t.Fatal("a payload that is no VP8")
			}
			all = append(all, &packet.Packet{Arrival: now, Kind: codec.VP8, Info: info, Extended: number, Timestamp: f.Timestamp, Marker: last, Payload: payload})
			number++
		}
		frames, temporal = append(frames, all), append(temporal, f.Temporal)
	}
	return frames, temporal
}

// shown is how many pictures a screen shows when some frames never come, or the
// frame that is late comes after three others.
func shown(t *testing.T, lost func(i int, temporal uint8) bool, late int) (int, *screen) {
	t.Helper()
	s := newScreen(&callWorld{begin: time.Unix(1000, 0)})
	frames, temporal := filmed(t)
	var held []*packet.Packet
	for i, f := range frames {
		if i == late {
			held = f
			continue
		}
		if lost(i, temporal[i]) {
			continue
		}
		for _, p := range f {
			s.receive(3, 1, p)
		}
		if held != nil && i == late+3 {
			for _, p := range held {
				s.receive(3, 1, p)
			}
		}
	}
	return len(s.seen), s
}

func TestScreenShowsWhatCanBeDecoded(t *testing.T) {
	frames, temporal := filmed(t)
	none := func(int, uint8) bool { return false }
	n, s := shown(t, none, -1)
	if n != len(frames) || s.seen[0].Width != 320 || s.seen[0].Height != 180 || s.seen[0].From != 0 || s.seen[0].Slot != 3 {
		t.Errorf("%d of %d pictures, first %+v", n, len(frames), s.seen[0])
	}
	// Without the upper layers half or less is left, and all of it is shown.
	base := 0
	for _, l := range temporal {
		if l == 0 {
			base++
		}
	}
	if n, _ := shown(t, func(_ int, l uint8) bool { return l > 0 }, -1); n != base {
		t.Errorf("%d pictures of %d of the lowest layer", n, base)
	}
	// One of the lowest layer that is lost ends everything until a key frame.
	first := 0
	for i, l := range temporal {
		if l == 0 && i > 5 {
			first = i
			break
		}
	}
	if n, _ := shown(t, func(i int, _ uint8) bool { return i == first }, -1); n != first {
		t.Errorf("%d pictures after the loss of number %d", n, first)
	}
	// Late, it lets the rest be shown.
	if n, _ := shown(t, none, first); n < len(frames)-3 || n > len(frames) {
		t.Errorf("%d of %d pictures with one late", n, len(frames))
	}
	// Nothing without a key frame.
	if n, _ := shown(t, func(i int, _ uint8) bool { return i == 0 }, -1); n != 0 {
		t.Errorf("%d pictures without a key frame", n)
	}
}
