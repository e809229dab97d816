package codec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// payload is one hand-made payload and what it tells.
type payload struct {
	name       string
	bytes      []byte
	descriptor []byte
	marker     bool
	want       Info
	bad        bool
}

func checkPayloads(t *testing.T, kind Kind, payloads []payload) {
	t.Helper()
	for _, p := range payloads {
		got, ok := Inspect(kind, p.bytes, p.descriptor, p.marker)
		if ok == p.bad {
			t.Errorf("%v %s: ok %v, want %v", kind, p.name, ok, !p.bad)
		}
		if diff := cmp.Diff(p.want, got); diff != "" {
			t.Errorf("%v %s (-want +got):\n%s", kind, p.name, diff)
		}
	}
}

func TestVP8(t *testing.T) {
	checkPayloads(t, VP8, []payload{
		{name: "empty", bad: true},
		{name: "descriptor only, RFC 7741 §4.2", bytes: []byte{0x10}, bad: true},
		{
			name:  "key frame, §4.3 P=0",
			bytes: []byte{0x10, 0x00, 0x00, 0x00, 0x9d, 0x01, 0x2a}, marker: true,
			want: Info{Keyframe: true, FrameStart: true, FrameEnd: true, SwitchUp: true, DescriptorSize: 1},
		},
		{
			name:  "delta frame, §4.3 P=1",
			bytes: []byte{0x10, 0x01},
			want:  Info{FrameStart: true, DescriptorSize: 1},
		},
		{
			name:  "second packet: its first byte is no payload header",
			bytes: []byte{0x00, 0x00}, marker: true,
			want: Info{FrameEnd: true, DescriptorSize: 1},
		},
		{
			name:  "second partition: S=1 but PID=1 is no frame start",
			bytes: []byte{0x11, 0x00},
			want:  Info{DescriptorSize: 1},
		},
		{
			name:  "N: no frame refers to it",
			bytes: []byte{0x30, 0x01},
			want:  Info{FrameStart: true, Discardable: true, DescriptorSize: 1},
		},
		{
			name:  "7-bit picture id",
			bytes: []byte{0x90, 0x80, 0x7f, 0x01},
			want:  Info{FrameStart: true, HasPictureID: true, PictureID: 127, DescriptorSize: 3},
		},
		{
			name:  "all fields: 15-bit picture id, TL0PICIDX, TID 2, Y, KEYIDX 19",
			bytes: []byte{0xb0, 0xf0, 0xff, 0xfe, 0x80, 0xb3, 0x01},
			want: Info{
				FrameStart: true, Discardable: true, SwitchUp: true, Temporal: 2,
				HasPictureID: true, LongPictureID: true, PictureID: 0x7ffe,
				HasTL0PICIDX: true, TL0PICIDX: 0x80, HasKeyIndex: true, KeyIndex: 19, DescriptorSize: 6,
			},
		},
		{
			name:  "KEYIDX without TID: TID and Y are to be ignored",
			bytes: []byte{0x90, 0x10, 0xe5, 0x01},
			want:  Info{FrameStart: true, HasKeyIndex: true, KeyIndex: 5, DescriptorSize: 3},
		},
		{
			name:  "TID without KEYIDX",
			bytes: []byte{0x90, 0x20, 0x5f, 0x01},
			want:  Info{FrameStart: true, Temporal: 1, DescriptorSize: 3},
		},
		{name: "X without its byte", bytes: []byte{0x90}, bad: true},
		{name: "I without its byte", bytes: []byte{0x90, 0x80}, bad: true},
		{name: "M without its second byte", bytes: []byte{0x90, 0x80, 0x81}, bad: true},
		{name: "L without its byte", bytes: []byte{0x90, 0x40}, bad: true},
		{name: "T without its byte", bytes: []byte{0x90, 0x20}, bad: true},
		{name: "nothing behind a full descriptor", bytes: []byte{0x90, 0xf0, 0x80, 0x01, 0x02, 0x03}, bad: true},
	})
}

