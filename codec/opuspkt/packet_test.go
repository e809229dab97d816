package opuspkt

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// RFC 6716 table 2: what each of the 32 configurations means.
func TestTOC(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		first     int
		mode      Mode
		bandwidth Bandwidth
		durations []time.Duration
	}{
		{0, SILK, Narrowband, []time.Duration{10 * ms, 20 * ms, 40 * ms, 60 * ms}},
		{4, SILK, Mediumband, []time.Duration{10 * ms, 20 * ms, 40 * ms, 60 * ms}},
		{8, SILK, Wideband, []time.Duration{10 * ms, 20 * ms, 40 * ms, 60 * ms}},
		{12, Hybrid, Superwideband, []time.Duration{10 * ms, 20 * ms}},
		{14, Hybrid, Fullband, []time.Duration{10 * ms, 20 * ms}},
		{16, CELT, Narrowband, []time.Duration{ms * 5 / 2, 5 * ms, 10 * ms, 20 * ms}},
		{20, CELT, Wideband, []time.Duration{ms * 5 / 2, 5 * ms, 10 * ms, 20 * ms}},
		{24, CELT, Superwideband, []time.Duration{ms * 5 / 2, 5 * ms, 10 * ms, 20 * ms}},
		{28, CELT, Fullband, []time.Duration{ms * 5 / 2, 5 * ms, 10 * ms, 20 * ms}},
	}
	seen := 0
	for _, test := range tests {
		for i, d := range test.durations {
			for low := range 8 {
				toc := TOC((test.first+i)<<3 | low)
				if toc.Config() != test.first+i || toc.Mode() != test.mode || toc.Bandwidth() != test.bandwidth ||
					toc.FrameDuration() != d || toc.Stereo() != (low >= 4) || toc.Code() != low%4 {
					t.Errorf("TOC %08b: config %d, mode %d, %s, %v, stereo %v, code %d", toc,
						toc.Config(), toc.Mode(), toc.Bandwidth(), toc.FrameDuration(), toc.Stereo(), toc.Code())
				}
				seen++
			}
		}
	}
	if seen != 256 {
		t.Errorf("%d of 256 bytes were looked at", seen)
	}
	if Samples(20*ms) != 960 || Samples(ms*5/2) != 120 {
		t.Error("the RTP clock is 48 kHz")
	}
}

const (
	silk20 = 1 << 3 // narrowband, 20 ms
	celt20 = 31 << 3
)

