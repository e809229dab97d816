package layer

import "github.com/rivulet-rtc/rivulet/sfu/packet"

// frameWindow is how many frames back a decision is remembered: more than a
// second of 30 pictures a second with four spatial layers. A frame that refers
// further back is taken for undecodable. A power of two.
const frameWindow = 128

// fate is what became of one frame.
type fate uint8

const (
	unseen fate = iota // no packet of it came so far
	gone               // does not go on
	passed             // goes on
)

// frame is what is known of one frame.
type frame struct {
	number  uint16
	fate    fate
	last    bool  // of its picture, as it goes on
	spatial uint8 // its layer
}

// frames are the frames of the current stream by their number.
type frames struct {
	ring    [frameWindow]frame
	highest uint16
	any     bool
}

func (f *frames) clear() { *f = frames{} }

// find answers what became of a frame; nil when no packet of it came, or too
// long ago.
func (f *frames) find(number uint16) *frame {
	e := &f.ring[number&(frameWindow-1)]
	if e.fate == unseen || e.number != number || !f.any || f.highest-number >= frameWindow {
		return nil
	}
	return e
}

// note remembers what becomes of a frame.
func (f *frames) note(e frame) {
	switch ahead := int16(e.number - f.highest); {
	case !f.any:
		f.any, f.highest = true, e.number
	case ahead > 0:
		f.highest = e.number
	case f.highest-e.number >= frameWindow:
		return
	}
	f.ring[e.number&(frameWindow-1)] = e
}

// fateOf answers what became of the frame at a distance before p's.
func (f *frames) fateOf(p *packet.Packet, distance uint16) fate {
	number := p.Placement.Number - distance
	if e := f.find(number); e != nil {
		return e.fate
	}
	if f.any && int16(number-f.highest) <= 0 && f.highest-number >= frameWindow {
		return gone
	}
	return unseen
}

// decodable says whether all that p's frame needs goes on, or may still come.
func (f *frames) decodable(p *packet.Packet) bool {
	for _, distance := range p.Placement.References() {
		if f.fateOf(p, distance) == gone {
			return false
		}
	}
	return true
}
