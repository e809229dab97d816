package rewrite

import (
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// pictures keeps VP8 picture ids and TL0PICIDX continuous (RFC 7741 §4.2). A
// decoder takes a step in the picture id for a lost frame and waits for it, so
// every frame that is dropped as a whole closes its gap. The numbers of VP9
// pictures and of frames with dependency descriptors are only carried on from one
// source to the next.
type pictures struct {
	// What the next frame gets at a switch.
	nextID    uint16
	nextTL0   uint8
	nextFrame uint16

	// The newest frame, sent or dropped.
	known     bool
	timestamp uint32
	id        uint16
	sent      bool // at least one packet of it was sent
	gone      bool // its first packet seen was dropped, and so all others are

	// lost has bit i set when the frame i before the newest was dropped.
	lost uint64
}

func newPictures(id uint16, tl0 uint8) pictures {
	return pictures{nextID: id, nextTL0: tl0}
}

// pictureMask is the size of the picture id as its descriptor writes it.
func pictureMask(i *codec.Info) uint16 {
	if i.LongPictureID {
		return 0x7fff
	}
	return 0x7f
}

// change begins another source with p.
func (v *pictures) change(p *packet.Packet, s *shift) {
	v.known = false
	v.lost = 0
	if p.Info.HasPictureID {
		s.picture = v.nextID - p.Info.PictureID
	}
	if p.Info.HasTL0PICIDX {
		s.tl0 = v.nextTL0 - p.Info.TL0PICIDX
	}
	s.frame = v.nextFrame - p.Placement.Number
}

// send notes that p, the newest packet, is to be sent; false if the beginning of
// its frame was dropped.
func (v *pictures) send(p *packet.Packet) bool {
	v.enter(p)
	if v.gone {
		return false
	}
	v.sent = true
	return true
}

// use notes the numbers of the newest packet that went out.
func (v *pictures) use(p *packet.Packet, out Output) {
	if next := out.Frame + 1; len(p.Descriptor) > 0 && int16(next-v.nextFrame) > 0 {
		v.nextFrame = next
	}
	if p.Kind != codec.VP8 && p.Kind != codec.VP9 {
		return
	}
	if p.Info.HasPictureID {
		v.nextID = (out.PictureID + 1) & pictureMask(&p.Info)
	}
	if p.Info.HasTL0PICIDX {
		v.nextTL0 = out.TL0PICIDX + 1
	}
}

// drop notes that p, the newest packet, is not sent. If it is the first of its
// frame, the numbers of the frame are taken back in s.
func (v *pictures) drop(p *packet.Packet, s *shift) {
	v.enter(p)
	if v.sent || v.gone {
		return
	}
	v.gone = true
	v.lost |= 1
	s.picture--
	if p.Info.HasTL0PICIDX && p.Info.Temporal == 0 {
		s.tl0--
	}
}

// enter makes p's frame the newest.
func (v *pictures) enter(p *packet.Packet) {
	if v.known && v.timestamp == p.Timestamp && v.id == p.Info.PictureID {
		return
	}
	step := uint64(1)
	if v.known && p.Info.HasPictureID {
		step = uint64((p.Info.PictureID - v.id) & pictureMask(&p.Info))
	}
	v.lost <<= step // 64 and more leave nothing
	v.known, v.sent, v.gone = true, false, false
	v.timestamp, v.id = p.Timestamp, p.Info.PictureID
}

// wasDropped says whether the frame of p, a late packet, was dropped, or is too
// old to know.
func (v *pictures) wasDropped(p *packet.Packet) bool {
	if !v.known || !p.Info.HasPictureID {
		return false
	}
	back := (v.id - p.Info.PictureID) & pictureMask(&p.Info)
	return back >= 64 || v.lost>>back&1 != 0
}
