package uplink

import (
	"testing"
	"time"
)

func TestKeyframeWishesAreMergedAndRepeated(t *testing.T) {
	u := newPublisher(Config{})
	defer u.close(t)
	u.run(t, 1)
	if u.stream.KeyframeDue(u.now) {
		t.Fatal("due without a wish")
	}
	requests := 0
	for i := range 100 { // a wish every 10 ms for a second, the publisher deaf
		u.after(10*ms).run(t, uint16(2+i))
		u.stream.WantKeyframe(u.now)
		if u.stream.KeyframeDue(u.now) {
			requests++
		}
	}
	if requests != 4 { // 0, 300, 600, 900 ms
		t.Fatalf("%d requests in a second, want 4", requests)
	}
	u.send(102, keyPayload...)
	if u.stream.KeyframeDue(u.now.Add(time.Hour)) {
		t.Fatal("still due after a key frame")
	}
	if stats := u.stream.Stats(); stats.Keyframes != 1 || stats.Requests != 4 {
		t.Fatalf("stats %+v", stats)
	}
}

func TestKeyframesAreSpacedWhoeverWantsThem(t *testing.T) {
	u := newPublisher(Config{})
	defer u.close(t)
	requests, sequence := 0, uint16(0)
	for range 1000 { // ten seconds of a storm, every request answered at once
		u.after(10 * ms)
		u.stream.WantKeyframe(u.now)
		sequence++
		if u.stream.KeyframeDue(u.now) {
			requests++
			u.send(sequence, keyPayload...)
		} else {
			u.send(sequence, deltaPayload...)
		}
	}
	if requests != 20 {
		t.Fatalf("%d key frames in ten seconds, want 20", requests)
	}
}

func TestKeyframeByRetransmissionSatisfies(t *testing.T) {
	u := newPublisher(Config{NACK: true, RTXSSRC: repairSSRC})
	defer u.close(t)
	u.run(t, 1)
	u.stream.WantKeyframe(u.now)
	if !u.stream.KeyframeDue(u.now) {
		t.Fatal("not due at once")
	}
	u.send(3, restPayload...) // of the key frame whose first packet is lost
	if next := u.stream.Next(); next.IsZero() {
		t.Fatal("the rest of a key frame satisfied the wish")
	}
	u.repair(2, keyPayload...)
	if u.stream.KeyframeDue(u.now.Add(time.Hour)) {
		t.Fatal("still due")
	}
}

func TestSilentStreamIsNotAskedForEver(t *testing.T) {
	u := newPublisher(Config{})
	defer u.close(t)
	u.run(t, 1)
	u.stream.Tick(u.now.Add(time.Hour))
	u.stream.WantKeyframe(u.now)
	var asked []time.Duration
	for next := u.stream.Next(); !next.IsZero() && len(asked) < 100; next = u.stream.Next() {
		if !u.stream.KeyframeDue(next) {
			t.Fatalf("Next told %v, and nothing was due", next.Sub(start))
		}
		asked = append(asked, next.Sub(start))
	}
	if want := []time.Duration{0, 300 * ms, 900 * ms, 2100 * ms}; len(asked) != len(want) || asked[3] != want[3] || asked[2] != want[2] {
		t.Fatalf("asked at %v, want %v", asked, want)
	}
	u.after(time.Minute).run(t, 2) // it sends again, without a key frame
	if !u.stream.KeyframeDue(u.now) {
		t.Fatal("the wish was forgotten")
	}
}
