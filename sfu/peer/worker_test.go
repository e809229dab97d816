package peer

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Whatever order egresses come, change and go in, the earliest is first.
func TestEarliestEgressIsFirst(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	start := time.Now()
	when := func() time.Time { return start.Add(time.Duration(random.IntN(1000)) * time.Millisecond) }
	var h dueHeap
	var all []*egress
	for range 2000 {
		switch n := random.IntN(3); {
		case n == 0 || len(all) == 0:
			e := &egress{index: -1, next: when()}
			all = append(all, e)
			heap.Push(&h, e)
		case n == 1:
			e := all[random.IntN(len(all))]
			e.next = when()
			heap.Fix(&h, e.index)
		default:
			i := random.IntN(len(all))
			heap.Remove(&h, all[i].index)
			if all[i].index != -1 {
				t.Fatalf("a removed egress has place %d", all[i].index)
			}
			all = slices.Delete(all, i, i+1)
		}
		for i, e := range h {
			if e.index != i {
				t.Fatalf("the egress at %d believes to be at %d", i, e.index)
			}
			if e.next.Before(h[0].next) {
				t.Fatal("an earlier egress is not first")
			}
		}
		if len(h) != len(all) {
			t.Fatalf("%d egresses wait, want %d", len(h), len(all))
		}
	}
}
