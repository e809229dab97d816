package uplink

import (
	"math/rand/v2"
	"testing"
	"time"
)

const ms = time.Millisecond

func TestNACKWaitsForReorderingAndRepeatsWithBackoff(t *testing.T) {
	u := newPublisher(Config{NACK: true, RTXSSRC: repairSSRC})
	defer u.close(t)
	u.stream.SetRTT(40 * ms)
	u.run(t, 1, 3)
	u.expectNACKs(t) // may only be late
	u.after(9 * ms).expectNACKs(t)
	if next := u.stream.Next(); !next.Equal(start.Add(10 * ms)) {
		t.Fatalf("next is %v", next.Sub(start))
	}
	u.after(1*ms).expectNACKs(t, 2)
	u.after(39 * ms).expectNACKs(t)  // not within a round trip
	u.after(11*ms).expectNACKs(t, 2) // 1.25 RTT
	u.after(99 * ms).expectNACKs(t)  // twice as long
	u.after(1*ms).expectNACKs(t, 2)  // third and last
	u.after(300 * ms).expectNACKs(t) //
	u.after(2 * time.Second).expectNACKs(t)
	if stats := u.stream.Stats(); stats.NACKs != 3 || stats.GivenUp != 1 || stats.Missing != 0 {
		t.Fatalf("stats %+v", stats)
	}
}

func TestThreeNewerPacketsEndTheWait(t *testing.T) {
	u := newPublisher(Config{NACK: true})
	defer u.close(t)
	u.run(t, 1, 3, 4)
	u.expectNACKs(t)
	u.run(t, 5)
	u.expectNACKs(t, 2)
}

func TestReorderingIsLearnt(t *testing.T) {
	u := newPublisher(Config{NACK: true, RTXSSRC: repairSSRC})
	defer u.close(t)
	u.run(t, 1, 3, 4, 5, 6)
	u.after(60 * ms)
	u.run(t, 2) // late by 60 ms and 4 packets, without having been asked for
	u.run(t, 8, 9, 10, 11)
	u.after(60 * ms).expectNACKs(t) // would have been asked for by now
	u.after(20*ms).expectNACKs(t, 7)
	for i := range uint16(4 * relearn) {
		u.run(t, 12+i)
	}
	last := uint16(12 + 4*relearn)
	u.run(t, last+1, last+2, last+3)
	u.expectNACKs(t, last) // and forgotten
}

func TestRecoveredPacketsAreNotAskedForAgain(t *testing.T) {
	u := newPublisher(Config{NACK: true, RTXSSRC: repairSSRC})
	defer u.close(t)
	u.run(t, 1, 5)
	u.after(20*ms).expectNACKs(t, 2, 3, 4)
	u.repair(3, deltaPayload...)
	u.repair(4) // a padding packet was lost, and is sent again
	u.after(200*ms).expectNACKs(t, 2)
	if n := u.stream.Stats().Missing; n != 1 {
		t.Fatalf("%d missing", n)
	}
}

func TestHugeGapIsNotAskedFor(t *testing.T) {
	u := newPublisher(Config{NACK: true})
	defer u.close(t)
	u.run(t, 1, 3)
	u.run(t, 3+maxMissing+2)
	u.after(time.Second / 2).expectNACKs(t)
	if stats := u.stream.Stats(); stats.Resets != 1 || stats.Missing != 0 || stats.GivenUp != 1+maxMissing+1 {
		t.Fatalf("stats %+v", stats)
	}
	u.run(t, 3+maxMissing+4) // an ordinary gap afterwards
	u.after(20*ms).expectNACKs(t, 3+maxMissing+3)
}

func TestMissingListIsBounded(t *testing.T) {
	u := newPublisher(Config{NACK: true, CachePackets: 4096})
	defer u.close(t)
	for i := range uint16(1000) {
		u.run(t, 3*i)
	}
	if n := u.stream.Stats().Missing; n > maxMissing {
		t.Fatalf("%d missing", n)
	}
	for _, sequence := range u.stream.AppendNACKs(u.now.Add(time.Second/2), nil) {
		if sequence < 3*1000-2*maxMissing {
			t.Fatalf("asked for %d: the oldest should have been given up", sequence)
		}
	}
}

