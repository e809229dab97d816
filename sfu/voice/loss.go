package voice

import (
	"math"
	"time"
)

const (
	// lossMemory is after how long a report of loss counts for 37 %: at 17
	// packets a second it takes that long to know 2 % from nothing.
	lossMemory = 12 * time.Second
	// lossWeight is how many packets must have been reported before a share
	// means anything.
	lossWeight = 25
	// redundantFrom and plainBelow are the loss from which on redundancy is
	// worth its bits, and below which it is not any more. Between them nothing
	// changes.
	redundantFrom = 0.015
	plainBelow    = 0.004
	// usualRuns is how many lost packets the usual burstiness weighs against what
	// was measured.
	usualRuns = 10
)

// Loss measures how much of what is sent to a subscriber does not arrive. The
// zero value knows nothing.
type Loss struct {
	got, missed float64
	// runs are of how many losses that follow each other the lost packets of
	// inRuns consist: those of which the order is known.
	runs, inRuns float64
	at           time.Time
	lossy        bool
}

// Note takes a report: so many packets arrived, so many did not. Reports of a
// time in which the path was overfull are the caller's to leave out: what we
// have lost in our own queue is repaired by sending less, not more.
func (l *Loss) Note(now time.Time, got, missed float64) {
	if !(got >= 0 && missed >= 0 && got+missed > 0) {
		return
	}
	if age := now.Sub(l.at); age > 0 && !l.at.IsZero() {
		keep := math.Exp(-age.Seconds() / lossMemory.Seconds())
		l.got, l.missed = l.got*keep, l.missed*keep
		l.runs, l.inRuns = l.runs*keep, l.inRuns*keep
	}
	if l.at.Before(now) {
		l.at = now
	}
	l.got += got
	l.missed += missed
	switch share, known := l.share(); {
	case !known:
	case share >= redundantFrom:
		l.lossy = true
	case share < plainBelow:
		l.lossy = false
	}
}

// Runs takes of a report that was noted in how many runs, without a packet that
// arrived in between, how many packets were missed.
func (l *Loss) Runs(missed, runs float64) {
	if runs >= 0 && missed >= runs {
		l.runs += runs
		l.inRuns += missed
	}
}

// Again is the chance that a packet is lost after one that was, 0 to 1.
func (l *Loss) Again() float64 {
	share, _ := l.share()
	return (l.inRuns - l.runs + usualRuns*min(1, share+together)) / (l.inRuns + usualRuns)
}

func (l *Loss) share() (float64, bool) {
	all := l.got + l.missed
	if all < lossWeight {
		return 0, false
	}
	return l.missed / all, true
}

// Share is the loss to reckon with, 0 to 1: nothing until it is worth doing
// something about.
func (l *Loss) Share() float64 {
	share, known := l.share()
	if !known || !l.lossy {
		return 0
	}
	return share
}

// Reset forgets everything: packets take another path.
func (l *Loss) Reset() { *l = Loss{} }