func TestVP9(t *testing.T) {
	checkPayloads(t, VP9, []payload{
		{name: "empty", bad: true},
		{name: "descriptor only, RFC 9628 §4.2", bytes: []byte{0x08}, bad: true},
		{
			name:  "key frame without layers: P=0, B, E",
			bytes: []byte{0x0c, 0x00},
			want:  Info{Keyframe: true, FrameStart: true, FrameEnd: true, SwitchUp: true, DescriptorSize: 1},
		},
		{
			name:  "predicted",
			bytes: []byte{0x48, 0x00},
			want:  Info{FrameStart: true, Predicted: true, DescriptorSize: 1},
		},
		{
			name:  "second packet of a key frame",
			bytes: []byte{0x04, 0x00},
			want:  Info{FrameEnd: true, DescriptorSize: 1},
		},
		{
			name:  "non-flexible: 15-bit picture id, TID 1, U, SID 2, D, TL0PICIDX",
			bytes: []byte{0xe8, 0x81, 0x02, 0x35, 0x07, 0x00},
			want: Info{
				FrameStart: true, SwitchUp: true, Temporal: 1, Spatial: 2, Predicted: true, Dependent: true,
				HasPictureID: true, LongPictureID: true, PictureID: 0x102, HasTL0PICIDX: true, TL0PICIDX: 7, DescriptorSize: 5,
			},
		},
		{
			name:  "flexible: 7-bit picture id, TID 7, SID 0, three P_DIFF",
			bytes: []byte{0xf4, 0x05, 0xe0, 0x03, 0x05, 0x06, 0x00},
			want: Info{
				FrameEnd: true, Temporal: 7, Predicted: true, Flexible: true, References: 3, Distances: [3]uint8{1, 2, 3},
				HasPictureID: true, PictureID: 5, DescriptorSize: 6,
			},
		},
		{
			name:  "upper spatial layer of a key picture is no key frame (P=0, SID 1)",
			bytes: []byte{0x2c, 0x02, 0x07, 0x00},
			want: Info{
				FrameStart: true, FrameEnd: true, Spatial: 1, HasTL0PICIDX: true, TL0PICIDX: 7, DescriptorSize: 3,
			},
		},
		{
			name: "§4.2.1 scalability structure: two layers with sizes, two pictures",
			bytes: []byte{
				0x0a, 0x38, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68,
				0x02, 0x04, 0x01, 0x28, 0x01, 0x02, 0x00,
			},
			want: Info{Keyframe: true, FrameStart: true, SwitchUp: true, DescriptorSize: 16},
		},
		{
			name:  "structure without sizes and pictures",
			bytes: []byte{0x0a, 0x00, 0x00},
			want:  Info{Keyframe: true, FrameStart: true, SwitchUp: true, DescriptorSize: 2},
		},
		{name: "I without its byte", bytes: []byte{0x88}, bad: true},
		{name: "M without its second byte", bytes: []byte{0x88, 0x80}, bad: true},
		{name: "L without TL0PICIDX in non-flexible mode", bytes: []byte{0x28, 0x00}, bad: true},
		{name: "no P_DIFF", bytes: []byte{0x58}, bad: true},
		{name: "P_DIFF cut off", bytes: []byte{0x58, 0x01, 0x01}, bad: true},
		{name: "a fourth P_DIFF", bytes: []byte{0x58, 0x01, 0x01, 0x01, 0x00, 0x00}, bad: true},
		{name: "no structure", bytes: []byte{0x0a}, bad: true},
		{name: "structure: sizes cut off", bytes: []byte{0x0a, 0x10, 0, 0, 0}, bad: true},
		{name: "structure: number of pictures cut off", bytes: []byte{0x0a, 0x08}, bad: true},
		{name: "structure: pictures cut off", bytes: []byte{0x0a, 0x08, 0x02, 0x00}, bad: true},
		{name: "structure: references cut off", bytes: []byte{0x0a, 0x08, 0x01, 0x0c, 0x00}, bad: true},
	})
}

