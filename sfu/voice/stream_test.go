package voice

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/codec/red"
)

const ms = time.Millisecond

// numbers are the first numbers of the packets that left.
func (s *slot) numbers() (all []int64) {
	for _, o := range s.out {
		all = append(all, o.extended)
	}
	return all
}

// talk pushes packets of 20 ms in time.
func (s *slot) talk(from, to int64) {
	for n := from; n < to; n++ {
		s.push(s.packet(n, silkWide20, 30))
		s.wait(20 * ms)
	}
}

func TestMergesToThePacketTime(t *testing.T) {
	for packet, want := range map[time.Duration][]int64{
		0:        {0, 1, 2, 3, 4, 5},
		20 * ms:  {0, 1, 2, 3, 4, 5},
		40 * ms:  {0, 2, 4},
		60 * ms:  {0, 3},
		120 * ms: {0},
	} {
		s := testingSlot(t)
		s.s.SetMode(Mode{Packet: packet})
		s.talk(0, 6)
		if diff := cmp.Diff(want, s.numbers()); diff != "" {
			t.Errorf("%v: %s", packet, diff)
		}
		if n := len(s.out) + len(s.skipped); n != 6 {
			t.Errorf("%v: %d numbers of 6 are accounted for", packet, n)
		}
	}
}

// A window is closed by what cannot go into it, and by time.
func TestWindowClosesEarly(t *testing.T) {
	s := testingSlot(t)
	s.s.SetMode(Mode{Packet: 60 * ms})
	s.push(s.packet(0, silkWide20, 30))
	s.push(s.packet(1, celt20, 30)) // another configuration
	if want := []int64{0}; !slices.Equal(s.numbers(), want) {
		t.Errorf("after another configuration %v left, want %v", s.numbers(), want)
	}
	s.push(s.packet(2, celt20, 0)) // silence
	if want := []int64{0, 1}; !slices.Equal(s.numbers(), want) {
		t.Errorf("after silence %v left, want %v", s.numbers(), want)
	}
	s.push(s.packet(10, celt20, 30))
	s.wait(59 * ms)
	if len(s.out) != 2 {
		t.Errorf("%d packets left, want that the third waits", len(s.out))
	}
	s.wait(2 * ms)
	if want := []int64{0, 1, 10}; !slices.Equal(s.numbers(), want) {
		t.Errorf("when its time was over %v left, want %v", s.numbers(), want)
	}
	s.push(s.packet(11, celt20, 30))
	s.push(s.packet(14, celt20, 30)) // beyond the window that is open
	if want := []int64{0, 1, 10, 11}; !slices.Equal(s.numbers(), want) {
		t.Errorf("after a gap %v left, want %v", s.numbers(), want)
	}
}

// What comes late goes into the window if that is still open, and by itself if
// it is not.
func TestLatePackets(t *testing.T) {
	s := testingSlot(t)
	s.s.SetMode(Mode{Packet: 60 * ms})
	s.push(s.packet(0, silkWide20, 30))
	s.push(s.packet(2, silkWide20, 30))
	if len(s.out) != 2 { // it spans 60 ms: nothing more fits
		t.Fatalf("%d packets left", len(s.out))
	}
	s.push(s.packet(1, silkWide20, 30))
	if want := []int64{0, 2, 1}; !slices.Equal(s.numbers(), want) {
		t.Errorf("%v left, want %v", s.numbers(), want)
	}
	s.push(s.packet(4, silkWide20, 30))
	s.push(s.packet(3, silkWide20, 30))
	s.push(s.packet(5, silkWide20, 30))
	if got := frames(t, 0, s.out[3].payload); len(got) != 3 || s.out[3].extended != 3 {
		t.Errorf("the packet after has %d frames from number %d, want 3 from 3", len(got), s.out[3].extended)
	}
}

// RFC 2198 §3: copies of the packets before, oldest first.
func TestRedundancy(t *testing.T) {
	s := testingSlot(t)
	s.s.SetMode(Mode{Packet: 60 * ms, Redundancy: 2})
	s.talk(0, 12)
	for i, o := range s.out {
		want := min(i, 2)
		if want == 0 {
			if o.kind != codec.Opus {
				t.Errorf("packet %d is %v: there is nothing to repeat", i, o.kind)
			}
			continue
		}
		p, err := red.Parse(o.payload)
		if err != nil || o.kind != codec.RED || len(p.Redundant()) != want {
			t.Fatalf("packet %d: %v, %v, %d copies, want %d", i, err, o.kind, len(p.Redundant()), want)
		}
		for j, b := range p.Redundant() {
			if offset := uint16((want - j) * 3 * frame20); b.Offset != offset || b.PayloadType != opusType {
				t.Errorf("packet %d, copy %d: offset %d of type %d, want %d of %d", i, j, b.Offset, b.PayloadType, offset, opusType)
			}
		}
	}
	// Any two packets that follow each other may be lost.
	all := receive(t, s.out, nothing)
	for at := range len(s.out) - 2 {
		got := receive(t, s.out, func(i int) bool { return i == at || i == at+1 })
		slices.SortFunc(got, func(a, b heard) int { return int(int32(a.timestamp - b.timestamp)) })
		if diff := cmp.Diff(all, got, cmp.AllowUnexported(heard{})); diff != "" {
			t.Errorf("without packets %d and %d: %s", at, at+1, diff)
		}
	}
	s.s.SetMode(Mode{})
	s.talk(12, 14)
	if o := s.out[len(s.out)-1]; o.kind != codec.Opus {
		t.Errorf("without redundancy %v is sent", o.kind)
	}
}

