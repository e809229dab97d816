package red

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	long := bytes.Repeat([]byte{7}, MaxLength)
	tests := []struct {
		name    string
		payload []byte
		want    []Block
		primary []byte
		err     error
	}{
		{"empty", nil, nil, nil, ErrEmpty},
		{"nothing but the header", []byte{111}, nil, nil, nil},
		{"primary alone", []byte{111, 1, 2}, nil, []byte{1, 2}, nil},
		{"one block", []byte{0x80 | 111, 0x0f, 0x00, 2, 111, 8, 9, 1}, []Block{{111, 960, []byte{8, 9}}}, []byte{1}, nil},
		{"block of nothing", []byte{0x80 | 111, 0x0f, 0x00, 0, 111, 1}, []Block{{111, 960, nil}}, []byte{1}, nil},
		{"block and no primary", []byte{0x80 | 111, 0x0f, 0x00, 1, 111, 8}, []Block{{111, 960, []byte{8}}}, nil, nil},
		{"the bounds", append([]byte{0xff, 0xff, 0xff, 0xff, 0x7f}, long...), []Block{{127, MaxOffset, long}}, nil, nil},
		{"longer than the payload", []byte{0x80 | 111, 0x0f, 0x00, 3, 111, 8, 9}, nil, nil, ErrMalformed},
		{"absurd length", []byte{0x80 | 111, 0xff, 0xff, 0xff, 111, 8, 9}, nil, nil, ErrMalformed},
		{"half a header", []byte{0x80 | 111, 0x0f, 0x00}, nil, nil, ErrMalformed},
		{"no primary header", []byte{0x80 | 111, 0x0f, 0x00, 0}, nil, nil, ErrMalformed},
		{"headers only", bytes.Repeat([]byte{0x80, 0, 0, 0}, 300), nil, nil, ErrMalformed},
		{"too many blocks", append(bytes.Repeat([]byte{0x80, 4, 0, 0}, MaxRedundant+1), 1), nil, nil, ErrMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := Parse(test.payload)
			if !errors.Is(err, test.err) || !sameBlocks(p.Redundant(), test.want) || !bytes.Equal(p.Primary, test.primary) {
				t.Fatalf("got %v, %x, %v", p.Redundant(), p.Primary, err)
			}
		})
	}
	if p, err := Parse(append(bytes.Repeat([]byte{0x80, 4, 0, 0}, MaxRedundant), 1)); err != nil || len(p.Redundant()) != MaxRedundant {
		t.Errorf("as many blocks as may be: %d, %v", len(p.Redundant()), err)
	}
}

func sameBlocks(a, b []Block) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].PayloadType != b[i].PayloadType || a[i].Offset != b[i].Offset || !bytes.Equal(a[i].Data, b[i].Data) {
			return false
		}
	}
	return true
}

// What is written is read again, but for the blocks that cannot be written.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.OneOf(rapid.IntRange(0, 60), rapid.IntRange(MaxLength-1, MaxLength+1))
		var blocks, fitting []Block
		for range rapid.IntRange(0, MaxRedundant+2).Draw(t, "blocks") {
			b := Block{
				PayloadType: rapid.Uint8Range(0, 127).Draw(t, "type"),
				Offset:      rapid.OneOf(rapid.Uint16(), rapid.Uint16Range(MaxOffset-1, MaxOffset+1)).Draw(t, "offset"),
				Data:        bytes.Repeat([]byte{rapid.Byte().Draw(t, "data")}, sizes.Draw(t, "size")),
			}
			blocks = append(blocks, b)
			if len(blocks) <= MaxRedundant && b.Offset <= MaxOffset && len(b.Data) > 0 && len(b.Data) <= MaxLength {
				fitting = append(fitting, b)
			}
		}
		primary := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "primary")
		out := Append([]byte{5}, 111, primary, blocks...)
		if len(out)-1 != Size(primary, blocks...) || out[0] != 5 {
			t.Fatalf("%d bytes, Size says %d", len(out)-1, Size(primary, blocks...))
		}
		p, err := Parse(out[1:])
		if err != nil || p.PayloadType != 111 || !bytes.Equal(p.Primary, primary) || !sameBlocks(p.Redundant(), fitting) {
			t.Fatalf("%v: %x, %v, want %v", err, p.Primary, p.Redundant(), fitting)
		}
	})
}

func TestSince(t *testing.T) {
	for _, test := range []struct {
		older, newer uint32
		want         uint16
		ok           bool
	}{
		{0, 960, 960, true}, {1<<32 - 480, 480, 960, true}, {0, MaxOffset, MaxOffset, true},
		{0, MaxOffset + 1, 0, false}, {960, 960, 0, false}, {960, 0, 0, false},
	} {
		if got, ok := Since(test.older, test.newer); got != test.want || ok != test.ok {
			t.Errorf("from %d to %d: %d, %v", test.older, test.newer, got, ok)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range [][]byte{
		nil, {111}, {0x80 | 111, 0x0f, 0x00, 2, 111, 8, 9, 1}, {0xff, 0xff, 0xff, 0xff, 0x7f}, bytes.Repeat([]byte{0x80, 0, 0, 0}, 20),
	} {
		f.Add(seed, uint32(0xfffffff0))
	}
	f.Fuzz(func(t *testing.T, payload []byte, timestamp uint32) {
		before := bytes.Clone(payload)
		p, err := Parse(payload)
		var w Window
		frames, again := w.Recover(nil, timestamp, payload)
		if !errors.Is(again, err) || (err != nil && len(frames) > 0) {
			t.Fatalf("%v, %v, %d frames", err, again, len(frames))
		}
		if err != nil {
			return
		}
		if !bytes.Equal(payload, before) {
			t.Fatal("the payload was changed")
		}
		total := 1 + len(p.Primary)
		for _, b := range p.Redundant() {
			total += 4 + len(b.Data)
		}
		if total != len(payload) {
			t.Fatalf("%d bytes of %d are accounted for", total, len(payload))
		}
		for i, frame := range frames {
			if len(frame.Data) == 0 || frame.Redundant == (frame.Timestamp == timestamp) {
				t.Fatalf("frame %d: %+v", i, frame)
			}
		}
		if frames, _ = w.Recover(frames[:0], timestamp, payload); len(frames) > 0 {
			t.Fatalf("the same packet again is new: %+v", frames)
		}
	})
}
