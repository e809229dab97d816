package rewrite

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// FuzzStream does anything in any order, with sources that keep no rule: no
// panic, no number out twice, no timestamp of a newer packet before an older
// one's.
func FuzzStream(f *testing.F) {
	f.Add([]byte{2, 1, 0, 0, 10, 1, 1, 0, 1, 0, 20, 1, 0, 3, 0, 0, 30, 2, 1, 1, 0, 0, 40, 3}, uint16(0xfffe), uint32(0xffffffff))
	f.Add([]byte{2, 0, 0xff, 0xff, 0, 0, 1, 1, 0x7f, 0x00, 0xff, 0xff, 0, 2, 0, 1, 0, 0}, uint16(7), uint32(9))
	f.Fuzz(func(t *testing.T, data []byte, sequence uint16, timestamp uint32) {
		s := New(Config{Sequence: sequence, Timestamp: timestamp})
		var extended [4]int64
		used := map[uint16]int64{}
		now := epoch
		var newest int64 // outgoing numbers and ticks, unwrapped
		var ticks int64
		began := false
		for ; len(data) >= 6 && len(used) < 20000; data = data[6:] {
			src := data[0] >> 6
			extended[src] = max(0, extended[src]+int64(int8(data[1]))<<(data[0]>>3&7))
			now = now.Add(time.Duration(int8(data[4])) * 10 * time.Millisecond)
			p := &packet.Packet{
				SSRC: uint32(src), Extended: extended[src], Arrival: now, Kind: codec.VP8, Payload: data[:1],
				Timestamp: uint32(binary.BigEndian.Uint16(data[2:])) << (data[5] & 15), Recovered: data[5]&64 != 0,
				Info: codec.Info{
					HasPictureID: data[5]&16 != 0, LongPictureID: data[5]&32 != 0, PictureID: uint16(data[3]),
					HasTL0PICIDX: data[5]&128 != 0, TL0PICIDX: data[2],
				},
			}
			var out Output
			var ok bool
			switch data[0] & 7 {
			case 0, 1:
				out, ok = s.Drop(p)
			case 2:
				s.Switch(now, p)
				out, ok = s.Rewrite(now, p)
				if !ok {
					t.Fatal("the packet of a switch was refused")
				}
			default:
				out, ok = s.Rewrite(now, p)
			}
			s.SenderReport(now)
			if ok {
				if !began {
					began, newest, ticks = true, int64(out.Sequence)-1, int64(out.Timestamp)
				}
				number := unwrap(newest, uint64(out.Sequence), 0xffff)
				if before, twice := used[out.Sequence]; twice && before == number {
					t.Fatalf("number %d went out twice", out.Sequence)
				}
				used[out.Sequence] = number
				stamp := unwrap(ticks, uint64(out.Timestamp), 0xffffffff)
				if number > newest {
					if stamp < ticks {
						t.Fatalf("timestamp goes back from %d to %d", ticks, stamp)
					}
					newest, ticks = number, stamp
				} else if stamp > ticks {
					t.Fatalf("an older packet has a later timestamp: %d, newest %d", stamp, ticks)
				}
			}
			if began && data[4]&3 == 3 {
				if own, inserted := s.Insert(); inserted {
					if ok && out.Sequence == uint16(newest) && own != out.Sequence+1 {
						t.Fatalf("a packet of our own is %d behind %d", own, out.Sequence)
					}
					number := unwrap(newest, uint64(own), 0xffff)
					if before, twice := used[own]; twice && before == number {
						t.Fatalf("number %d went out twice", own)
					}
					used[own] = number
				}
			}
		}
	})
}

func TestRewriteAllocatesNothing(t *testing.T) {
	s := New(Config{})
	p := in{ssrc: 1, extended: 1}.packet()
	if n := testing.AllocsPerRun(1000, func() { step(s, p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// step takes one packet through: two of three go out, one is lost now and then.
func step(s *Stream, p *packet.Packet) bool {
	p.Extended++
	if p.Extended%2 == 0 {
		p.Timestamp += frameTicks
		p.Info.PictureID = (p.Info.PictureID + 1) & 0x7fff
		p.Arrival = p.Arrival.Add(frameTime)
	}
	if p.Extended%50 == 0 {
		p.Extended += 2
	}
	if p.Info.PictureID%3 == 0 {
		s.Drop(p)
		return true
	}
	if p.Extended%5000 == 0 {
		s.Switch(p.Arrival, p)
	}
	_, ok := s.Rewrite(p.Arrival, p)
	return ok
}

func BenchmarkRewrite(b *testing.B) {
	s := New(Config{})
	p := in{ssrc: 1, extended: 1}.packet()
	b.ReportAllocs()
	for b.Loop() {
		if !step(s, p) {
			b.Fatal("refused")
		}
	}
}
