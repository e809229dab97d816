package pacing

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

var epoch = time.Unix(1_700_000_000, 0)

// rig is a queue whose values are numbered, with everything dropped noted.
type rig struct {
	*Queue[int]
	dropped []int
	next    int
}

func newRig(t testing.TB, edit func(*Config)) *rig {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Rate = 800 * units.Kbps // 100 bytes a millisecond
	if edit != nil {
		edit(&cfg)
	}
	r := &rig{}
	q, err := New(cfg, func(it Item[int]) { r.dropped = append(r.dropped, it.Value) })
	if err != nil {
		t.Fatal(err)
	}
	r.Queue = q
	return r
}

func (r *rig) push(now time.Time, p Priority, size units.Size, flow int, frame uint32) bool {
	r.next++
	return r.Push(now, Item[int]{Priority: p, Size: size, Flow: flow, Frame: frame, Value: r.next})
}

// drain pops until limit, waiting as Next says, and answers values and times.
func (r *rig) drain(t testing.TB, now, limit time.Time) (values []int, at []time.Duration) {
	t.Helper()
	for n := 0; n < 100000; n++ {
		if it, ok := r.Pop(now); ok {
			values = append(values, it.Value)
			at = append(at, now.Sub(epoch))
			continue
		}
		next := r.Next()
		if next.IsZero() || next.After(limit) {
			return values, at
		}
		if !next.After(now) {
			t.Fatalf("Next() = %v is due at %v but Pop has nothing", next.Sub(epoch), now.Sub(epoch))
		}
		now = next
	}
	t.Fatal("drain does not end")
	return nil, nil
}

func TestPriorityOrder(t *testing.T) {
	r := newRig(t, nil)
	r.push(epoch, Padding, 100, 0, 0)        // 1
	r.push(epoch, Video, 100, 0, 1)          // 2
	r.push(epoch, Retransmission, 100, 0, 1) // 3
	r.push(epoch, Voice, 100, 0, 1)          // 4
	got, _ := r.drain(t, epoch, epoch.Add(time.Second))
	want := []int{4, 3, 2, 1}
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("order %v, want %v", got, want)
		}
	}
}

func TestRateAndBurst(t *testing.T) {
	r := newRig(t, nil)
	for i := range 25 {
		r.push(epoch, Video, 1000, 0, uint32(i)) // 10 ms each, 250 ms in all
	}
	_, at := r.drain(t, epoch, epoch.Add(time.Second))
	for i, d := range at {
		if want := time.Duration(i) * 10 * time.Millisecond; d != want {
			t.Fatalf("packet %d left at %v, want %v", i, d, want)
		}
	}

	r = newRig(t, nil)
	for i := range 20 {
		r.push(epoch, Video, 100, 0, uint32(i)) // 1 ms each
	}
	_, at = r.drain(t, epoch, epoch.Add(time.Second))
	if at[4] != 0 || at[5] != time.Millisecond || at[19] != 15*time.Millisecond {
		t.Fatalf("a burst of 5 ms, then the rate: left at %v", at)
	}
}

// A shell's timer is late by a millisecond or two; the rate must not suffer.
func TestLatePollKeepsRate(t *testing.T) {
	r := newRig(t, nil)
	var sent units.Size
	now := epoch
	for now.Before(epoch.Add(time.Second)) {
		for r.Len() < 20 {
			r.push(now, Video, 100, 0, uint32(r.next))
		}
		for {
			it, ok := r.Pop(now)
			if !ok {
				break
			}
			sent += it.Size
		}
		now = now.Add(3 * time.Millisecond)
	}
	if rate := sent.Over(time.Second); rate < 790*units.Kbps || rate > 808*units.Kbps {
		t.Fatalf("polled every 3 ms, sent %v of 800 kbit/s", rate)
	}
}

func TestVoiceIsOwed(t *testing.T) {
	r := newRig(t, nil)
	for i := range 3 {
		r.push(epoch, Voice, 1000, 0, uint32(i))
	}
	r.push(epoch, Video, 100, 1, 1)
	got, at := r.drain(t, epoch, epoch.Add(time.Second))
	if len(got) != 4 || at[2] != 0 {
		t.Fatalf("voice waited: %v at %v", got, at)
	}
	// 5 ms of credit, 30 ms of voice, and the 1 ms of the packet itself.
	if at[3] != 26*time.Millisecond {
		t.Fatalf("video left at %v, want 26ms: voice is paid by the others", at[3])
	}
}

