package pacing

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Every item comes out once or is dropped once; bounds hold; time may jump.
func TestNothingIsLostOrDoubled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seen := map[int]int{}
		cfg := DefaultConfig()
		cfg.MaxPackets = rapid.IntRange(1, 64).Draw(t, "max")
		q, err := New(cfg, func(it Item[int]) { seen[it.Value]++ })
		if err != nil {
			t.Fatal(err)
		}
		now, pushed := epoch, 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "op") {
			case 0:
				q.SetRate(now, units.Rate(rapid.Int64Range(-5, 5_000_000).Draw(t, "rate")))
			case 1:
				now = now.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Hour)).Draw(t, "jump")))
			case 2:
				q.Clear(rapid.IntRange(-1, 33).Draw(t, "clear"))
			case 3, 4:
				now = now.Add(time.Duration(rapid.Int64Range(0, int64(50*time.Millisecond)).Draw(t, "wait")))
				if it, ok := q.Pop(now); ok {
					seen[it.Value]++
				}
			default:
				pushed++
				q.Push(now, Item[int]{
					Priority: Priority(rapid.IntRange(0, 4).Draw(t, "priority")),
					Size:     units.Size(rapid.IntRange(0, 1500).Draw(t, "size")),
					Flow:     rapid.IntRange(0, 3).Draw(t, "flow"),
					Frame:    rapid.Uint32Range(0, 5).Draw(t, "frame"),
					Keyframe: rapid.Bool().Draw(t, "key"),
					Value:    pushed,
				})
			}
			if q.Len() > cfg.MaxPackets {
				t.Fatalf("%d wait, at most %d may", q.Len(), cfg.MaxPackets)
			}
			for i := 1; i <= pushed; i++ {
				if seen[i] > 1 {
					t.Fatalf("item %d came out %d times", i, seen[i])
				}
			}
		}
		q.Close()
		for i := 1; i <= pushed; i++ {
			if seen[i] != 1 {
				t.Fatalf("item %d came out %d times", i, seen[i])
			}
		}
		if q.Backlog() != 0 || q.Len() != 0 {
			t.Fatalf("an empty queue says %v in %d packets", q.Backlog(), q.Len())
		}
	})
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	q, now := steady(t)
	i := uint32(0)
	if n := testing.AllocsPerRun(1000, func() { i++; now = step(q, now, i) }); n != 0 {
		t.Fatalf("%v allocations a packet", n)
	}
}

func steady(t testing.TB) (*Queue[*int], time.Time) {
	q, err := New[*int](DefaultConfig(), nil)
	if err != nil {
		t.Fatal(err)
	}
	now := epoch
	for i := range uint32(100) {
		now = step(q, now, i)
	}
	return q, now
}

func step(q *Queue[*int], now time.Time, i uint32) time.Time {
	q.Push(now, Item[*int]{Priority: Video, Size: 1200, Flow: int(i % 4), Frame: i / 10})
	q.Push(now, Item[*int]{Priority: Voice, Size: 100, Flow: 9})
	for {
		if _, ok := q.Pop(now); !ok {
			break
		}
	}
	return now.Add(30 * time.Millisecond)
}

func BenchmarkPushPop(b *testing.B) {
	q, now := steady(b)
	i := uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		i++
		now = step(q, now, i)
	}
}
