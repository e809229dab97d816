package media

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

var start = time.Unix(1_700_000_000, 0)

// speak polls v whenever it is due for d and hands every packet to each.
func speak(t *testing.T, v *Voice, d time.Duration, each func(now time.Time, f VoiceFrame)) {
	t.Helper()
	buf := make([]byte, MaxVoicePayload)
	for now := v.Next(); now.Before(start.Add(d)); now = v.Next() {
		f, ok := v.Poll(now, buf)
		if !ok {
			t.Fatalf("nothing at %v, when it was due", now.Sub(start))
		}
		if _, ok := v.Poll(now, buf); ok {
			t.Fatalf("two packets at %v", now.Sub(start))
		}
		each(now, f)
	}
}

// soundOf reads how long a packet sounds by its TOC (RFC 6716 table 2) and checks
// that it is one mono frame, or two of the longest.
func soundOf(t *testing.T, toc byte) time.Duration {
	t.Helper()
	length := frameLength(toc)
	switch {
	case toc&0x07 == 1 && length == longestFrame:
		return 2 * length
	case toc&0x07 != 0:
		t.Fatalf("TOC %#x is not code 0, mono", toc)
	}
	return length
}

func frameLength(toc byte) time.Duration {
	tenths := map[byte][]int{0: {100, 200, 400, 600}, 1: {100, 200}, 2: {25, 50, 100, 200}}
	config := toc >> 3
	switch {
	case config < 12:
		return time.Duration(tenths[0][config%4]) * 100 * time.Microsecond
	case config < 16:
		return time.Duration(tenths[1][config%2]) * 100 * time.Microsecond
	}
	return time.Duration(tenths[2][config%4]) * 100 * time.Microsecond
}

func TestVoicePacketsAreOpus(t *testing.T) {
	for _, rate := range []units.Rate{6, 8, 12, 24, 32, 64, 128} {
		for _, packetTime := range []time.Duration{10, 20, 40, 60, 120} {
			v := NewVoice(start, VoiceConfig{Rate: rate * units.Kbps, PacketTime: packetTime * time.Millisecond, Talk: -1})
			var bytes, count int
			speak(t, v, 10*time.Second, func(now time.Time, f VoiceFrame) {
				if got := soundOf(t, f.Payload[0]); got != packetTime*time.Millisecond || f.Duration != got {
					t.Fatalf("%v kbit/s, %v ms: TOC %#x says %v", rate, packetTime, f.Payload[0], got)
				}
				if n := len(f.Payload) - 1; packetTime == 120 {
					for _, frame := range [][]byte{f.Payload[1 : 1+n/2], f.Payload[1+n/2:]} {
						if number, _, _, ok := FindVoice(frame); len(frame) > MarkSize && (!ok || int(number) != count) {
							t.Fatalf("packet %d has a frame of packet %d, %v", count, number, ok)
						}
					}
				}
				bytes += len(f.Payload)
				count++
			})
			length := packetTime * time.Millisecond
			if want := int((10*time.Second + length - 1) / length); count != want {
				t.Errorf("%d packets of %v, want %d", count, length, want)
			}
			got := units.Size(bytes).Over(10 * time.Second)
			// Below 12 kbit/s and 10 ms the least frame is more than the rate.
			if math.Abs(float64(got)/float64(rate*units.Kbps)-1) > 0.05 && rate*units.Rate(packetTime) > 100 {
				t.Errorf("%v kbit/s, %v ms: sent %v", rate, packetTime, got)
			}
		}
	}
}

func TestVoiceTimestampsAndStamps(t *testing.T) {
	v := NewVoice(start, VoiceConfig{Source: 9, Talk: -1})
	var first VoiceFrame
	var number uint32
	speak(t, v, 5*time.Second, func(now time.Time, f VoiceFrame) {
		if number == 0 {
			first = f
		}
		if f.Timestamp-first.Timestamp != number*960 || f.Number != number || f.Marker != (number == 0) {
			t.Fatalf("packet %d: %+v", number, f)
		}
		s, _, ok := FindStamp(f.Payload)
		if !ok || !f.Stamped || s.Number != number || s.Source != 9 || !s.Sent.Equal(now) {
			t.Fatalf("packet %d: stamp %+v, %v", number, s, ok)
		}
		// One 20 ms SILK frame: speech, no LBRR (RFC 6716 §4.2.3).
		if f.Payload[1]&0xC0 != 0x80 {
			t.Fatalf("first byte %#x", f.Payload[1])
		}
		number++
	})
}