func zeros(n int) []byte { return make([]byte, n) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestParse: the rules of RFC 6716 §3.4 by number, each kept and broken.
func TestParse(t *testing.T) {
	tests := []struct {
		name    string
		payload []byte
		frames  []int // sizes, nil: refused
		padding int
	}{
		{"R1 one byte", []byte{celt20}, []int{0}, 0},
		{"R2 longest frame", join([]byte{celt20}, zeros(1275)), []int{1275}, 0},
		{"R2 longer", join([]byte{celt20}, zeros(1276)), nil, 0},
		{"R2 longer, code 1", join([]byte{celt20 | 1}, zeros(2552)), nil, 0},
		{"R2 longer, code 2", join([]byte{celt20 | 2, 1}, zeros(1277)), nil, 0},
		{"R2 longer, code 3", join([]byte{celt20 | 3, 1}, zeros(1276)), nil, 0},
		{"R3 even", []byte{celt20 | 1, 1, 2, 3, 4}, []int{2, 2}, 0},
		{"R3 nothing", []byte{celt20 | 1}, []int{0, 0}, 0},
		{"R3 odd", []byte{celt20 | 1, 1, 2, 3}, nil, 0},
		{"R4 no size", []byte{celt20 | 2}, nil, 0},
		{"R4 half a size", []byte{celt20 | 2, 252}, nil, 0},
		{"R4 too large", []byte{celt20 | 2, 3, 1, 2}, nil, 0},
		{"R4 all in the first", []byte{celt20 | 2, 2, 1, 2}, []int{2, 0}, 0},
		{"R4 both", []byte{celt20 | 2, 1, 1, 2}, []int{1, 1}, 0},
		{"two byte size", join([]byte{celt20 | 2, 253, 2}, zeros(262)), []int{261, 1}, 0},
		{"R5 none", []byte{celt20 | 3, 0}, nil, 0},
		{"R5 120 ms", []byte{celt20 | 3, 6}, []int{0, 0, 0, 0, 0, 0}, 0},
		{"R5 140 ms", []byte{celt20 | 3, 7}, nil, 0},
		{"R5 48 of 2.5 ms", []byte{16<<3 | 3, 48}, zeroSizes(48), 0},
		{"R5 49", []byte{16<<3 | 3, 49}, nil, 0},
		{"R6 no count", []byte{celt20 | 3}, nil, 0},
		{"R6 divisible", []byte{celt20 | 3, 3, 1, 2, 3}, []int{1, 1, 1}, 0},
		{"R6 indivisible", []byte{celt20 | 3, 3, 1, 2, 3, 4}, nil, 0},
		{"R6 padding", []byte{celt20 | 3, 0x42, 2, 1, 2, 0, 0}, []int{1, 1}, 2},
		{"R6 padding of none", []byte{celt20 | 3, 0x42, 0, 1, 2}, []int{1, 1}, 0},
		{"R6 much padding", join([]byte{celt20 | 3, 0x41, 255, 3, 9}, zeros(257)), []int{1}, 257},
		{"R6 too much padding", []byte{celt20 | 3, 0x42, 3, 1, 2}, nil, 0},
		{"R6 unending padding", []byte{celt20 | 3, 0x42, 255, 255}, nil, 0},
		{"R7 sizes", []byte{celt20 | 3, 0x83, 1, 2, 1, 2, 3, 4}, []int{1, 2, 1}, 0},
		{"R7 sizes and padding", []byte{celt20 | 3, 0xc3, 1, 1, 2, 1, 2, 3, 4, 0}, []int{1, 2, 1}, 1},
		{"R7 too large", []byte{celt20 | 3, 0x83, 1, 9, 1, 2, 3, 4}, nil, 0},
		{"R7 no sizes", []byte{celt20 | 3, 0x83, 0}, nil, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := Parse(test.payload)
			if test.frames == nil {
				if !errors.Is(err, ErrMalformed) || p.Count() != 0 {
					t.Fatalf("got %d frames, %v", p.Count(), err)
				}
				return
			}
			if err != nil || p.Count() != len(test.frames) || len(p.Padding()) != test.padding {
				t.Fatalf("got %d frames, %d padding, %v", p.Count(), len(p.Padding()), err)
			}
			for i, size := range test.frames {
				if len(p.Frame(i)) != size {
					t.Errorf("frame %d has %d bytes, want %d", i, len(p.Frame(i)), size)
				}
			}
			if want := time.Duration(len(test.frames)) * p.TOC.FrameDuration(); Duration(test.payload) != want {
				t.Errorf("lasts %v, want %v", Duration(test.payload), want)
			}
		})
	}
	// R1; browsers send empty payloads.
	if _, err := Parse(nil); !errors.Is(err, ErrEmpty) || Duration(nil) != 0 {
		t.Errorf("an empty payload: %v", err)
	}
}

func zeroSizes(n int) []int { return make([]int, n) }

func TestSilent(t *testing.T) {
	for payload, want := range map[string]bool{
		"\x08": true, "\x08\x00": true, "\x08\x00\x00": false,
		"\x0b\x03": true, "\x0b\x83\x01\x01\xff\xff\xff": true, "\x0b\x83\x01\x02\xff\xff\xff\xff": false,
	} {
		p, err := Parse([]byte(payload))
		if err != nil || p.Silent() != want {
			t.Errorf("%x: silent %v, %v", payload, p.Silent(), err)
		}
	}
}

// The flags as RFC 6716 §4.2.3 orders them.
func TestLBRR(t *testing.T) {
	const (
		nb20, nb40, nb60 = 1 << 3, 2 << 3, 3 << 3
		nb10, hybrid     = 0, 13 << 3
		stereo           = 4
	)
	tests := []struct {
		toc, first byte
		want       bool
	}{
		{nb10, 0b0100_0000, true}, {nb10, 0b1011_1111, false},
		{nb20, 0b0100_0000, true}, {nb20, 0b1011_1111, false},
		{nb40, 0b0010_0000, true}, {nb40, 0b1101_1111, false},
		{nb60, 0b0001_0000, true}, {nb60, 0b1110_1111, false},
		{hybrid, 0b0100_0000, true}, {hybrid, 0b1011_1111, false},
		{nb20 | stereo, 0b0001_0000, true}, {nb20 | stereo, 0b1010_1111, false},
		{nb40 | stereo, 0b0000_0100, true}, {nb40 | stereo, 0b1101_1011, false},
		{nb60 | stereo, 0b0000_0001, true}, {nb60 | stereo, 0b1110_1110, false},
		{celt20, 0b1111_1111, false},
	}
	for _, test := range tests {
		p, err := Parse([]byte{test.toc, test.first, 0})
		if err != nil || p.LBRR() != test.want {
			t.Errorf("TOC %08b, %08b: %v, %v", test.toc, test.first, p.LBRR(), err)
		}
	}
	if p, _ := Parse([]byte{nb20}); p.LBRR() {
		t.Error("LBRR in an empty frame")
	}
}
