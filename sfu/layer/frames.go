package layer

import "github.com/rivulet-rtc/rivulet/sfu/packet"

// frameWindow is how many frames back a decision is remembered: more than a
// second of 30 pictures a second with four spatial layers. A frame that refers
// further back is taken for undecodable. A power of two.
const frameWindow = 128

// fate is what became of one frame.
type fate uint8

const (
	pending fate = iota // has not come, or not all of it, and may still
	gone                // does not go on, or cannot be whole any more
	passed              // goes on
)

// frame is what is known of one frame of which a packet came.
type frame struct {
	number  uint16
	known   bool
	passed  bool
	last    bool   // of its picture, as it goes on
	spatial uint8  // its layer
	time    uint32 // of its picture: the RTP timestamp

	// Its first and last packet, and how many of them passed.
	started, ended bool
	first, end     int64
	count          int64
}

// whole says whether every packet of it passed.
func (f *frame) whole() bool { return f.started && f.ended && f.count > f.end-f.first }

// frames are the frames of the current stream by their number.
type frames struct {
	ring    [frameWindow]frame
	highest uint16
	any     bool
}

// find answers a frame; nil when no packet of it came, or too long ago.
func (f *frames) find(number uint16) *frame {
	e := &f.ring[number&(frameWindow-1)]
	if !e.known || e.number != number || f.highest-number >= frameWindow {
		return nil
	}
	return e
}

// add makes room for a frame; nil when it is too old.
func (f *frames) add(number uint16) *frame {
	switch ahead := int16(number - f.highest); {
	case !f.any, ahead > 0:
		f.any, f.highest = true, number
	case f.highest-number >= frameWindow:
		return nil
	}
	e := &f.ring[number&(frameWindow-1)]
	*e = frame{number: number, known: true}
	return e
}

// pass notes a packet of e that goes on.
func (e *frame) pass(p *packet.Packet) {
	e.count++
	if p.Info.FrameStart && (!e.started || p.Extended < e.first) {
		e.started, e.first = true, p.Extended
	}
	if p.Info.FrameEnd && (!e.ended || p.Extended > e.end) {
		e.ended, e.end = true, p.Extended
	}
}

// fateOf answers what became of the frame at a distance before p's. What has
// not come is waited for as long as anything before p is.
func (f *frames) fateOf(p *packet.Packet, distance uint16) fate {
	number := p.Placement.Number - distance
	e := f.find(number)
	switch {
	case e != nil && !e.passed:
		return gone
	case e != nil && e.whole():
		return passed
	case p.Settled >= p.Extended || e == nil && f.highest-number < 1<<15 && f.highest-number >= frameWindow:
		return gone
	}
	return pending
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
