package icemux

import (
	"encoding/binary"
	"testing"
	"time"
)

const (
	voiceType = 111
	videoType = 96
)

func newTestQueue(maxBytes int) (*frameQueue, *bufferPool) {
	pool := &bufferPool{}
	return &frameQueue{
		pool:     pool,
		maxAge:   200 * time.Millisecond,
		maxBytes: maxBytes,
		isVoice:  func(pt uint8) bool { return pt == voiceType },
	}, pool
}

// drain pops all and names what comes: V video, A audio, R RTCP, C control,
// with the timestamp of RTP.
func drain(q *frameQueue, now time.Time) (names []string) {
	for {
		item, ok := q.pop(now)
		if !ok {
			return names
		}
		p := item.buf.data[:item.n]
		name := map[class]string{control: "C", rtcp: "R", voice: "A", video: "V"}[item.class]
		if item.class >= voice {
			name += string(rune('0' + binary.BigEndian.Uint32(p[4:])))
		}
		names = append(names, name)
		q.pool.give(item.buf)
	}
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}

func videoPacket(timestamp uint32) []byte { return rtp(videoType, 1, timestamp, 1000) }
func voicePacket(timestamp uint32) []byte { return rtp(voiceType, 2, timestamp, 100) }

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func TestQueueKeepsOrder(t *testing.T) {
	q, pool := newTestQueue(10_000)
	for _, p := range [][]byte{voicePacket(1), dtls, videoPacket(1), rtcpPacket(), videoPacket(1)} {
		if !q.push(noon, p) {
			t.Fatal("dropped with room left")
		}
	}
	expect(t, drain(q, noon.Add(ms(200))), "A1", "C", "V1", "R", "V1")
	if q.drops != 0 || q.bytes != 0 || pool.out.Load() != 0 {
		t.Fatalf("%d drops, %d bytes, %d buffers", q.drops, q.bytes, pool.out.Load())
	}
}

func TestOldFramesAreDroppedWhole(t *testing.T) {
	q, pool := newTestQueue(100_000)
	q.push(noon, dtls)
	q.push(noon, videoPacket(1))
	q.push(noon, rtcpPacket())
	q.push(noon, voicePacket(1))
	q.push(noon.Add(ms(150)), videoPacket(1)) // young, but of the same frame
	q.push(noon.Add(ms(150)), videoPacket(2))
	q.push(noon.Add(ms(150)), voicePacket(2))
	if q.push(noon.Add(ms(210)), videoPacket(1)) {
		t.Fatal("the end of a dropped frame was queued")
	}
	if q.push(noon.Add(ms(220)), videoPacket(1)) {
		t.Fatal("a dropped frame was forgotten")
	}
	expect(t, drain(q, noon.Add(ms(220))), "C", "V2", "A2")
	if q.drops != 6 || pool.out.Load() != 0 {
		t.Fatalf("%d drops, %d buffers", q.drops, pool.out.Load())
	}
}

func TestStaleQueueEmptiesWhenItIsRead(t *testing.T) {
	q, _ := newTestQueue(100_000)
	for i := range 50 {
		q.push(noon.Add(ms(i)), voicePacket(uint32(i)))
	}
	if got := drain(q, noon.Add(ms(229))); len(got) != 21 {
		t.Fatalf("%d packets left at 229 ms: those of the last 200 ms are 21", len(got))
	}
}

func TestFullQueueDropsVideoBeforeVoice(t *testing.T) {
	q, _ := newTestQueue(2900)
	q.push(noon, voicePacket(1))
	q.push(noon, videoPacket(1))
	q.push(noon, videoPacket(1))
	// Voice pushes the whole frame out.
	for i := range 9 {
		if !q.push(noon, voicePacket(uint32(2+i))) {
			t.Fatal("voice was dropped while there was video")
		}
	}
	expect(t, drain(q, noon), "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A:")
	if q.drops != 2 {
		t.Fatalf("%d drops", q.drops)
	}
}

