package bwe

import (
	"math"
	"math/bits"
)

const (
	// lossEpochPackets is how many reports make one judgement of loss.
	lossEpochPackets = 40
	// lossEpochLongest and lossEpochShortest bound its time, nanoseconds.
	lossEpochLongest  = 3e9
	lossEpochShortest = 0.3e9
	// lossLeak is how fast loss is taken for the link's own without a test.
	lossLeak = 0.03
	// clusterGap packets that came in a row end a cluster of loss: on radio, bursts
	// come in clusters, and a test must be long enough for one.
	clusterGap = 5
)

// losses splits loss into the link's own, which is there at any rate, and
// ours, which ends when we send less.
//
// What came before a verdict is judged in epochs. An epoch with more loss than
// the link is known for, and without a queue, is a suspicion; when it lasts, a
// bounded test sends less for a while. Loss that stays is the link's own and
// costs nothing from then on; loss that goes was ours: a policer or a queue
// too short to be seen.
type losses struct {
	since       int64
	got, missed int64
	bursts      int64
	clusters    int64 // of bursts, clusterGap packets apart
	missing     bool  // the last report was of a lost packet
	queued      bool  // a queue was seen during the epoch

	link    float64 // share the link loses by itself
	recent  float64 // share lost lately, whoever's fault
	rate    float64 // clusters of loss a packet, lately
	suspect int     // epochs in a row with more than the link's own
	epochs  int64
	run     run
}

// verdict is what an epoch that ended says.
type verdict uint8

const (
	epochOpen     verdict = iota
	epochClean            // no more than the link's own
	epochSuspect          // more than that and no queue
	epochOverflow         // more than that and a queue
)

func (l *losses) reset(now int64) { *l = losses{since: now} }

// note counts one report of a packet sent at that time.
func (l *losses) note(wasLost bool, sentAt int64) {
	if wasLost && l.run.clean >= clusterGap {
		l.clusters++
	}
	l.run.note(wasLost, sentAt)
	if !wasLost {
		l.got++
		l.missing = false
		return
	}
	l.missed++
	if !l.missing {
		l.bursts++
	}
	l.missing = true
}

// correct takes back a loss: the packet was only late.
func (l *losses) correct() {
	if l.missed > 0 {
		l.missed--
		l.got++
	}
}

// skip throws the open epoch away: it says nothing of the link.
func (l *losses) skip(now int64) {
	l.since, l.got, l.missed, l.bursts, l.clusters, l.queued = now, 0, 0, 0, 0, false
}

// judge ends the epoch when it has seen enough.
func (l *losses) judge(now int64) (v verdict, share float64) {
	n := l.got + l.missed
	age := now - l.since
	if n < 8 || age < lossEpochShortest || (n < lossEpochPackets && age < lossEpochLongest) {
		return epochOpen, 0
	}
	share = float64(l.missed) / float64(n)
	l.recent += (share - l.recent) * 0.3
	rate := float64(l.clusters) / float64(n)
	l.rate += (rate - l.rate) * 0.1
	if l.epochs == 0 {
		l.recent, l.rate = share, rate
	}
	l.epochs++
	bursts, queued := l.bursts, l.queued
	missed := l.missed
	l.skip(now)

	// Losses come in bursts; what spreads is the number of bursts.
	length := 1.0
	if bursts > 0 {
		length = float64(missed) / float64(bursts)
	}
	spread := math.Sqrt(max(l.link, 0.005) * length / float64(n))
	switch {
	case share <= l.link+max(0.02, 2.5*spread):
		l.suspect = 0
		if share < l.link {
			// The link's own loss is forgotten within a few epochs when it ends.
			l.link += (share - l.link) * 0.1
		} else {
			l.link += (share - l.link) * lossLeak
		}
		return epochClean, share
	case queued:
		l.suspect = 0
		return epochOverflow, share
	}
	// Rare bursts are too few for a test to tell; they are learnt slowly.
	l.link += (min(share, 0.5) - l.link) * lossLeak
	l.suspect++
	return epochSuspect, share
}

// recentPackets is how many newest packets are looked at one by one.
const recentPackets = 24

// run follows packets one by one, to see loss begin.
type run struct {
	n, missed int64  // packets, and how many were lost
	fates     uint32 // of the newest recentPackets, a bit each that was lost
	clean     int64  // packets since the last that was lost

	// The first lost after recentPackets that came: when it was sent (0 when none
	// was), what there was before it, and how often packets were lost since.
	began   int64
	n0      int64
	missed0 int64
	bursts  int64
}

func (r *run) note(wasLost bool, sentAt int64) {
	r.fates = r.fates << 1 & (1<<recentPackets - 1)
	if wasLost {
		if r.began == 0 {
			r.began, r.n0, r.missed0, r.bursts = sentAt, r.n, r.missed, 0
		}
		if r.fates&2 == 0 {
			r.bursts++
		}
		r.fates |= 1
		r.missed++
		r.clean = 0
	} else if r.clean++; r.clean >= recentPackets {
		r.began = 0
	}
	r.n++
}

// share is what was lost since the loss began.
func (r *run) share() float64 {
	return float64(r.missed-r.missed0) / float64(max(1, r.n-r.n0))
}

// sudden says that as many were lost since loss began, in as many bursts, and so much
// of what is sent that the packets before would have shown it.
func (r *run) sudden(many, bursts int64) bool {
	if r.began == 0 || r.missed-r.missed0 < many || r.bursts < bursts {
		return false
	}
	expected := r.share() * float64(r.n0)
	return expected >= surgeBefore && 8*float64(r.missed0) <= expected
}

// lossy says that of the newest packets more were lost than a link of that share
// loses by chance.
func (r *run) lossy(link float64) bool {
	own := link * recentPackets
	return r.n >= recentPackets && float64(bits.OnesCount32(r.fates)) >= 2+own+2.5*math.Sqrt(own)
}

// half says that of the newest packets every second was lost.
func (r *run) half() bool {
	return r.n >= recentPackets && 2*bits.OnesCount32(r.fates) >= recentPackets
}
