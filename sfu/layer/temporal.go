package layer

import (
	"math/bits"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// maxTemporal is how many temporal layers a stream may have: three bits of VP9
// and H.265.
const maxTemporal = 8

// temporal knows which temporal layers of the current stream go on. A layer
// is joined when all frames of it that later ones may refer to have gone on.
type temporal struct {
	joined uint8               // bit t: temporal layer t goes on
	since  [maxTemporal]moment // when t was joined
}

// moment is a frame as its first packet seen tells.
type moment struct {
	extended  int64
	timestamp uint32
}

// frame decides, at the first packet seen of a frame, which layers go on from
// here; limit is the highest one wanted.
func (t *temporal) frame(kind codec.Kind, p *packet.Packet, limit uint8) {
	wanted := uint8(1)<<(limit+1) - 1
	id := p.Info.Temporal & (maxTemporal - 1)
	t.joined &= wanted

	switch {
	case p.Info.Keyframe:
		// Whatever follows refers to this frame or later ones only.
		t.join(wanted, p)
	case p.Info.SwitchUp && kind == codec.VP9:
		// RFC 9628 §4.2, U: later pictures of higher temporal layers depend on
		// no earlier picture above this one's layer. This one itself may.
		if t.joined&(1<<id) != 0 {
			t.join(wanted&^(1<<id-1), p)
		}
	case p.Info.SwitchUp:
		// RFC 7741 §4.2, Y: this frame depends on base layer frames only.
		t.join(wanted&(1<<id), p)
	case t.joined&(1<<id-1) != 1<<id-1:
		// It may refer to a frame of a layer below that did not go on.
		t.joined &^= 1 << id
	}

	if t.joined&(1<<id) == 0 && !p.Info.Discardable {
		t.leave(id)
	}
}

// join adds the layers of the mask that are not joined yet, from p's frame on.
func (t *temporal) join(mask uint8, p *packet.Packet) {
	for fresh := mask &^ t.joined; fresh != 0; fresh &= fresh - 1 {
		t.since[bits.TrailingZeros8(fresh)] = moment{p.Extended, p.Timestamp}
	}
	t.joined |= mask
}

// leave gives up layer id and those above it, whose frames may refer to a frame
// of it that did not go on.
func (t *temporal) leave(id uint8) {
	t.joined &= 1<<(id&(maxTemporal-1)) - 1
}

// passes says whether p's temporal layer goes on, and did so when p was sent.
// The first packet of the frame that joined the layer may come late.
func (t *temporal) passes(p *packet.Packet) bool {
	id := p.Info.Temporal & (maxTemporal - 1)
	from := &t.since[id]
	return t.joined&(1<<id) != 0 && (p.Extended >= from.extended || p.Timestamp == from.timestamp)
}

// highest is the highest temporal layer that goes on, 0 if only the base does.
func (t *temporal) highest() int8 {
	return int8(max(bits.Len8(t.joined), 1) - 1)
}