func TestH264(t *testing.T) {
	key := Info{Keyframe: true, FrameStart: true, SwitchUp: true}
	parameters := Info{Keyframe: true, FrameStart: true, SwitchUp: true, Parameters: true}
	checkPayloads(t, H264, []payload{
		{name: "empty", bad: true},
		{name: "single SPS, RFC 6184 §5.6", bytes: []byte{0x67, 0x42, 0x00}, want: parameters},
		{name: "single PPS", bytes: []byte{0x68, 0xce}, want: Info{FrameStart: true}},
		{name: "delimiter", bytes: []byte{0x09, 0xf0}, want: Info{FrameStart: true}},
		{name: "single IDR slice, first macroblock 0", bytes: []byte{0x65, 0x88}, want: key},
		{name: "single IDR slice, later macroblock", bytes: []byte{0x65, 0x48}},
		{name: "slice", bytes: []byte{0x41, 0x9a}, marker: true, want: Info{FrameStart: true, FrameEnd: true}},
		{name: "slice with nal_ref_idc 0, §5.3", bytes: []byte{0x01, 0x9a}, want: Info{FrameStart: true, Discardable: true}},
		{name: "end of sequence is one byte", bytes: []byte{0x0a}},
		{
			name:  "STAP-A of SPS, PPS and IDR, §5.7.1",
			bytes: []byte{0x78, 0x00, 0x02, 0x67, 0x42, 0x00, 0x01, 0x68, 0x00, 0x02, 0x65, 0x88},
			want:  parameters,
		},
		{name: "STAP-A of two slices", bytes: []byte{0x58, 0x00, 0x02, 0x41, 0x9a, 0x00, 0x02, 0x41, 0x4a}, want: Info{FrameStart: true}},
		{name: "FU-A, start of an IDR slice, §5.8", bytes: []byte{0x7c, 0x85, 0x88}, want: key},
		{name: "FU-A, middle of it", bytes: []byte{0x7c, 0x05, 0x88}},
		{name: "FU-A, end of it", bytes: []byte{0x7c, 0x45, 0x88}, marker: true, want: Info{FrameEnd: true}},
		{name: "FU-A, start of a later slice", bytes: []byte{0x5c, 0x81, 0x48}},
		{name: "FU-A of what nothing refers to", bytes: []byte{0x1c, 0x81, 0x88}, want: Info{FrameStart: true, Discardable: true}},
		{name: "STAP-A without units", bytes: []byte{0x78}, bad: true},
		{name: "STAP-A, half a size", bytes: []byte{0x78, 0x00}, bad: true},
		{name: "STAP-A, unit of size 0", bytes: []byte{0x78, 0x00, 0x00}, bad: true},
		{name: "STAP-A, unit cut off", bytes: []byte{0x78, 0x00, 0x03, 0x67, 0x42}, bad: true},
		{name: "FU-A without body", bytes: []byte{0x7c, 0x85}, bad: true},
		{name: "interleaved mode, RFC 7742 §6.2", bytes: []byte{0x79, 0, 0, 0, 1, 0x65}, bad: true},
		{name: "FU-B", bytes: []byte{0x7d, 0x85, 0, 0, 0x88}, bad: true},
		{name: "type 0", bytes: []byte{0x60, 0x88}, bad: true},
		{name: "type 31", bytes: []byte{0x7f, 0x88}, bad: true},
	})
}

