package layer

import (
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// exact chooses within one stream whose packets carry dependency descriptors
// ("RTP Payload Format For AV1" v1.0, Appendix A): a decode target for each
// picture, of which the frames go on that can be decoded.
//
//   - up to more spatial layers at a key frame, or where the publisher switches
//     a target on (active_decode_targets_bitmask);
//   - up to more temporal layers at once: a frame of them goes on as soon as all
//     that it refers to did;
//   - down at the next picture if the target's chain is whole, which it is where
//     the larger layers build on the smaller ones (L3T3), and otherwise, as in
//     L3T3_KEY, at a key frame, until when only base frames go on.
//
// The chain that protects the target tells when a frame is missing that cannot
// be done without. It is waited for while the uplink does (packet.Settled); then
// nothing goes on before a key frame.
type exact struct {
	frames    frames
	structure *codec.Structure
	target    int    // decode target that goes on
	active    uint32 // those that were sent when the last picture began
	wanted    int    // decode target that comes closest to what is asked for
	mask      uint32 // targets that the subscriber gets: what it is to be told
	keyed     int64  // extended number of the newest key frame's first packet

	waits waits
}

// waits are frames of the chain that are not whole yet.
type waits struct {
	list [8]struct {
		number uint16
		behind int64 // extended number of the packet that missed it
	}
	count int
}

// begin starts with the key frame p, or starts over with it.
func (x *exact) begin(p *packet.Packet, want Target) {
	if int16(p.Placement.Number-x.frames.highest) <= 0 { // numbered anew
		x.frames = frames{}
	}
	x.keyed = p.Extended
	x.structure = p.Placement.Structure
	x.active = p.Placement.Active
	x.wanted = x.closest(want)
	x.target = x.wanted
	x.waits.count = 0
	x.enter()
}

// next decides, at the first packet seen of a picture, which target goes on
// from here. It answers false when nothing can before a key frame.
func (x *exact) next(p *packet.Packet, want Target) bool {
	place := &p.Placement
	if p.Info.Keyframe {
		x.begin(p, want)
		return true
	}
	if place.Structure != x.structure {
		had := x.layers()
		x.structure, x.active = place.Structure, place.Active
		x.target = x.closest(had)
	}
	was := x.active
	x.active = place.Active
	x.wanted = x.closest(want)
	x.move(p, was, want)
	x.enter()
	return x.whole(p)
}

// enter notes what the subscriber gets from here.
func (x *exact) enter() {
	t := x.structure.Targets()
	x.mask = 0
	for i := range t {
		if t[i].Spatial <= t[x.target].Spatial && t[i].Temporal <= t[x.target].Temporal {
			x.mask |= 1 << i
		}
	}
	x.mask &= x.active
}

// move goes to the wanted target, or as near to it as is possible here.
func (x *exact) move(p *packet.Packet, was uint32, want Target) {
	targets := x.structure.Targets()
	now, to := targets[x.target], targets[x.wanted]
	switch {
	case x.wanted == x.target:
	case to.Spatial == now.Spatial:
		x.target = x.wanted
	case to.Spatial < now.Spatial && x.intact(p, x.wanted):
		x.target = x.wanted
	case to.Spatial > now.Spatial && x.begins(was, now.Spatial) && x.intact(p, x.target):
		x.target = x.wanted
	case to.Spatial < now.Spatial:
		x.target = x.closest(Target{Spatial: int8(now.Spatial), Temporal: 0})
	default:
		x.target = x.closest(Target{Spatial: int8(now.Spatial), Temporal: want.Temporal})
	}
}

// begins says whether everything above a spatial layer is switched on here, so
// that it builds on that layer.
func (x *exact) begins(was uint32, above uint8) bool {
	for i, t := range x.structure.Targets() {
		if t.Spatial > above && was>>i&1 != 0 {
			return false
		}
	}
	return true
}

// chained answers what became of the last frame of a target's chain before p.
func (x *exact) chained(p *packet.Packet, target int) (distance uint16, became fate) {
	if x.structure.Chains() == 0 {
		if p.Placement.Indication(target) != codec.NotPresent && x.frames.decodable(p) {
			return 0, passed
		}
		return 0, gone
	}
	distance = uint16(p.Placement.ChainDistance(x.structure.Targets()[target].Chain))
	if distance == 0 {
		return 0, passed
	}
	return distance, x.frames.fateOf(p, distance)
}

// intact says whether the chain of a target is whole up to p, or may become so.
func (x *exact) intact(p *packet.Packet, target int) bool {
	_, became := x.chained(p, target)
	return became != gone
}

// whole says whether the chain of the current target is, or may become so.
func (x *exact) whole(p *packet.Packet) bool {
	w := &x.waits
	kept := 0
	for _, m := range w.list[:w.count] {
		if f := x.frames.find(m.number); f != nil && f.passed && f.whole() {
			continue
		}
		if p.Settled >= m.behind {
			return false // it will never come
		}
		w.list[kept] = m
		kept++
	}
	w.count = kept
	return x.structure.Chains() == 0 || x.intact(p, x.target)
}

// watch notes the frame of the chain that p's frame follows, unless it is whole.
func (x *exact) watch(p *packet.Packet) {
	w := &x.waits
	distance, became := x.chained(p, x.target)
	number := p.Placement.Number - distance
	if became != pending || w.count == len(w.list) || w.count > 0 && w.list[w.count-1].number == number {
		return
	}
	w.list[w.count].number, w.list[w.count].behind = number, p.Extended
	w.count++
}

// passes says whether p, of the current stream, goes on.
func (x *exact) passes(p *packet.Packet) bool {
	place := &p.Placement
	f := x.frames.find(place.Number)
	if f == nil {
		// What comes late from before a key frame is of no use behind it.
		if p.Extended < x.keyed {
			return false
		}
		if f = x.frames.add(place.Number); f == nil {
			return false
		}
		f.spatial, f.time = p.Info.Spatial, p.Timestamp
		f.passed = place.Structure == x.structure && place.Indication(x.target) != codec.NotPresent && x.frames.decodable(p)
		f.last = p.Info.Spatial >= x.structure.Targets()[x.target].Spatial
		x.watch(p)
	}
	if f.passed {
		f.pass(p)
	}
	return f.passed
}

// lose notes that p's frame, which had passed, will not be whole. With it the
// others of its picture are of no use: decoders take pictures only whole.
func (x *exact) lose(p *packet.Packet) {
	for back := uint16(0); back < 2*maxSpatial; back++ {
		f := x.frames.find(p.Placement.Number + maxSpatial - back)
		if f != nil && f.time == p.Timestamp {
			f.passed = false
		}
	}
}

// closest is the decode target that comes closest to what is asked for: the
// largest picture up to it that is being sent, then the highest frame rate.
func (x *exact) closest(want Target) int {
	best, least := -1, 0
	targets := x.structure.Targets()
	for i, t := range targets {
		if t.Spatial < targets[least].Spatial || t.Spatial == targets[least].Spatial && t.Temporal < targets[least].Temporal {
			least = i
		}
		if int8(t.Spatial) > want.Spatial || int8(t.Temporal) > max(want.Temporal, 0) || x.active>>i&1 == 0 {
			continue
		}
		if best < 0 || t.Spatial > targets[best].Spatial || t.Spatial == targets[best].Spatial && t.Temporal > targets[best].Temporal {
			best = i
		}
	}
	if best < 0 {
		return least
	}
	return best
}

// layers are those of the target that goes on.
func (x *exact) layers() Target {
	targets := x.structure.Targets()
	t := targets[min(x.target, len(targets)-1)]
	return Target{Spatial: int8(t.Spatial), Temporal: int8(t.Temporal)}
}

// wantsKeyframe says whether a key frame is needed to get to the wanted target.
func (x *exact) wantsKeyframe() bool {
	targets := x.structure.Targets()
	return targets[x.wanted].Spatial != targets[x.target].Spatial
}