func TestVoiceDebtIsBounded(t *testing.T) {
	r := newRig(t, nil)
	for range 200 {
		r.push(epoch, Voice, 1000, 0, 1) // two seconds of it
		r.Pop(epoch)
	}
	r.push(epoch, Video, 100, 1, 1)
	_, at := r.drain(t, epoch, epoch.Add(time.Minute))
	if len(at) != 1 || at[0] > 501*time.Millisecond {
		t.Fatalf("video waited %v for voice, debt is bounded at 500ms", at)
	}
}

func TestSetRateKeepsDebtInBytes(t *testing.T) {
	r := newRig(t, nil)
	r.push(epoch, Video, 4000, 0, 1) // 40 ms
	r.Pop(epoch)
	r.SetRate(epoch, 1600*units.Kbps)
	r.push(epoch, Video, 100, 0, 2)
	_, at := r.drain(t, epoch, epoch.Add(time.Second))
	// Credit of 5 ms was used: 35 ms of debt at the old rate, half at the new,
	// and the packet's own 0.5 ms.
	if at[0] != 18*time.Millisecond {
		t.Fatalf("left at %v, want 18ms", at[0])
	}
}

func TestOverfullDropsNewestWholeFrame(t *testing.T) {
	r := newRig(t, nil) // 300 ms = 30 kB
	for f := range uint32(5) {
		for range 7 {
			if !r.push(epoch, Video, 1000, 3, f) && f < 4 {
				t.Fatalf("frame %d refused with room left", f)
			}
		}
	}
	if r.Len() != 28 {
		t.Fatalf("%d packets wait, want the 28 of four whole frames", r.Len())
	}
	if len(r.dropped) != 7 {
		t.Fatalf("dropped %v, want the seven packets of the fifth frame", r.dropped)
	}
	if !r.Dropped(3) || r.Dropped(3) || r.Dropped(2) {
		t.Fatal("Dropped must tell flow 3 once and no other")
	}
	if r.push(epoch, Video, 100, 3, 4) {
		t.Fatal("the rest of a dropped frame was queued")
	}
	if !r.push(epoch, Video, 100, 3, 5) {
		t.Fatal("the next frame was refused with room left")
	}
}

func TestOverfullTakesFromTheFullestFlow(t *testing.T) {
	r := newRig(t, nil)
	for f := range uint32(8) {
		for range 3 {
			r.push(epoch, Video, 1200, 0, f)
		}
	}
	for range 2 {
		if !r.push(epoch, Video, 1000, 1, 1) {
			t.Fatal("a thin flow paid for a fat one")
		}
	}
	if !r.Dropped(0) || r.Dropped(1) {
		t.Fatal("flow 0 should have lost a frame, flow 1 none")
	}
}

func TestKeyframeReplacesWhatWaits(t *testing.T) {
	r := newRig(t, nil)
	r.push(epoch, Video, 1000, 0, 1)
	r.push(epoch, Video, 1000, 0, 1)
	r.Pop(epoch) // frame 1 is begun
	for f := uint32(2); f < 4; f++ {
		for range 10 {
			r.push(epoch, Video, 1000, 0, f)
		}
	}
	for range 40 {
		r.next++
		if !r.Push(epoch, Item[int]{Priority: Video, Size: 1000, Frame: 9, Keyframe: true, Value: r.next}) {
			t.Fatal("a key frame was refused")
		}
	}
	if r.Len() != 41 {
		t.Fatalf("%d wait, want the rest of the begun frame and the key frame", r.Len())
	}
	if r.Dropped(0) {
		t.Fatal("frames that a key frame replaces need no other key frame")
	}
}

func TestEndlessFrameIsBounded(t *testing.T) {
	r := newRig(t, nil)
	for range 1000 {
		r.push(epoch, Video, 1000, 0, 7)
		r.Pop(epoch)
	}
	if r.Backlog() > 200_000 || len(r.dropped) < 700 {
		t.Fatalf("%v wait after a frame without end, %d dropped", r.Backlog(), len(r.dropped))
	}
}

