package codec

import (
	"bufio"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// recorded is one packet as Chromium 156 sent it through a server; see
// TestRecordChromium of internal/e2e.
type recorded struct {
	sequence   uint16
	timestamp  uint32
	marker     bool
	descriptor []byte
	payload    []byte // its first bytes, then zeros
}

func readRecording(t *testing.T, name string) (packets []recorded) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "chromium", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), " ")
		if len(fields) != 6 {
			t.Fatalf("%s: %q", name, lines.Text())
		}
		number := func(s string) int {
			n, err := strconv.Atoi(s)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		p := recorded{sequence: uint16(number(fields[0])), timestamp: uint32(number(fields[1])), marker: fields[2] == "1"}
		if p.descriptor, err = hex.DecodeString(fields[3]); err != nil {
			t.Fatal(err)
		}
		head, err := hex.DecodeString(fields[5])
		if err != nil {
			t.Fatal(err)
		}
		p.payload = make([]byte, max(number(fields[4]), len(head)))
		copy(p.payload, head)
		packets = append(packets, p)
	}
	return packets
}

// frameKey names a frame by its picture and spatial layer.
type frameKey struct {
	picture uint16
	spatial uint8
}

// Each recording begins with a key frame and has no hole. What is read of it must
// fit together: frames begin and end, layers are those of the mode, and whatever
// a frame refers to came before it.
func TestChromium(t *testing.T) {
	for _, c := range []struct {
		name                string
		kind                Kind
		spatials, temporals int
	}{
		{"vp8-simulcast", VP8, 1, 3},
		{"vp9-l3t3", VP9, 3, 3},
		{"vp9-l3t3key", VP9, 3, 3},
		{"av1-l3t3", AV1, 3, 3},
		{"av1-l3t3key", AV1, 3, 3},
		{"av1-l1t2", AV1, 1, 2},
		{"h264-l1t2", H264, 1, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := reading{t: t, kind: c.kind, pictures: map[frameKey]bool{}, frames: map[uint16]bool{}}
			for i, p := range readRecording(t, c.name) {
				r.read(i, p)
			}
			if r.spatials != 1<<c.spatials-1 || r.temporals != 1<<c.temporals-1 {
				t.Errorf("spatial layers %b, temporal layers %b; want %d and %d of them", r.spatials, r.temporals, c.spatials, c.temporals)
			}
			if r.whole < 20 {
				t.Errorf("only %d frames", r.whole)
			}
			if c.kind == H264 && r.discardable < r.whole/3 {
				t.Errorf("%d of %d frames are discardable, want every other one", r.discardable, r.whole)
			}
		})
	}
}

// reading follows one recording.
type reading struct {
	t                   *testing.T
	kind                Kind
	descriptors         Descriptors
	pictures            map[frameKey]bool // VP9
	frames              map[uint16]bool   // by the number of the descriptor
	open                bool              // a frame has begun and not ended
	timestamp           uint32
	whole, discardable  int
	spatials, temporals int // bits
}

func (r *reading) read(i int, p recorded) {
	r.t.Helper()
	info, ok := Inspect(r.kind, p.payload, p.descriptor, p.marker)
	if !ok {
		r.t.Fatalf("packet %d cannot be read", i)
	}
	r.readDescriptor(i, p, &info)
	if i == 0 && !info.Keyframe {
		r.t.Fatal("the first packet begins no key frame")
	}
	if info.Keyframe && i > 0 && p.timestamp == r.timestamp && !r.open {
		r.t.Fatalf("packet %d: a second key frame in one picture", i)
	}
	if r.open == info.FrameStart && (r.kind != H264 || !r.open) {
		r.t.Fatalf("packet %d: frame open %v, begins %v", i, r.open, info.FrameStart)
	}
	if info.FrameStart && !r.open && info.Discardable {
		r.discardable++
	}
	r.open = !info.FrameEnd
	r.timestamp = p.timestamp
	if info.FrameEnd {
		r.whole++
	}
	r.spatials |= 1 << info.Spatial
	r.temporals |= 1 << info.Temporal
	switch r.kind {
	case VP8:
		if size, ok := SizeVP8(p.payload, info); info.Keyframe != ok || ok && int(size.Width)*9 != int(size.Height)*16 {
			r.t.Fatalf("packet %d: size %v %v", i, size, ok)
		}
	case VP9:
		r.readVP9(i, p, info)
	}
}

// readVP9 holds references against what came before.
func (r *reading) readVP9(i int, p recorded, info Info) {
	if !info.Flexible || !info.LongPictureID {
		r.t.Fatalf("packet %d: Chromium sends flexible mode and long picture ids: %+v", i, info)
	}
	sizes, layers := SizesVP9(p.payload, info)
	if info.Keyframe && (layers != 3 || sizes[0] != Size{320, 180} || sizes[2] != Size{1280, 720}) {
		r.t.Fatalf("packet %d: %d layers of %v", i, layers, sizes)
	}
	if info.FrameStart {
		for _, back := range info.Distances[:info.References] {
			if !r.pictures[frameKey{(info.PictureID - uint16(back)) & 0x7fff, info.Spatial}] {
				r.t.Fatalf("packet %d refers to picture %d, which has not come", i, info.PictureID-uint16(back))
			}
		}
		if info.Dependent && !r.pictures[frameKey{info.PictureID, info.Spatial - 1}] {
			r.t.Fatalf("packet %d needs the layer below, which has not come", i)
		}
		if info.Keyframe {
			clear(r.pictures)
		}
	}
	if info.FrameEnd {
		r.pictures[frameKey{info.PictureID, info.Spatial}] = true
	}
}

// readDescriptor does so by the dependency descriptor.
func (r *reading) readDescriptor(i int, p recorded, info *Info) {
	place, spatial, temporal, ok := r.descriptors.Read(p.descriptor, true)
	if !ok || !place.Known() {
		r.t.Fatalf("packet %d: descriptor %x: %v, known %v", i, p.descriptor, ok, place.Known())
	}
	info.Spatial, info.Temporal = spatial, temporal
	if info.FrameStart {
		if info.Keyframe {
			clear(r.frames)
		}
		for _, back := range place.References() {
			if !r.frames[place.Number-back] {
				r.t.Fatalf("packet %d refers to frame %d, which has not come", i, place.Number-back)
			}
		}
		needed := false
		for target, layers := range place.Structure.Targets() {
			part := place.Indication(target) != NotPresent
			if part && (layers.Spatial < spatial || layers.Temporal < temporal) {
				r.t.Fatalf("packet %d of layer %d %d is part of target %+v", i, spatial, temporal, layers)
			}
			needed = needed || part
		}
		if !needed {
			r.t.Fatalf("packet %d is part of nothing", i)
		}
	}
	if info.FrameEnd {
		r.frames[place.Number] = true
	}
}