func TestVideoDoesNotPushVoiceOut(t *testing.T) {
	q, _ := newTestQueue(1500)
	for i := range 10 {
		q.push(noon, voicePacket(uint32(i)))
	}
	if q.push(noon, videoPacket(1)) {
		t.Fatal("video was queued beyond the limit")
	}
	drain(q, noon)
	if q.push(noon, videoPacket(1)) {
		t.Fatal("the rest of a frame whose start was refused was queued")
	}
	if !q.push(noon.Add(doomMemory), videoPacket(1)) {
		t.Fatal("a frame is refused for ever")
	}
}

func TestVoiceGivesWayToYoungerVoice(t *testing.T) {
	q, _ := newTestQueue(250)
	for i := range 3 {
		if !q.push(noon, voicePacket(uint32(i))) {
			t.Fatal("refused")
		}
	}
	expect(t, drain(q, noon), "A1", "A2")
}

func TestFrameLargerThanTheQueue(t *testing.T) {
	q, pool := newTestQueue(2500)
	q.push(noon, videoPacket(1))
	q.push(noon, videoPacket(1))
	if q.push(noon, videoPacket(1)) {
		t.Fatal("there was no room")
	}
	expect(t, drain(q, noon))
	if pool.out.Load() != 0 {
		t.Fatal("buffers lost")
	}
}

func TestControlIsBoundedToo(t *testing.T) {
	q, _ := newTestQueue(20)
	for range 3 {
		q.push(noon, dtls)
	}
	if q.push(noon, dtls) || q.push(noon, rtcpPacket()) {
		t.Fatal("beyond the limit")
	}
	if q.push(noon, make([]byte, bufferSize+1)) {
		t.Fatal("larger than a buffer")
	}
	expect(t, drain(q, noon.Add(time.Hour)), "C", "C", "C")
}

func TestShortMediaIsNotReadBeyondItsEnd(t *testing.T) {
	q, _ := newTestQueue(1000)
	for n := range 12 {
		p := make([]byte, n)
		if n > 0 {
			p[0] = 0x80
		}
		if !q.push(noon, p) {
			t.Fatal("dropped")
		}
	}
	q.clear()
	if q.len() != 0 || q.bytes != 0 {
		t.Fatal("not cleared")
	}
}

func TestQueueAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	q, _ := newTestQueue(100_000)
	p := videoPacket(0)
	now, n := noon, uint32(0)
	step := func() {
		for range 5 {
			n++
			now = now.Add(ms(3))
			binary.BigEndian.PutUint32(p[4:], n)
			q.push(now, p)
		}
		for range 5 {
			if item, ok := q.pop(now); ok {
				q.pool.give(item.buf)
			}
		}
	}
	q.push(now, p)
	step()
	if allocs := testing.AllocsPerRun(100, step); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// Whatever is pushed and popped when, the queue stays within its bounds, gives
// nothing older than it may, and returns every buffer.
func FuzzFrameQueue(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 250, 7, 128, 9})
	f.Add([]byte{1, 1, 1, 1, 1, 1, 1, 1, 201, 0, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		q, pool := newTestQueue(4000)
		now := noon
		for i, op := range script {
			frame := uint32(i / 4)
			switch op % 6 {
			case 0:
				q.push(now, videoPacket(frame))
			case 1:
				q.push(now, voicePacket(frame))
			case 2:
				q.push(now, rtcpPacket())
			case 3:
				q.push(now, dtls)
			case 4:
				now = now.Add(time.Duration(op) * time.Millisecond)
			case 5:
				if item, ok := q.pop(now); ok {
					if item.class != control && now.Sub(item.at) > q.maxAge {
						t.Fatalf("class %d waited %v", item.class, now.Sub(item.at))
					}
					pool.give(item.buf)
				}
			}
			if q.bytes > q.maxBytes || q.bytes < 0 || int64(q.len()) != pool.out.Load() {
				t.Fatalf("%d bytes, %d packets, %d buffers", q.bytes, q.len(), pool.out.Load())
			}
		}
		q.clear()
		if pool.out.Load() != 0 {
			t.Fatal("buffers lost")
		}
	})
}
