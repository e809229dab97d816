package codec

import (
	"bytes"
	"testing"
)

func TestPatchPicture(t *testing.T) {
	for _, c := range []struct {
		name      string
		in, want  []byte
		pictureID uint16
		tl0       uint8
	}{
		{"15 bits", []byte{0x90, 0xe0, 0x80, 0x01, 0x02, 0x40, 0x01}, []byte{0x90, 0xe0, 0xff, 0xfe, 0x99, 0x40, 0x01}, 0x7ffe, 0x99},
		{"15 bits keep M whatever is given", []byte{0x90, 0x80, 0x80, 0x01, 0x01}, []byte{0x90, 0x80, 0x80, 0x00, 0x01}, 0x8000, 0x99},
		{"7 bits take the low ones", []byte{0x90, 0xc0, 0x05, 0x06, 0x01}, []byte{0x90, 0xc0, 0x01, 0x99, 0x01}, 0x181, 0x99},
		{"no picture id", []byte{0x90, 0x60, 0x06, 0x40, 0x01}, []byte{0x90, 0x60, 0x99, 0x40, 0x01}, 0x181, 0x99},
		{"no TL0PICIDX", []byte{0x90, 0xa0, 0x06, 0x40, 0x01}, []byte{0x90, 0xa0, 0x01, 0x40, 0x01}, 0x181, 0x99},
		{"neither", []byte{0x10, 0x01, 0x02}, []byte{0x10, 0x01, 0x02}, 0x181, 0x99},
	} {
		info, ok := Inspect(VP8, c.in, nil, false)
		if !ok {
			t.Fatalf("%s: the payload is bad", c.name)
		}
		got := bytes.Clone(c.in)
		PatchPicture(VP8, got, info, c.pictureID, c.tl0)
		if !bytes.Equal(got, c.want) {
			t.Errorf("%s: %x, want %x", c.name, got, c.want)
		}
		after, ok := Inspect(VP8, got, nil, false)
		after.PictureID, after.TL0PICIDX = info.PictureID, info.TL0PICIDX
		if !ok || after != info {
			t.Errorf("%s: more than the two fields changed: %+v, was %+v", c.name, after, info)
		}
	}
}

// An Info that belongs to another payload harms nothing beyond the slice.
func TestPatchPictureShortPayload(t *testing.T) {
	long, _ := Inspect(VP8, []byte{0x90, 0xe0, 0x80, 0x01, 0x02, 0x40, 0x01}, nil, false)
	for n := range 6 {
		whole := bytes.Repeat([]byte{0xaa}, 8)
		PatchPicture(VP8, whole[:n:n], long, 1, 2)
		if !bytes.Equal(whole, bytes.Repeat([]byte{0xaa}, 8)) {
			t.Errorf("payload of %d bytes was written to: %x", n, whole)
		}
	}
	forged := Info{HasPictureID: true, LongPictureID: true, HasTL0PICIDX: true, DescriptorSize: 2}
	PatchPicture(VP8, []byte{0, 0}, forged, 1, 2)
	PatchPicture(VP8, []byte{0, 0, 0, 0}, forged, 1, 2)
	forged.LongPictureID = false
	PatchPicture(VP8, []byte{0, 0}, forged, 1, 2)
	PatchPicture(VP8, []byte{0, 0, 0}, forged, 1, 2)
}
