package codec

import (
	"bytes"
	"testing"
)

// fuzzKind inspects anything: no panic, nothing written, and answers that hold
// together.
func fuzzKind(f *testing.F, kind Kind, seeds ...[]byte) {
	for _, seed := range seeds {
		f.Add(seed, []byte{0xc0, 0x00, 0x01, 0x80}, true)
		f.Add(seed, []byte(nil), false)
	}
	f.Fuzz(func(t *testing.T, payload, descriptor []byte, marker bool) {
		before := bytes.Clone(payload)
		info, ok := Inspect(kind, payload, descriptor, marker)
		if !bytes.Equal(before, payload) {
			t.Fatal("the payload was changed")
		}
		if !ok {
			if info != (Info{}) {
				t.Fatalf("bad, and yet %+v", info)
			}
			return
		}
		if info.Keyframe && (!info.FrameStart || !info.SwitchUp) {
			t.Fatalf("a key frame that does not start or may not be joined: %+v", info)
		}
		if info.Temporal > 7 || info.Spatial > 7 || int(info.DescriptorSize) > len(payload) {
			t.Fatalf("impossible: %+v", info)
		}
		if kind != VP8 && kind != VP9 {
			return
		}
		SizeVP8(payload, info)
		if _, layers := SizesVP9(payload, info); kind == VP9 && layers > maxVP9Layers {
			t.Fatalf("%d layers", layers)
		}
		PatchPicture(kind, payload, info, info.PictureID, info.TL0PICIDX)
		if !bytes.Equal(before, payload) {
			t.Fatalf("writing the same numbers changed %x to %x", before, payload)
		}
		PatchPicture(kind, payload, info, ^info.PictureID, ^info.TL0PICIDX)
		after, ok := Inspect(kind, payload, descriptor, marker)
		if !ok || after.DescriptorSize != info.DescriptorSize || after.Keyframe != info.Keyframe || after.Temporal != info.Temporal {
			t.Fatalf("other numbers made %+v of %+v", after, info)
		}
	})
}

func FuzzVP8(f *testing.F) {
	fuzzKind(f, VP8, []byte{0xb0, 0xf0, 0xff, 0xfe, 0x80, 0xb3, 0x01}, []byte{0x10, 0x00, 0x9d, 0x01, 0x2a}, []byte{0x90, 0x80, 0x7f, 0x01})
}

func FuzzVP9(f *testing.F) {
	fuzzKind(f, VP9, []byte{0xe8, 0x81, 0x02, 0x35, 0x07, 0x00}, []byte{0xf4, 0x05, 0xe0, 0x03, 0x05, 0x06, 0x00},
		[]byte{0x0a, 0x38, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 0x02, 0x04, 0x01, 0x28, 0x01, 0x02, 0x00})
}

func FuzzH264(f *testing.F) {
	fuzzKind(f, H264, []byte{0x78, 0x00, 0x02, 0x67, 0x42, 0x00, 0x01, 0x68, 0x00, 0x02, 0x65, 0x88}, []byte{0x7c, 0x85, 0x88}, []byte{0x41, 0x9a})
}

func FuzzH265(f *testing.F) {
	fuzzKind(f, H265, []byte{0x60, 0x01, 0x00, 0x03, 0x40, 0x01, 0x0c, 0x00, 0x03, 0x26, 0x01, 0xaf}, []byte{0x62, 0x01, 0x93, 0xaf})
}

func FuzzAV1(f *testing.F) {
	fuzzKind(f, AV1, []byte{0x08, 0x02, 0x08, 0x00, 0x01, 0x30}, []byte{0x10, 0x30, 0x00}, []byte{0x90, 0x08})
}

func FuzzRED(f *testing.F) {
	fuzzKind(f, RED, []byte{0xef, 0x0f, 0x00, 0x02, 0x6f, 1, 2, 3}, []byte{0x6f, 0x78}, nil)
}

var samples = []struct {
	kind       Kind
	payload    []byte
	descriptor []byte
}{
	{Opus, []byte{0x78, 0x01}, nil},
	{RED, []byte{0xef, 0x0f, 0x00, 0x02, 0x6f, 1, 2, 3}, nil},
	{VP8, []byte{0xb0, 0xf0, 0xff, 0xfe, 0x80, 0xb3, 0x01}, nil},
	{VP9, []byte{0xf4, 0x05, 0xe0, 0x03, 0x05, 0x06, 0x00}, nil},
	{H264, []byte{0x78, 0x00, 0x02, 0x67, 0x42, 0x00, 0x01, 0x68, 0x00, 0x02, 0x65, 0x88}, nil},
	{H265, []byte{0x62, 0x01, 0x93, 0xaf}, nil},
	{AV1, []byte{0x10, 0x30, 0x00}, []byte{0x80, 0x00, 0x01}},
}

func TestInspectAllocatesNothing(t *testing.T) {
	for _, s := range samples {
		payload := bytes.Clone(s.payload)
		if n := testing.AllocsPerRun(100, func() {
			info, ok := Inspect(s.kind, payload, s.descriptor, true)
			if !ok {
				t.Fatal("bad sample")
			}
			PatchPicture(s.kind, payload, info, 5, 5)
		}); n != 0 {
			t.Errorf("%v: %v allocations", s.kind, n)
		}
	}
}

func BenchmarkInspect(b *testing.B) {
	for _, s := range samples {
		b.Run(s.kind.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := Inspect(s.kind, s.payload, s.descriptor, true); !ok {
					b.Fatal("bad sample")
				}
			}
		})
	}
}
