package bucket_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/bucket"
)

func TestTake(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := bucket.New(2, 10)
	taken := 0
	for i := range 10_000 { // within a second
		if ok, wait := m.Take(now.Add(time.Duration(i)*100*time.Microsecond), "a", 1); ok {
			taken++
		} else if wait <= 0 || wait > time.Second {
			t.Fatalf("told to wait %v", wait)
		}
	}
	if taken != 11 && taken != 12 {
		t.Errorf("%d of 10,000 in a second went through a bucket of 10 and 2 a second", taken)
	}
	if ok, _ := m.Take(now, "b", 10); !ok {
		t.Error("another key pays for the first")
	}
	now = now.Add(time.Hour)
	if ok, _ := m.Take(now, "a", 20); !ok {
		t.Error("a full bucket refuses what could never go through otherwise")
	}
	if ok, wait := m.Take(now, "a", 1); ok || wait != 5500*time.Millisecond {
		t.Errorf("%v, wait %v: what was more than the burst is not paid back", ok, wait)
	}
}

func TestKeysAreBounded(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := bucket.New(1, 1)
	for i := range 10_000 {
		m.Take(now, fmt.Sprint(i), 1)
	}
	if ok, _ := m.Take(now, "new", 1); ok {
		t.Error("more keys than the bound")
	}
	if ok, _ := m.Take(now.Add(2*time.Second), "new", 1); !ok {
		t.Error("full buckets are not forgotten")
	}
}

func TestBucket(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var b bucket.Bucket
	for i := range 5 {
		if !b.Take(now, 2, 5, 1) {
			t.Fatalf("a full bucket of 5 refuses number %d", i+1)
		}
	}
	if b.Take(now, 2, 5, 1) {
		t.Error("an empty bucket gives")
	}
	if now = now.Add(time.Second); b.Take(now, 2, 5, 3) || !b.Take(now, 2, 5, 2) {
		t.Error("a refusal costs something, or a second gave other than 2")
	}
	if now = now.Add(time.Hour); b.Take(now, 2, 5, 6) || !b.Take(now, 2, 5, 5) {
		t.Error("a bucket of 5 holds other than 5 at last")
	}
}