func TestVoiceSpeaksAndPauses(t *testing.T) {
	v := NewVoice(start, VoiceConfig{Seed: 4})
	var speech, all, turns int
	before := false
	speak(t, v, 10*time.Minute, func(_ time.Time, f VoiceFrame) {
		all++
		if f.Voice {
			speech++
			if f.Level < loudestSpeech || f.Level > softestSpeech {
				t.Fatalf("speech at level %d", f.Level)
			}
		} else if f.Level < loudestSilence || f.Level > softestSilence {
			t.Fatalf("silence at level %d", f.Level)
		}
		if f.Voice != before {
			turns++
		}
		before = f.Voice
	})
	// P.59: 38.7 % speech, a turn every 1.3 s.
	if share := float64(speech) / float64(all); share < 0.33 || share > 0.47 {
		t.Errorf("speech share %.2f", share)
	}
	if turns < 350 || turns > 600 {
		t.Errorf("%d turns in ten minutes", turns)
	}
}

func TestVoiceDTX(t *testing.T) {
	v := NewVoice(start, VoiceConfig{DTX: true, Silent: true, Pause: time.Hour, Seed: 1})
	count := 0
	var last time.Time
	speak(t, v, time.Minute, func(now time.Time, f VoiceFrame) {
		if f.Voice {
			t.Fatal("speech")
		}
		// After the hangover a packet each 420 ms, marked, for nothing came before.
		if count > int(hangover/(20*time.Millisecond)) {
			if gap := now.Sub(last); gap != refreshEvery || !f.Marker {
				t.Fatalf("packet %d after %v, marker %v", count, gap, f.Marker)
			}
		}
		last = now
		count++
	})
	if count < 140 || count > 160 {
		t.Errorf("%d packets in a minute of silence", count)
	}
	// Speech is not delayed by it: the first packet of a spurt is on the 20 ms grid
	// right after the spurt began.
	v = NewVoice(start, VoiceConfig{DTX: true, Seed: 2})
	silence := time.Time{}
	talked := 0
	speak(t, v, time.Minute, func(now time.Time, f VoiceFrame) {
		if f.Voice && !silence.IsZero() {
			talked++
			if late := now.Sub(start) - v.spell; late >= 20*time.Millisecond || late < 0 {
				t.Fatalf("speech began %v late", late)
			}
		}
		silence = time.Time{}
		if !f.Voice {
			silence = now
		}
	})
	if talked < 10 {
		t.Errorf("%d talk spurts", talked)
	}
}

func TestVoiceLatePollsCatchUp(t *testing.T) {
	v := NewVoice(start, VoiceConfig{Talk: -1})
	buf := make([]byte, MaxVoicePayload)
	if _, ok := v.Poll(start.Add(-1), buf); ok {
		t.Fatal("a packet before the start")
	}
	if _, ok := v.Poll(start, buf[:100]); ok {
		t.Fatal("a packet in too little room")
	}
	first, _ := v.Poll(start, buf)
	now := start.Add(10 * time.Second)
	f, ok := v.Poll(now, buf)
	count := 1
	if !ok || !f.Marker || f.Timestamp-first.Timestamp != 9500*48 {
		t.Fatalf("after ten seconds: %+v, %v", f, ok)
	}
	for ; ok; count++ {
		_, ok = v.Poll(now, buf)
	}
	if count > 28 {
		t.Errorf("%d packets at once", count)
	}
}

func TestVoiceIsRepeatable(t *testing.T) {
	record := func(seed uint64) []byte {
		var all []byte
		speak(t, NewVoice(start, VoiceConfig{Seed: seed}), 5*time.Second, func(_ time.Time, f VoiceFrame) {
			all = append(append(all, f.Payload...), f.Level)
		})
		return all
	}
	if !bytes.Equal(record(1), record(1)) {
		t.Error("one seed, two results")
	}
	if bytes.Equal(record(1), record(2)) {
		t.Error("two seeds, one result")
	}
}

func TestVoiceDoesNotAllocate(t *testing.T) {
	v := NewVoice(start, VoiceConfig{})
	buf := make([]byte, MaxVoicePayload)
	if got := testing.AllocsPerRun(1000, func() { v.Poll(v.Next(), buf) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkVoice(b *testing.B) {
	v := NewVoice(start, VoiceConfig{})
	buf := make([]byte, MaxVoicePayload)
	b.ReportAllocs()
	for b.Loop() {
		v.Poll(v.Next(), buf)
	}
}