func TestRateCollapseDropsNewest(t *testing.T) {
	r := newRig(t, nil)
	for f := range uint32(10) {
		for range 3 {
			r.push(epoch, Video, 1000, 0, f)
		}
	}
	r.SetRate(epoch, 100*units.Kbps)
	if d := r.Delay(); d > 300*time.Millisecond {
		t.Fatalf("%v of video waits at the new rate", d)
	}
	if it, ok := r.Pop(epoch); !ok || it.Frame != 0 {
		t.Fatalf("the oldest frame should still be first, got %v %v", it, ok)
	}
}

func TestZeroRateLetsOnlyVoicePass(t *testing.T) {
	r := newRig(t, nil)
	r.push(epoch, Video, 1000, 0, 1)
	r.SetRate(epoch, 0)
	r.push(epoch, Retransmission, 100, 0, 1)
	if n := r.Next(); !n.IsZero() {
		t.Fatalf("Next = %v, want none: time releases nothing", n)
	}
	r.push(epoch, Voice, 100, 0, 1)
	if it, ok := r.Pop(r.Next()); !ok || it.Priority != Voice {
		t.Fatalf("voice did not pass: %v %v", it, ok)
	}
	r.SetRate(epoch, 100*units.Kbps)
	if got, _ := r.drain(t, epoch, epoch.Add(time.Minute)); len(got) != 1 {
		t.Fatalf("popped %v after the rate came back", got)
	}
}

func TestHoldLetsOnlyVoicePass(t *testing.T) {
	r := newRig(t, nil)
	r.push(epoch, Video, 1000, 0, 1)
	r.Hold(true)
	if _, ok := r.Pop(epoch); ok || !r.Next().IsZero() {
		t.Fatal("video left while held")
	}
	r.push(epoch, Voice, 100, 1, 1)
	if it, ok := r.Pop(r.Next()); !ok || it.Priority != Voice {
		t.Fatalf("voice did not pass: %v %v", it, ok)
	}
	r.Hold(false)
	if got, _ := r.drain(t, epoch, epoch.Add(time.Second)); len(got) != 1 {
		t.Fatalf("popped %v when let go", got)
	}
}

func TestRetransmissionsDropOldest(t *testing.T) {
	r := newRig(t, nil)
	for range 40 {
		r.push(epoch, Retransmission, 1000, 0, 1)
	}
	if r.Len() != 30 || r.dropped[0] != 1 {
		t.Fatalf("%d wait, dropped %v; want 30 and the oldest gone", r.Len(), r.dropped)
	}
}

func TestClearReleasesOneFlow(t *testing.T) {
	r := newRig(t, nil)
	r.push(epoch, Video, 1000, 0, 1)
	r.push(epoch, Video, 1000, 1, 1)
	r.push(epoch, Retransmission, 1000, 0, 1)
	r.Clear(0)
	r.Clear(-1)
	r.Clear(99)
	if len(r.dropped) != 2 || r.Len() != 1 {
		t.Fatalf("dropped %v, %d wait", r.dropped, r.Len())
	}
	r.Close()
	if len(r.dropped) != 3 || r.Len() != 0 || r.Backlog() != 0 {
		t.Fatalf("after Close %d wait, dropped %v", r.Len(), r.dropped)
	}
}

func TestRefusesWhatItDoesNotKnow(t *testing.T) {
	r := newRig(t, nil)
	for _, it := range []Item[int]{
		{Priority: priorities, Size: 100},
		{Priority: Video, Size: 0},
		{Priority: Video, Size: 1 << 40},
		{Priority: Video, Size: 100, Flow: -1},
		{Priority: Video, Size: 100, Flow: 32},
	} {
		if r.Push(epoch, it) {
			t.Errorf("%+v was queued", it)
		}
	}
	if len(r.dropped) != 5 {
		t.Errorf("%d handed back, want all 5", len(r.dropped))
	}
	if _, err := New[int](Config{}, nil); err == nil {
		t.Error("the zero Config was accepted")
	}
}
