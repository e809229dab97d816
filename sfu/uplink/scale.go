package uplink

import (
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// scale learns from the packets of a stream which layers it has and which of
// them each packet is needed for.
type scale struct {
	descriptors codec.Descriptors
	sizes       [Spatials]codec.Size
	spatials    uint8 // seen or told of; 0 before the first packet
}

// read completes what is known of p, whose Info has been read, and answers the
// operating points that p is part of. It is false when a descriptor without
// which p cannot be decoded is malformed.
func (s *scale) read(p *packet.Packet, newest bool) (needed uint16, ok bool) {
	if !p.Kind.Video() {
		return 1, true
	}
	if len(p.Descriptor) > 0 {
		place, spatial, temporal, sound := s.descriptors.Read(p.Descriptor, newest)
		if !sound && p.Kind == codec.AV1 {
			return 0, false
		}
		if p.Placement = place; place.Known() {
			// Chromium leaves everything that the descriptor says out of the payload.
			p.Info.Spatial, p.Info.Temporal = spatial, temporal
			p.Info.Discardable = p.Info.Discardable || place.Discardable()
		}
		if !sound {
			p.Descriptor = nil
		}
	}
	s.measure(p)
	s.spatials = max(s.spatials, min(p.Info.Spatial+1, Spatials))
	return s.needed(p), true
}

// measure takes what p tells of the sizes of pictures.
func (s *scale) measure(p *packet.Packet) {
	switch {
	case p.Placement.Known():
		if p.Info.Keyframe {
			structure := p.Placement.Structure
			s.spatials = structure.Spatials()
			for i := range structure.Spatials() {
				s.sizes[i] = structure.SizeOf(i)
			}
		}
	case p.Kind == codec.VP9:
		if sizes, layers := codec.SizesVP9(p.Payload, p.Info); layers > 0 {
			s.spatials = uint8(min(layers, Spatials))
			copy(s.sizes[:], sizes[:s.spatials])
		}
	case p.Kind == codec.VP8:
		if size, ok := codec.SizeVP8(p.Payload, p.Info); ok {
			s.sizes[0] = size
		}
	}
}

// needed answers the operating points that p is part of.
func (s *scale) needed(p *packet.Packet) (mask uint16) {
	i := &p.Info
	if structure := p.Placement.Structure; structure != nil {
		for t, target := range structure.Targets() {
			if p.Placement.Indication(t) != codec.NotPresent {
				mask |= 1 << at(target.Spatial, target.Temporal)
			}
		}
		return mask
	}
	for temporal := min(i.Temporal, Temporals-1); temporal < Temporals; temporal++ {
		mask |= 1 << at(i.Spatial, temporal)
		for spatial := i.Spatial + 1; spatial < Spatials && !i.Beneath; spatial++ {
			mask |= 1 << at(spatial, temporal)
		}
	}
	return mask
}

// Sizes answers the sizes of the spatial layers that the stream says it has, as
// far as it tells them, and how many layers there are; 0 before the first packet.
func (s *Stream) Sizes() (sizes [Spatials]codec.Size, layers int) {
	return s.scale.sizes, int(s.scale.spatials)
}