func TestNothingOutsideTheCacheIsAskedFor(t *testing.T) {
	u := newPublisher(Config{NACK: true, CachePackets: 16})
	defer u.close(t)
	u.run(t, 1, 3)
	u.after(5 * ms)
	for i := range uint16(20) {
		u.send(4+i, deltaPayload...)
	}
	u.after(20 * ms).expectNACKs(t) // 2 would be too old by now
}

// A publisher that is asked for more than one packet for each that it sends
// spends its uplink on repetition.
func TestNACKsNeverOutnumberPackets(t *testing.T) {
	u := newPublisher(Config{NACK: true, RTXSSRC: repairSSRC})
	defer u.close(t)
	u.stream.SetRTT(30 * ms)
	generator := rand.New(rand.NewPCG(5, 6))
	received, asked := 0, 0
	for i := range 4000 {
		u.after(5 * ms)
		if generator.IntN(100) < 20 { // 80 % are lost, and all that is sent again
			u.send(uint16(i), deltaPayload...)
			received++
		}
		asked += len(u.stream.AppendNACKs(u.now, nil))
		if asked > received+maxCredit {
			t.Fatalf("%d NACKs for %d packets", asked, received)
		}
	}
	if asked < received*9/10 {
		t.Fatalf("only %d NACKs for %d packets: the allowance is not used", asked, received)
	}
}

func TestRepeatsWaitForCredit(t *testing.T) {
	u := newPublisher(Config{NACK: true, RTXSSRC: repairSSRC})
	defer u.close(t)
	u.stream.SetRTT(20 * ms)
	u.run(t, 0, 101)
	u.after(10 * ms)
	if n := len(u.stream.AppendNACKs(u.now, nil)); n != 100 {
		t.Fatalf("asked for %d, want 100", n)
	}
	u.after(25 * ms)
	if n := len(u.stream.AppendNACKs(u.now, nil)); n != maxCredit-100 {
		t.Fatalf("asked again for %d, want the %d that are left", n, maxCredit-100)
	}
	u.run(t, 102, 103)
	u.after(25*ms).expectNACKs(t, 29, 30) // 1 to 28 were asked for again before
}

func TestWithoutNACKNothingIsAskedFor(t *testing.T) {
	u := newPublisher(Config{})
	defer u.close(t)
	u.run(t, 1, 5, 300, 2000)
	u.after(100 * ms).expectNACKs(t)
	if stats := u.stream.Stats(); stats.Missing != 0 {
		t.Fatalf("stats %+v", stats)
	}
}

// A publisher of whom nothing else is known tells its round trip by how soon it
// sends again what it is asked for; until then a usual one is assumed.
func TestRetransmissionsTellTheRoundTrip(t *testing.T) {
	u := newPublisher(Config{RTXSSRC: repairSSRC, NACK: true})
	u.stream.SetRTT(0)
	if s := u.stream.Stats(); s.RTT != defaultRTT || u.stream.Answered() != 0 {
		t.Fatalf("at first %v is assumed, %v answered", s.RTT, u.stream.Answered())
	}
	next := uint16(1)
	for _, way := range []time.Duration{400 * ms, 600 * ms, 500 * ms} {
		u.run(t, next, next+2, next+3, next+4, next+5) // next+1 is lost
		if asked := u.stream.AppendNACKs(u.now, nil); len(asked) != 1 || asked[0] != next+1 {
			t.Fatalf("asked for %v", asked)
		}
		for range 4 { // it is asked for again, in vain
			u.after(way / 4)
			u.stream.AppendNACKs(u.now, nil)
		}
		u.repair(next+1, deltaPayload...)
		u.after(20 * ms)
		next += 6
	}
	// The shortest of several, and slowly up from there: the first request may have been lost.
	if got := u.stream.Answered(); got < 400*ms || got > 450*ms {
		t.Errorf("%v, want a little over 400 ms", got)
	}
}
