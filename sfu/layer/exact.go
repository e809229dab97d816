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
// be done without. It is waited for while the uplink does (packet.Settled).
type exact struct {
	frames    frames
	structure *codec.Structure
	target    int    // decode target that goes on
	active    uint32 // those that were sent when the last picture began
	wanted    int    // decode target that comes closest to what is asked for
	mask      uint32 // targets that the subscriber gets: what it is to be told
	picture   uint32 // timestamp of the picture under way

	// A frame of the chain that has not come, and the number behind which it was
	// missed.
	waiting       bool
	missing       uint16
	waitingBehind int64
}

// begin starts with the key frame p.
func (x *exact) begin(p *packet.Packet, want Target) {
	x.frames.clear()
	x.structure = p.Placement.Structure
	x.active = p.Placement.Active
	x.wanted = x.closest(want)
	x.target = x.wanted
	x.waiting = false
	x.enter(p)
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
	x.enter(p)
	return x.whole(p, x.target)
}

// enter notes that p's picture is the one under way.
func (x *exact) enter(p *packet.Packet) {
	x.picture = p.Timestamp
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
	case to.Spatial > now.Spatial && was>>x.wanted&1 == 0 && x.active>>x.wanted&1 != 0 && x.intact(p, x.target):
		x.target = x.wanted // it begins here
	case to.Spatial < now.Spatial:
		x.target = x.closest(Target{Spatial: int8(now.Spatial), Temporal: 0})
	default:
		x.target = x.closest(Target{Spatial: int8(now.Spatial), Temporal: want.Temporal})
	}
}

// intact says whether the chain of a target is whole up to p.
func (x *exact) intact(p *packet.Packet, target int) bool {
	if x.structure.Chains() == 0 {
		return p.Placement.Indication(target) != codec.NotPresent && x.frames.decodable(p)
	}
	distance := p.Placement.ChainDistance(x.structure.Targets()[target].Chain)
	return distance == 0 || x.frames.fateOf(p, uint16(distance)) == passed
}

// whole says whether the chain of a target is whole or may still become so.
func (x *exact) whole(p *packet.Packet, target int) bool {
	if x.waiting {
		if x.frames.find(x.missing) != nil {
			x.waiting = false
		} else if p.Settled >= x.waitingBehind {
			return false
		}
	}
	if x.structure.Chains() == 0 {
		return true
	}
	distance := uint16(p.Placement.ChainDistance(x.structure.Targets()[target].Chain))
	if distance == 0 {
		return true
	}
	switch x.frames.fateOf(p, distance) {
	case gone:
		return false
	case unseen:
		if !x.waiting {
			x.waiting, x.missing, x.waitingBehind = true, p.Placement.Number-distance, p.Extended
		}
	}
	return true
}

// passes says whether p, of the current stream, goes on.
func (x *exact) passes(p *packet.Packet) bool {
	place := &p.Placement
	if f := x.frames.find(place.Number); f != nil {
		return f.fate == passed
	}
	f := frame{number: place.Number, fate: gone, spatial: p.Info.Spatial}
	if place.Structure == x.structure && place.Indication(x.target) != codec.NotPresent && x.frames.decodable(p) {
		f.fate = passed
		f.last = p.Info.Spatial >= x.structure.Targets()[x.target].Spatial
	}
	x.frames.note(f)
	return f.fate == passed
}

// lose notes that p's frame, which had passed, will not be whole.
func (x *exact) lose(p *packet.Packet) {
	if f := x.frames.find(p.Placement.Number); f != nil {
		f.fate = gone
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