func TestH265(t *testing.T) {
	checkPayloads(t, H265, []payload{
		{name: "empty", bad: true},
		{name: "VPS, RFC 7798 §4.4.1", bytes: []byte{0x40, 0x01, 0x0c}, want: Info{Keyframe: true, FrameStart: true, SwitchUp: true, Parameters: true}},
		{name: "PPS", bytes: []byte{0x44, 0x01, 0xc1}, want: Info{FrameStart: true}},
		{name: "IDR, first slice", bytes: []byte{0x26, 0x01, 0xaf}, want: Info{Keyframe: true, FrameStart: true, SwitchUp: true}},
		{name: "IDR, later slice", bytes: []byte{0x26, 0x01, 0x2f}},
		{name: "TRAIL_R", bytes: []byte{0x02, 0x01, 0xd0}, marker: true, want: Info{FrameStart: true, FrameEnd: true}},
		{name: "TSA_N of temporal layer 1, ITU-T H.265 §7.4.2.2", bytes: []byte{0x04, 0x02, 0xd0}, want: Info{FrameStart: true, SwitchUp: true, Temporal: 1}},
		{
			name:  "aggregate of VPS and IDR, §4.4.2",
			bytes: []byte{0x60, 0x01, 0x00, 0x03, 0x40, 0x01, 0x0c, 0x00, 0x03, 0x26, 0x01, 0xaf},
			want:  Info{Keyframe: true, FrameStart: true, SwitchUp: true, Parameters: true},
		},
		{name: "fragment, start of an IDR, §4.4.3", bytes: []byte{0x62, 0x01, 0x93, 0xaf}, want: Info{Keyframe: true, FrameStart: true, SwitchUp: true}},
		{name: "fragment, middle of a TSA", bytes: []byte{0x62, 0x03, 0x02, 0xaf}, want: Info{Temporal: 2, SwitchUp: true}},
		{name: "TID 0 is forbidden, §1.1.4", bytes: []byte{0x26, 0x00, 0xaf}, bad: true},
		{name: "PACI", bytes: []byte{0x64, 0x01, 0xaf}, bad: true},
		{name: "aggregate without units", bytes: []byte{0x60, 0x01, 0x00}, bad: true},
		{name: "aggregate, unit too small", bytes: []byte{0x60, 0x01, 0x00, 0x02, 0x40, 0x01}, bad: true},
		{name: "aggregate, unit cut off", bytes: []byte{0x60, 0x01, 0x00, 0x04, 0x40, 0x01, 0x0c}, bad: true},
		{name: "fragment without body", bytes: []byte{0x62, 0x01, 0x93}, bad: true},
	})
}

