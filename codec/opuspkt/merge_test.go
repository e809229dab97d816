package opuspkt

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMergeForms(t *testing.T) {
	a, b, c := []byte{celt20, 1, 2}, []byte{celt20, 3, 4}, []byte{celt20, 5}
	tests := []struct {
		name string
		in   [][]byte
		want []byte
	}{
		{"nothing", nil, nil},
		{"one", [][]byte{a}, a},
		{"one, wordy", [][]byte{{celt20 | 3, 0x41, 2, 9, 0, 0}}, []byte{celt20, 9}},
		{"two equal", [][]byte{a, b}, []byte{celt20 | 1, 1, 2, 3, 4}},
		{"two different", [][]byte{a, c}, []byte{celt20 | 2, 2, 1, 2, 5}},
		{"three equal", [][]byte{a, b, a}, []byte{celt20 | 3, 3, 1, 2, 3, 4, 1, 2}},
		{"three different", [][]byte{a, c, b}, []byte{celt20 | 3, 0x83, 2, 1, 1, 2, 5, 3, 4}},
		{"merged ones", [][]byte{{celt20 | 1, 1, 2}, {celt20 | 2, 0, 3}}, []byte{celt20 | 3, 0x84, 1, 1, 0, 1, 2, 3}},
	}
	for _, test := range tests {
		got, err := Merge(nil, test.in...)
		if err != nil || !bytes.Equal(got, test.want) {
			t.Errorf("%s: %x, %v, want %x", test.name, got, err, test.want)
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	var m Merger
	add := func(want error, payload ...byte) {
		t.Helper()
		before := m.Count()
		if err := m.Add(payload); !errors.Is(err, want) || (want != nil && m.Count() != before) {
			t.Errorf("%x: %v, want %v; %d frames after %d", payload, err, want, m.Count(), before)
		}
	}
	add(ErrEmpty)
	add(nil, celt20|3, 5)
	add(ErrDifferent, celt20|4)
	add(ErrDifferent, silk20)
	add(ErrFull, celt20|1)
	add(ErrMalformed, celt20|1, 0)
	add(ErrOpaque, celt20|3, 0x41, 1, 2<<1)
	add(ErrOpaque, celt20|3, 0x41, 2, 40<<1|1, 1)
	add(nil, celt20)
	add(ErrFull, celt20)
	if m.Duration() != MaxDuration {
		t.Errorf("%v", m.Duration())
	}
	m.Reset()
	add(nil, silk20)
	if m.Duration() != 20*time.Millisecond || m.Count() != 1 {
		t.Errorf("%v, %d frames after a reset", m.Duration(), m.Count())
	}
}

// Extensions stay with their frames, padding goes.
func TestExtensionsMove(t *testing.T) {
	const short, long = 5, 50
	first := []byte{celt20 | 3, 0x41, 3, 11, short<<1 | 1, 77, 0}                // frame 0: 5 = 77
	second := []byte{celt20 | 3, 0x42, 5, 21, 22, 1 << 1, long << 1, 88, 89, 90} // frame 1: 50 = 88 89 90
	third := []byte{celt20 | 3, 0x41, 4, 31, 1, short << 1, long<<1 | 1, 0}      // frame 0: 5, and 50 empty
	beyond := []byte{celt20 | 3, 0x41, 3, 41, 1<<1 | 1, 9, short << 1}           // a frame that is not
	want := []byte{celt20 | 3, 0x45, 12, 11, 21, 22, 31, 41,                     //
		short<<1 | 1, 77, 1<<1 | 1, 2, long<<1 | 1, 3, 88, 89, 90, 1 << 1, short << 1} // frames 0, 2 and 3
	want = append(want, long<<1|1, 0)
	want[2] = byte(len(want) - 8)
	got, err := Merge(nil, first, second, third, beyond)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got  %x, %v\nwant %x", got, err, want)
	}
	p, err := Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]byte{
		{celt20 | 3, 0x41, 2, 11, short<<1 | 1, 77}, {celt20, 21}, {celt20 | 3, 0x41, 5, 22, long<<1 | 1, 3, 88, 89, 90},
		{celt20 | 3, 0x41, 3, 31, short << 1, long<<1 | 1, 0}, {celt20, 41},
	} {
		if got, err := p.Append(nil, i, i+1); err != nil || !bytes.Equal(got, want) {
			t.Errorf("frame %d: %x, %v, want %x", i, got, err, want)
		}
	}
}

// listed answers what a packet carries: frames, and extensions by frame.
func listed(t interface{ Fatalf(string, ...any) }, payload []byte) (frames [][]byte, list []extension) {
	p, err := Parse(payload)
	if err != nil {
		t.Fatalf("%x: %v", payload, err)
	}
	for i := range p.Count() {
		frames = append(frames, p.Frame(i))
	}
	w := extensions{rest: p.Padding()}
	for {
		e, more := w.next()
		if !more {
			return frames, list
		}
		if e.frame < p.Count() {
			list = append(list, e)
		}
	}
}

func sameExtensions(a, b []extension) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].frame != b[i].frame || a[i].id != b[i].id || !bytes.Equal(a[i].data, b[i].data) {
			return false
		}
	}
	return true
}