// The packet that ends a spurt and the one that begins the next are sent, what
// is between them is not.
func TestSilence(t *testing.T) {
	s := testingSlot(t)
	s.s.SetMode(Mode{Packet: 60 * ms})
	s.s.SetQuiet(true)
	s.talk(0, 3)
	for n := int64(3); n < 80; n += 20 { // as an encoder that stops sending does
		s.push(s.packet(n, silkWide20, 0))
		s.wait(400 * ms)
	}
	p := s.packet(90, silkWide20, 30)
	p.Marker = true
	s.push(p)
	s.wait(100 * ms)
	if want := []int64{0, 3, 90}; !slices.Equal(s.numbers(), want) {
		t.Errorf("%v left, want %v", s.numbers(), want)
	}
	if !s.out[2].marker {
		t.Error("the beginning of the spurt lost its marker (RFC 7587 §4.1)")
	}
	if n := s.s.Stats().Silent; n != 3 {
		t.Errorf("%d packets of silence were left out, want 3", n)
	}
	s.s.SetQuiet(false)
	s.push(s.packet(110, silkWide20, 0))
	s.push(s.packet(130, silkWide20, 0))
	if n := len(s.out); n != 5 {
		t.Errorf("%d packets left, want all where there is room", n)
	}
}

// A source that always sends is silent when it says so (RFC 6464) and is quiet;
// music is not.
func TestSilenceByLevel(t *testing.T) {
	run := func(level uint8, speaks bool) (left int) {
		s := testingSlot(t)
		s.s.SetMode(Mode{Packet: 60 * ms})
		s.s.SetQuiet(true)
		for n := range int64(120) {
			p := s.packet(n, silkWide20, 30)
			p.HasAudioLevel, p.AudioLevel, p.VoiceActive = true, 30, speaks
			if n >= 30 {
				p.AudioLevel, p.VoiceActive = level, false
			}
			s.push(p)
			s.wait(20 * ms)
		}
		return len(s.out)
	}
	if n := run(75, true); n > 10+6 {
		t.Errorf("%d packets left of 600 ms of speech and a quiet room", n)
	}
	if n := run(40, true); n != 40 {
		t.Errorf("%d packets left of speech and music, want 40", n)
	}
	if n := run(75, false); n != 40 {
		t.Errorf("%d packets left of a source that never says that it speaks, want 40", n)
	}
}

// RED that comes in is taken apart, and what was lost is recovered from it
// before it goes on.
func TestRecoversFromRED(t *testing.T) {
	s := testingSlot(t)
	send := func(n int64) {
		p := s.packet(n, silkWide20, 0)
		p.Kind = codec.RED
		p.Payload = red.Append(p.Buffer()[:0], opusType, body(n, silkWide20, 30),
			red.Block{PayloadType: opusType, Offset: 2 * frame20, Data: body(n-2, silkWide20, 30)},
			red.Block{PayloadType: opusType, Offset: frame20, Data: body(n-1, silkWide20, 30)})
		s.push(p)
	}
	send(10)
	s.out = nil
	send(11)
	send(14)
	if want := []int64{11, 12, 13, 14}; !slices.Equal(s.numbers(), want) {
		t.Errorf("%v left, want %v", s.numbers(), want)
	}
	if n := s.s.Stats().Recovered; n != 2+2 { // before the first there were two more
		t.Errorf("%d packets were recovered", n)
	}
	s.push(s.packet(12, silkWide20, 30)) // comes after all
	if n := len(s.out); n != 4 {
		t.Errorf("%d packets left: what was recovered left twice", n)
	}
	p := s.packet(15, silkWide20, 0)
	p.Kind, p.Payload = codec.RED, []byte{0xff, 1}
	s.push(p)
	p = s.packet(16, silkWide20, 0)
	p.Payload = nil
	s.push(p)
	if want := []int64{12, 15, 16}; !slices.Equal(s.skipped, want) {
		t.Errorf("numbers %v are used up for nothing, want %v", s.skipped, want)
	}
}