func TestAV1(t *testing.T) {
	key := Info{Keyframe: true, FrameStart: true, SwitchUp: true}
	checkPayloads(t, AV1, []payload{
		{name: "empty", bad: true},
		{name: "aggregation header only, v1.0 §4.4", bytes: []byte{0x10}, bad: true},
		{name: "N and a sequence header, W=1", bytes: []byte{0x18, 0x08, 0x00}, want: key},
		{name: "N and a sequence header with length, W=0", bytes: []byte{0x08, 0x02, 0x08, 0x00, 0x01, 0x30}, want: key},
		{name: "sequence header without N, W=2", bytes: []byte{0x20, 0x02, 0x08, 0x00, 0x30}, want: key},
		{name: "length of two bytes", bytes: []byte{0x20, 0x82, 0x00, 0x08, 0x00, 0x30}, want: key},
		{name: "N, metadata first", bytes: []byte{0x18, 0x28, 0x00}, want: key},
		{name: "frame", bytes: []byte{0x10, 0x30, 0x00}, marker: true, want: Info{FrameStart: true, FrameEnd: true}},
		{name: "frame header", bytes: []byte{0x10, 0x18, 0x00}, want: Info{FrameStart: true}},
		{name: "tile group", bytes: []byte{0x10, 0x20, 0x00}},
		{name: "Z: a continuation begins nothing", bytes: []byte{0x90, 0x08}, marker: true, want: Info{FrameEnd: true}},
		{name: "Z and N exclude each other, §4.4", bytes: []byte{0x98, 0x08}, bad: true},
		{name: "length cut off", bytes: []byte{0x20, 0x82}, bad: true},
		{name: "length beyond the payload", bytes: []byte{0x20, 0x05, 0x08}, bad: true},
		{name: "length 0", bytes: []byte{0x20, 0x00, 0x08}, bad: true},
		{name: "endless length", bytes: []byte{0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, bad: true},
		{name: "obu_forbidden_bit", bytes: []byte{0x10, 0x88}, bad: true},
		{
			name:  "descriptor: start, A.8.2; the payload may be encrypted",
			bytes: []byte{0x10, 0xff}, descriptor: []byte{0x80, 0x00, 0x01}, marker: true,
			want: Info{FrameStart: true},
		},
		{
			name:  "descriptor: end",
			bytes: []byte{0x90, 0xff}, descriptor: []byte{0x41, 0x00, 0x01},
			want: Info{FrameEnd: true},
		},
		{
			name:  "descriptor: start with template structure",
			bytes: []byte{0x10, 0xff}, descriptor: []byte{0xc0, 0x00, 0x01, 0x80, 0x00},
			want: Info{Keyframe: true, FrameStart: true, FrameEnd: true, SwitchUp: true},
		},
		{
			name:  "descriptor: start with active decode targets only",
			bytes: []byte{0x10, 0xff}, descriptor: []byte{0x80, 0x00, 0x01, 0x40, 0x00},
			want: Info{FrameStart: true},
		},
		{
			name:  "descriptor too short to be one: the payload is asked",
			bytes: []byte{0x10, 0x30, 0x00}, descriptor: []byte{0x80, 0x00},
			want: Info{FrameStart: true},
		},
	})
}

func TestSound(t *testing.T) {
	whole := Info{FrameStart: true, FrameEnd: true}
	checkPayloads(t, Opus, []payload{
		{name: "empty padding packet", want: whole},
		{name: "one frame", bytes: []byte{0x78, 0x01}, want: whole},
	})
	checkPayloads(t, RED, []payload{
		{name: "empty padding packet", want: whole},
		{name: "primary only, RFC 2198 §3", bytes: []byte{0x6f, 0x78}, want: whole},
		{name: "one redundant block", bytes: []byte{0xef, 0x0f, 0x00, 0x02, 0x6f, 1, 2, 3}, want: whole},
		{name: "empty primary", bytes: []byte{0xef, 0x0f, 0x00, 0x02, 0x6f, 1, 2}, want: whole},
		{name: "header cut off", bytes: []byte{0xef, 0x0f, 0x00}, bad: true},
		{name: "no last header", bytes: []byte{0xef, 0x0f, 0x00, 0x00}, bad: true},
		{name: "block beyond the payload", bytes: []byte{0xef, 0x0f, 0x03, 0xff, 0x6f, 1}, bad: true},
	})
}

func TestUnknownKinds(t *testing.T) {
	for _, kind := range []Kind{Unknown, RTX, 200} {
		if _, ok := Inspect(kind, []byte{1, 2, 3, 4}, nil, true); ok {
			t.Errorf("%v was understood", kind)
		}
	}
}

func TestKinds(t *testing.T) {
	for name, want := range map[string]Kind{
		"video/VP8": VP8, "VIDEO/vp8": VP8, "audio/opus": Opus, "audio/red": RED, "video/rtx": RTX,
		"video/AV1": AV1, "video/H265": H265, "opus": Unknown, "video/": Unknown, "video/unknown": Unknown, "": Unknown,
	} {
		if got := KindOf(name); got != want {
			t.Errorf("KindOf(%q) is %v, want %v", name, got, want)
		}
	}
	for k := Unknown; k <= RTX; k++ {
		if k.Audio() && (k.Video() || k.ClockRate() != 48000) || k.Video() && k.ClockRate() != 90000 {
			t.Errorf("%v: audio %v, video %v, %d Hz", k, k.Audio(), k.Video(), k.ClockRate())
		}
	}
	if Kind(99).String() != "unknown" {
		t.Error("a kind out of range has a name")
	}
}
