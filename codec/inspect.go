package codec

// Inspect answers what one RTP payload of a kind tells. descriptor is the AV1
// dependency descriptor of the packet's header extension (nil if it had none;
// other kinds ignore it) and marker the RTP marker bit. It keeps no reference
// to either slice and allocates nothing. ok is false when the payload cannot be
// parsed: such a packet is not worth forwarding.
//
// A sound payload may be empty: browsers send empty padding packets on the
// Opus and RED payload types.
func Inspect(kind Kind, payload []byte, descriptor []byte, marker bool) (Info, bool) {
	switch kind {
	case Opus:
		return inspectOpus(payload)
	case RED:
		return inspectRED(payload)
	case VP8:
		return inspectVP8(payload, marker)
	case VP9:
		return inspectVP9(payload)
	case AV1:
		return inspectAV1(payload, descriptor, marker)
	case H264:
		return inspectH264(payload, marker)
	case H265:
		return inspectH265(payload, marker)
	}
	return Info{}, false
}