// Frame by frame, what leaves is what came in, in order, each once: whatever the
// modes, however they change, with RED or without, with losses before that RED
// repairs and losses after that RED repairs.
func TestWhatLeavesIsWhatCameIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSlot(t)
		defer s.close()
		var want []heard
		incoming := rapid.IntRange(0, 2).Draw(t, "copies that come in")
		dropped := 0 // before us, in a row
		toc, size := byte(silkWide20), 30
		held := rapid.IntRange(1, 2).Draw(t, "copies that go out")
		for n := int64(0); n < 60; n++ {
			if rapid.IntRange(0, 7).Draw(t, "change") == 0 {
				packet := rapid.SampledFrom([]time.Duration{0, 20 * ms, 40 * ms, 60 * ms, 120 * ms}).Draw(t, "packet time")
				s.s.SetMode(Mode{packet, held})
			}
			if rapid.IntRange(0, 15).Draw(t, "encoder") == 0 {
				toc = rapid.SampledFrom([]byte{silkWide20, celt20}).Draw(t, "toc")
				size = rapid.IntRange(17, 300).Draw(t, "size")
			}
			payload := body(n, toc, size)
			if n > 0 && dropped < incoming && rapid.IntRange(0, 3).Draw(t, "loss before") == 0 {
				dropped++
				want = append(want, heard{uint32(n) * frame20, toc, string(payload[1:])})
				continue
			}
			p := s.packet(n, toc, size)
			var blocks []red.Block
			for i := incoming; i > 0; i-- {
				if k := len(want) - i; k >= 0 && want[k].timestamp == uint32(n-int64(i))*frame20 {
					blocks = append(blocks, red.Block{PayloadType: opusType, Offset: uint16(i * frame20),
						Data: append([]byte{want[k].toc}, want[k].frame...)})
				}
			}
			if len(blocks) > 0 || incoming > 0 {
				p.Kind = codec.RED
				p.Payload = red.Append(p.Buffer()[:0], opusType, payload, blocks...)
			}
			want = append(want, heard{uint32(n) * frame20, toc, string(payload[1:])})
			dropped = 0
			s.push(p)
			s.wait(time.Duration(rapid.IntRange(15, 25).Draw(t, "interval")) * ms)
			if rapid.IntRange(0, 19).Draw(t, "pause") == 0 {
				s.wait(500 * ms)
			}
		}
		s.s.Flush(&s.shop)
		s.drain()
		for len(want) > 0 && dropped > 0 { // the last ones were never repaired
			want, dropped = want[:len(want)-1], dropped-1
		}
		got := receive(t, s.out, nothing)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(heard{})); diff != "" {
			t.Fatalf("without loss behind us: %s", diff)
		}
		for i := 1; i < len(s.out); i++ {
			if s.out[i].extended <= s.out[i-1].extended || int32(s.out[i].timestamp-s.out[i-1].timestamp) <= 0 {
				t.Fatalf("number %d, time %d follow %d, %d", s.out[i].extended, s.out[i].timestamp, s.out[i-1].extended, s.out[i-1].timestamp)
			}
		}
		// One packet lost, where the next repeats it.
		at := rapid.IntRange(0, len(s.out)-1).Draw(t, "loss behind")
		if at+1 == len(s.out) || s.out[at+1].kind != codec.RED {
			return
		}
		p, err := red.Parse(s.out[at+1].payload)
		if err != nil || len(p.Redundant()) == 0 {
			t.Fatalf("RED without copies, %v", err)
		}
		if last := p.Redundant()[len(p.Redundant())-1]; s.out[at+1].timestamp-uint32(last.Offset) != s.out[at].timestamp {
			return // too long ago, or too large
		}
		got = receive(t, s.out, func(i int) bool { return i == at })
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(heard{})); diff != "" {
			t.Fatalf("without packet %d: %s", at, diff)
		}
	})
}

// Whatever comes in, nothing panics and nothing is left behind.
func FuzzPush(f *testing.F) {
	f.Add([]byte{0, 4, 60, 0, silkWide20, 1, 2, 3}, uint8(3))
	f.Add([]byte{1, 9, 60, 1, 0x80 | opusType, 15, 0, 2, opusType, silkWide20, 1, silkWide20, 7}, uint8(7))
	f.Add([]byte{2, 3, 0, 0, celt20 | 3, 0x83, 1, 1, 9}, uint8(200))
	f.Fuzz(func(t *testing.T, input []byte, seed uint8) {
		s := newSlot(t)
		defer s.close()
		for n := int64(1); len(input) > 3 && n < 64; n++ {
			s.s.SetMode(Mode{time.Duration(input[2]) * ms, int(input[3])})
			s.s.SetQuiet(input[0]&4 != 0)
			size := min(len(input)-3, int(input[1]))
			p := s.packet(n+int64(int8(input[1]^seed)), 0, 0)
			p.Kind = codec.Opus
			if input[0]&1 != 0 {
				p.Kind = codec.RED
			}
			if input[0]&2 != 0 {
				p.Timestamp += uint32(input[2]) << 24
			}
			p.SSRC += uint32(input[0] >> 6)
			p.Payload = append(p.Buffer()[:0], input[3:3+size]...)
			s.push(p)
			s.wait(time.Duration(input[0]) * ms)
			input = input[1+size/2:]
		}
	})
}
