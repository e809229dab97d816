package opuspkt

// extension is one extension of draft-ietf-mlcodec-opus-extension, whose wire
// form is a byte of id (7 bits) and a flag L, then:
//
//	id 0        L=1 one byte of padding, L=0 the rest is padding
//	id 1        what follows is of the next frame (L=0) or of that many on (L=1, a byte)
//	id 2        repeats extensions for other frames: not understood here
//	id 3-31     no data (L=0) or one byte (L=1)
//	id 32-127   data up to the end (L=0), or its size in bytes of which 255 continue (L=1)
type extension struct {
	frame int
	id    byte
	data  []byte
}

const (
	idPadding   = 0
	idSeparator = 1
	idRepeat    = 2
	idLong      = 32 // and above
)

// extensions walks through a padding.
type extensions struct {
	rest  []byte
	frame int
	bad   bool
}

// next answers the next extension, or false at the end and where the padding is
// not understood, which sets bad.
func (w *extensions) next() (extension, bool) {
	for len(w.rest) > 0 && !w.bad {
		id, flag := w.rest[0]>>1, w.rest[0]&1
		w.rest = w.rest[1:]
		switch {
		case id == idPadding:
			if flag == 0 {
				w.rest = nil
			}
		case id == idRepeat:
			w.bad = true
		case id == idSeparator:
			step := 1
			if data, ok := w.take(int(flag)); ok && flag == 1 {
				step = int(data[0])
			}
			w.frame += step
		case id < idLong:
			data, ok := w.take(int(flag))
			return extension{w.frame, id, data}, ok
		case flag == 0:
			data, ok := w.take(len(w.rest))
			return extension{w.frame, id, data}, ok
		default:
			data, ok := w.take(w.size())
			return extension{w.frame, id, data}, ok
		}
	}
	return extension{}, false
}

// size reads the size of a long extension; one that no padding can hold is left
// for take to refuse.
func (w *extensions) size() (n int) {
	for {
		part, ok := w.take(1)
		if !ok {
			return 0
		}
		n += int(part[0])
		if part[0] != 255 {
			return n
		}
	}
}

func (w *extensions) take(n int) ([]byte, bool) {
	if w.bad || n > len(w.rest) {
		w.bad = true
		return nil, false
	}
	data := w.rest[:n]
	w.rest = w.rest[n:]
	return data, true
}

// carry says whether the extensions of a padding can go with their frames.
func carry(padding []byte) bool {
	w := extensions{rest: padding}
	for {
		if _, more := w.next(); !more {
			return !w.bad
		}
	}
}

// source is a padding whose frames from and up to (not including) to stand in a
// merged packet from place on.
type source struct {
	padding         []byte
	from, to, place int
}

// writer appends extensions, or only counts their bytes if dry.
type writer struct {
	dry   bool
	out   []byte
	size  int
	frame int
}

func (w *writer) put(b ...byte) {
	w.size += len(b)
	if !w.dry {
		w.out = append(w.out, b...)
	}
}

// add writes the extensions of a source for the frames where they are now.
func (w *writer) add(s source) {
	walk := extensions{rest: s.padding}
	for {
		e, more := walk.next()
		if !more {
			return
		}
		if e.frame < s.from || e.frame >= s.to {
			continue
		}
		frame := s.place + e.frame - s.from
		switch step := frame - w.frame; {
		case step == 1:
			w.put(idSeparator << 1)
		case step > 1:
			w.put(idSeparator<<1|1, byte(step))
		}
		w.frame = frame
		if e.id < idLong {
			w.put(e.id<<1 | byte(len(e.data)))
		} else {
			// Something may follow now: with its size, never up to the end.
			w.put(e.id<<1 | 1)
			size := len(e.data)
			for ; size >= 255; size -= 255 {
				w.put(255)
			}
			w.put(byte(size))
		}
		w.put(e.data...)
	}
}
