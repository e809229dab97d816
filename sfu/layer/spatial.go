package layer

import (
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// maxSpatial is how many spatial layers a stream may have: three bits of VP9.
const maxSpatial = 8

// spatial chooses among the spatial layers of one VP9 stream without dependency
// descriptors, by its payload descriptor alone (RFC 9628 §4.2): up at a key
// picture; down at the next picture if the smaller layer went on without a gap,
// which it did unless nothing above refers to it (Z, as in L3T3_KEY), and else
// at a key picture.
type spatial struct {
	current uint8 // the highest that goes on
	wanted  uint8 // the highest that should
	whole   uint8 // bit s: every frame of layer s went on since the key picture
	key     bool  // the picture under way is a key picture
	seen    [maxSpatial]time.Duration
	known   uint8 // bit s: seen has a value
}

// begin starts with a key picture.
func (x *spatial) begin(active time.Duration, want Target) {
	x.key, x.whole = true, 0xff
	x.choose(active, want)
	x.current = x.wanted
	if x.known == 0 || x.wanted == x.highest(active) {
		// What larger layers there will be is not known: all up to what is asked for.
		x.current = uint8(min(max(want.Spatial, 0), maxSpatial-1))
	}
}

// next decides, at the first packet of a picture, how many layers go on.
func (x *spatial) next(active time.Duration, p *packet.Packet, want Target) {
	if p.Info.Keyframe {
		x.begin(active, want)
		return
	}
	x.key = false
	x.choose(active, want)
	if x.wanted < x.current && x.whole>>x.wanted&1 != 0 {
		x.current = x.wanted
	}
}

// choose finds the largest living layer up to what is asked for.
func (x *spatial) choose(active time.Duration, want Target) {
	x.wanted = uint8(min(max(want.Spatial, 0), maxSpatial-1))
	for x.wanted > 0 && !x.alive(active, x.wanted) {
		x.wanted--
	}
}

func (x *spatial) alive(active time.Duration, s uint8) bool {
	return x.known>>s&1 != 0 && active-x.seen[s] <= aliveFor
}

// highest is the largest living layer.
func (x *spatial) highest(active time.Duration) uint8 {
	for s := uint8(maxSpatial - 1); s > 0; s-- {
		if x.alive(active, s) {
			return s
		}
	}
	return 0
}

// observe notes that a packet of p's layer came.
func (x *spatial) observe(active time.Duration, p *packet.Packet) {
	s := p.Info.Spatial & (maxSpatial - 1)
	x.seen[s] = active
	x.known |= 1 << s
}

// passes says whether p's layer goes on.
func (x *spatial) passes(p *packet.Packet) bool {
	s := p.Info.Spatial & (maxSpatial - 1)
	switch {
	case s > x.current:
		return false
	case s < x.current && p.Info.Beneath && !x.key:
		x.whole &^= 1 << s
		return false
	}
	return true
}

// layer is the one that goes on, as far as it exists.
func (x *spatial) layer(active time.Duration) int8 { return int8(min(x.current, x.highest(active))) }
