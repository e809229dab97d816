package codec

// PatchPicture writes another picture id and TL0PICIDX into the payload
// descriptor of VP8 or VP9 that info was read from, in place. The form, and so
// the length, stays: a 7-bit picture id takes the low 7 bits of pictureID, a
// 15-bit one the low 15, and a field that the descriptor does not have is not
// written. A payload too short for info is left alone, and so is one of any
// other kind.
func PatchPicture(kind Kind, payload []byte, info Info, pictureID uint16, tl0 uint8) {
	at := 2 // VP8: behind the required byte and the one that X announces
	layers := 0
	switch kind {
	case VP9:
		at = 1
		layers = 1
	case VP8:
	default:
		return
	}
	if len(payload) < int(info.DescriptorSize) || int(info.DescriptorSize) < at {
		return
	}
	switch {
	case info.HasPictureID && info.LongPictureID:
		if len(payload) < at+2 {
			return
		}
		payload[at] = 0x80 | uint8(pictureID>>8)
		payload[at+1] = uint8(pictureID)
		at += 2
	case info.HasPictureID:
		if len(payload) < at+1 {
			return
		}
		payload[at] = uint8(pictureID) & 0x7f
		at++
	}
	if at += layers; info.HasTL0PICIDX && len(payload) > at {
		payload[at] = tl0
	}
}
