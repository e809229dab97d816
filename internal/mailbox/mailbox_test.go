package mailbox

import (
	"sync"
	"testing"
)

func TestBoundedAndOrdered(t *testing.T) {
	b := New[int](2)
	if !b.Put(1) || !b.Put(2) || b.Put(3) {
		t.Fatal("a box of 2 must take two values and refuse the third")
	}
	if !b.PutUrgent(4) {
		t.Fatal("an urgent value must be taken by a full box")
	}
	<-b.Wake
	got := b.Take()
	if len(got) != 3 || got[0] != 1 || got[1] != 2 || got[2] != 4 {
		t.Fatalf("took %v, want [1 2 4]", got)
	}
	b.Close()
	if b.Put(5) || b.PutUrgent(6) {
		t.Fatal("a closed box must refuse")
	}
}

func TestEveryValueIsTakenOnce(t *testing.T) {
	const writers, each = 4, 1000
	b := New[int](writers * each)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range each {
				b.Put(i)
			}
		})
	}
	total := 0
	for total < writers*each {
		<-b.Wake
		total += len(b.Take())
	}
	wg.Wait()
	if total != writers*each || len(b.Take()) != 0 {
		t.Fatalf("took %d values, want %d", total, writers*each)
	}
}

func TestSteadyFlowAllocatesNothing(t *testing.T) {
	b := New[int](64)
	b.Put(0)
	b.Take()
	b.Put(0)
	b.Take()
	if n := testing.AllocsPerRun(100, func() { b.Put(1); b.Take() }); n != 0 {
		t.Fatalf("%v allocations per value, want 0", n)
	}
}

func BenchmarkPutTake(b *testing.B) {
	box := New[int](64)
	b.ReportAllocs()
	for b.Loop() {
		box.Put(1)
		box.Take()
	}
}
