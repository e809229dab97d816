package full

import (
	"sync"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// sourcesEach is how many stamped sources each person has.
const sourcesEach = 8

// screen writes down the pictures that a decoder would have shown: frames that
// are complete, and whose references were shown (RFC 7741 §4.2: each frame of
// temporal layer 0 refers to the one before, those above to it).
type screen struct {
	world *callWorld

	mu      sync.Mutex // a leaf
	stopped bool
	seen    []lab.SeenRecord
	slots   map[int]*picture
}

func newScreen(w *callWorld) *screen { return &screen{world: w, slots: map[int]*picture{}} }

// receive is client.Options.OnPacket.
func (s *screen) receive(slot int, _ uint32, p *packet.Packet) {
	if !p.Kind.Video() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	pic := s.slots[slot]
	if pic == nil {
		pic = &picture{parts: map[int64]part{}, frames: map[int64]frame{}}
		s.slots[slot] = pic
	}
	if p.Extended < pic.shown-keepParts {
		return
	}
	pic.parts[p.Extended] = partOf(p)
	pic.assemble(p.Extended)
	for {
		f, ok := pic.next()
		if !ok {
			break
		}
		s.seen = append(s.seen, lab.SeenRecord{
			At: s.world.since(p.Arrival), Slot: slot, From: f.source, Width: pic.width, Height: pic.height,
		})
	}
	pic.forget()
}

func (s *screen) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}

// keepParts is how many sequence numbers back packets are kept.
const keepParts = 2048

// part is one packet.
type part struct {
	start, end, key, sync bool
	temporal              uint8
	tl0                   uint8
	timestamp             uint32
	width, height         int
	source                int
}

func partOf(p *packet.Packet) part {
	i := p.Info
	k := part{
		start: i.FrameStart, end: i.FrameEnd || p.Marker, key: i.Keyframe, sync: i.SwitchUp,
		temporal: i.Temporal, tl0: i.TL0PICIDX, timestamp: p.Timestamp, source: -1,
	}
	if s, ok := media.VideoStamp(p.Payload); ok {
		k.source = int(s.Source) / sourcesEach
	}
	// RFC 6386 §9.1: a key frame's size follows its tag and start code.
	if b := p.Payload[min(int(i.DescriptorSize), len(p.Payload)):]; i.Keyframe && len(b) >= 10 {
		k.width = int(b[6]) | int(b[7]&0x3f)<<8
		k.height = int(b[8]) | int(b[9]&0x3f)<<8
	}
	return k
}

// frame is one that is complete.
type frame struct {
	part
	first, last int64
}

// picture is one slot's decoder.
type picture struct {
	parts  map[int64]part
	frames map[int64]frame // complete and not shown, by first number
	begun  bool
	shown  int64 // last number of the frame shown last
	tl0    uint8
	// broken: a frame above temporal layer 0 may be missing, so that those
	// above wait for one that refers to layer 0 alone.
	broken        bool
	width, height int
}

// assemble looks whether a packet completes its frame.
func (d *picture) assemble(number int64) {
	first := number
	at := d.parts[number]
	for !d.parts[first].start {
		k, ok := d.parts[first-1]
		if !ok || k.timestamp != at.timestamp {
			return
		}
		first--
	}
	last := first
	for !d.parts[last].end {
		k, ok := d.parts[last+1]
		if !ok || k.timestamp != at.timestamp {
			return
		}
		last++
	}
	d.frames[first] = frame{d.parts[first], first, last}
}

// next shows the first frame that can be.
func (d *picture) next() (frame, bool) {
	var best frame
	found := false
	for first, f := range d.frames {
		if d.begun && first <= d.shown {
			delete(d.frames, first)
			continue
		}
		if d.decodable(f) && (!found || f.first < best.first) {
			best, found = f, true
		}
	}
	if !found {
		return frame{}, false
	}
	delete(d.frames, best.first)
	switch {
	case best.key:
		d.begun, d.broken = true, false
		d.width, d.height = best.width, best.height
	case best.first != d.shown+1:
		d.broken = true
	case best.sync:
		d.broken = false
	}
	if best.temporal == 0 {
		d.tl0 = best.tl0
	}
	d.shown = best.last
	return best, true
}

func (d *picture) decodable(f frame) bool {
	switch {
	case f.key:
		return true
	case !d.begun:
		return false
	case f.first == d.shown+1 && !d.broken:
		return true
	case f.temporal == 0:
		return f.tl0 == d.tl0+1
	}
	return f.tl0 == d.tl0 && f.sync
}

// forget drops what is too old to matter.
func (d *picture) forget() {
	if len(d.parts) < 2*keepParts {
		return
	}
	for n := range d.parts {
		if n < d.shown-keepParts {
			delete(d.parts, n)
		}
	}
}
