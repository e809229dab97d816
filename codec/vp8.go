package codec

// inspectVP8 reads the payload descriptor of RFC 7741 §4.2 and, in a frame's
// first packet, the P bit of the payload header (§4.3).
//
//	      0 1 2 3 4 5 6 7
//	     |X|R|N|S|R| PID |   required
//	X:   |I|L|T|K| RSV   |
//	I:   |M| PictureID   |   7 bits, or with M 15 bits in two bytes
//	     |   PictureID   |
//	L:   |   TL0PICIDX   |
//	T/K: |TID|Y| KEYIDX  |
func inspectVP8(payload []byte, marker bool) (Info, bool) {
	if len(payload) < 1 {
		return Info{}, false
	}
	first := payload[0]
	info := Info{
		Discardable: first&0x20 != 0,
		FrameStart:  first&0x10 != 0 && first&0x07 == 0, // S=1 and PID=0, §4.2
		FrameEnd:    marker,
	}
	size := 1
	if first&0x80 != 0 {
		var ok bool
		if size, ok = info.readVP8Extension(payload); !ok {
			return Info{}, false
		}
	}
	// A descriptor with nothing behind it carries no picture.
	if len(payload) <= size {
		return Info{}, false
	}
	info.DescriptorSize = uint8(size)
	if info.FrameStart && payload[size]&0x01 == 0 { // §4.3: P=0 is a key frame
		info.Keyframe = true
		info.SwitchUp = true
	}
	return info, true
}

// readVP8Extension reads the optional part of the descriptor and answers the
// length of the whole descriptor, 2 to 6 bytes.
func (i *Info) readVP8Extension(payload []byte) (size int, ok bool) {
	if len(payload) < 2 {
		return 0, false
	}
	flags := payload[1]
	size = 2
	if flags&0x80 != 0 {
		if len(payload) < size+1 {
			return 0, false
		}
		i.HasPictureID = true
		i.PictureID = uint16(payload[size] & 0x7f)
		i.LongPictureID = payload[size]&0x80 != 0
		size++
		if i.LongPictureID {
			if len(payload) < size+1 {
				return 0, false
			}
			i.PictureID = i.PictureID<<8 | uint16(payload[size])
			size++
		}
	}
	if flags&0x40 != 0 {
		if len(payload) < size+1 {
			return 0, false
		}
		i.HasTL0PICIDX = true
		i.TL0PICIDX = payload[size]
		size++
	}
	if flags&0x30 == 0 {
		return size, true
	}
	if len(payload) < size+1 {
		return 0, false
	}
	// §4.2: the TID and Y fields are meaningful with T only, KEYIDX with K only.
	if flags&0x20 != 0 {
		i.Temporal = payload[size] >> 6
		i.SwitchUp = payload[size]&0x20 != 0
	}
	if flags&0x10 != 0 {
		i.HasKeyIndex = true
		i.KeyIndex = payload[size] & 0x1f
	}
	return size + 1, true
}

// SizeVP8 answers the size of the picture that a key frame's first payload
// begins, which Inspect must have accepted: the frame tag, the start code, and
// 14 bits each of width and height (RFC 6386 §9.1).
func SizeVP8(payload []byte, info Info) (Size, bool) {
	b := payload[min(int(info.DescriptorSize), len(payload)):]
	if !info.Keyframe || len(b) < 10 || b[3] != 0x9d || b[4] != 0x01 || b[5] != 0x2a {
		return Size{}, false
	}
	return Size{
		Width:  (uint16(b[7])<<8 | uint16(b[6])) & 0x3fff,
		Height: (uint16(b[9])<<8 | uint16(b[8])) & 0x3fff,
	}, true
}