// drawPacket answers a packet of any form with up to 3 frames, and maybe
// extensions.
func drawPacket(t *rapid.T, toc byte) []byte {
	n := rapid.IntRange(1, 3).Draw(t, "frames")
	size := rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(250, 260), rapid.Just(MaxFrame))
	payload := []byte{toc&^3 | 3, 0xc0 | byte(n)}
	var padding, sizes, frames []byte
	for i := range n {
		for range rapid.IntRange(0, 2).Draw(t, "extensions") {
			id := rapid.IntRange(3, 127).Draw(t, "id")
			data := bytes.Repeat([]byte{byte(id)}, rapid.SampledFrom([]int{0, 1, 254, 255, 600}).Draw(t, "data"))
			if id < idLong {
				data = data[:min(1, len(data))]
				padding = append(append(padding, byte(id)<<1|byte(len(data))), data...)
				continue
			}
			padding = append(padding, byte(id)<<1|1)
			for left := len(data); ; left -= 255 {
				padding = append(padding, byte(min(left, 255)))
				if left < 255 {
					break
				}
			}
			padding = append(padding, data...)
		}
		if i < n-1 {
			padding = append(padding, idSeparator<<1)
		}
		frame := bytes.Repeat([]byte{byte(rapid.Int().Draw(t, "byte"))}, size.Draw(t, "size"))
		frames = append(frames, frame...)
		if i < n-1 {
			sizes = appendSize(sizes, len(frame))
		}
	}
	left := len(padding)
	for ; left >= 255; left -= 254 {
		payload = append(payload, 255)
	}
	payload = append(payload, byte(left))
	return join(payload, sizes, frames, padding)
}

// Whatever is merged holds the same frames and extensions in the same order; to
// split it and merge that changes nothing.
func TestMergeKeepsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		toc := byte(rapid.SampledFrom([]int{silk20, celt20, 16 << 3, 13<<3 | 4}).Draw(t, "toc"))
		var frames [][]byte
		var list []extension
		var m Merger
		total := 0
		for range rapid.IntRange(1, 6).Draw(t, "packets") {
			payload := drawPacket(t, toc)
			err := m.Add(payload)
			if errors.Is(err, ErrFull) && m.Count() > 3 {
				break
			}
			if err != nil {
				t.Fatalf("%x: %v", payload, err)
			}
			more, found := listed(t, payload)
			for i := range found {
				found[i].frame += len(frames)
			}
			frames, list, total = append(frames, more...), append(list, found...), total+len(payload)
		}
		merged := m.Append([]byte{1, 2, 3})[3:]
		if len(merged) > total+6*len(frames) {
			t.Errorf("%d bytes of %d", len(merged), total)
		}
		gotFrames, gotList := listed(t, merged)
		if len(gotFrames) != len(frames) || !bytes.Equal(join(gotFrames...), join(frames...)) || !sameExtensions(gotList, list) {
			t.Fatalf("%d frames and %d extensions became %d and %d", len(frames), len(list), len(gotFrames), len(gotList))
		}
		p, _ := Parse(merged)
		if p.TOC&^3 != TOC(toc)&^3 || p.Duration() > MaxDuration || p.Duration() != m.Duration() {
			t.Fatalf("TOC %x, %v", byte(p.TOC), p.Duration())
		}
		m.Reset()
		for i := range p.Count() {
			part, err := p.Append(nil, i, i+1)
			if err != nil || m.Add(part) != nil {
				t.Fatalf("frame %d: %v", i, err)
			}
		}
		if again := m.Append(nil); !bytes.Equal(again, merged) {
			t.Fatalf("%x became %x", merged, again)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range [][]byte{
		nil, {celt20}, {celt20 | 1, 1, 2}, {celt20 | 2, 252, 1, 0}, {celt20 | 3, 0xc3, 1, 1, 2, 1, 2, 3, 4, 0},
		{celt20 | 3, 0x41, 4, 31, 1, 10, 101, 0}, {16<<3 | 3, 48}, {3, 0x41, 255, 255, 0},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		before := bytes.Clone(payload)
		p, err := Parse(payload)
		if err != nil {
			if p.Count() != 0 || p.Duration() != 0 || p.LBRR() {
				t.Fatal("refused, and yet something")
			}
			return
		}
		if p.Count() < 1 || p.Count() > MaxFrames || p.Duration() > MaxDuration || p.Duration() <= 0 {
			t.Fatalf("%d frames, %v", p.Count(), p.Duration())
		}
		p.LBRR()
		p.Silent()
		out, err := p.Append(nil, 0, p.Count())
		if errors.Is(err, ErrOpaque) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		wantFrames, wantList := listed(t, payload)
		frames, list := listed(t, out)
		if len(frames) != len(wantFrames) || !bytes.Equal(join(frames...), join(wantFrames...)) || !sameExtensions(list, wantList) {
			t.Fatalf("%x became %x", payload, out)
		}
		if !bytes.Equal(payload, before) {
			t.Fatal("the payload was changed")
		}
	})
}

func three() (payloads [3][]byte) {
	for i := range payloads {
		payloads[i] = join([]byte{silk20}, bytes.Repeat([]byte{byte(i)}, 30+i))
	}
	return payloads
}

func TestNoAllocations(t *testing.T) {
	payloads, room := three(), make([]byte, 0, 500)
	extended := []byte{celt20 | 3, 0x41, 2, 11, 11, 77}
	var m Merger
	if n := testing.AllocsPerRun(100, func() {
		m.Reset()
		for _, payload := range payloads {
			_ = m.Add(payload)
		}
		merged := m.Append(room)
		p, _ := Parse(merged)
		_, _ = p.Append(merged, 0, 1)
		_, _ = Merge(room, extended, extended)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParse(b *testing.B) {
	payloads := three()
	b.ReportAllocs()
	for b.Loop() {
		p, _ := Parse(payloads[0])
		p.LBRR()
	}
}

func BenchmarkMerge3(b *testing.B) {
	payloads, room := three(), make([]byte, 0, 500)
	var m Merger
	b.ReportAllocs()
	for b.Loop() {
		m.Reset()
		for _, payload := range payloads {
			_ = m.Add(payload)
		}
		m.Append(room)
	}
}
