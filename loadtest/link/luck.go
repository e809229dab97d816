package link

import (
	"math/rand/v2"
	"time"
)

// luck is everything that chance decides. Each purpose has numbers of its own,
// and draws as many of them whatever comes of it.
type luck struct {
	config  Config
	random  *rand.Rand // independent loss
	bursts  *rand.Rand
	bad     bool
	wander  *rand.Rand
	hold    *rand.Rand
	copy    *rand.Rand
	planned int // next of config.Loss.Packets
}

func newLuck(c Config) luck {
	return luck{
		config: c,
		random: generator(c.Seed, 1), bursts: generator(c.Seed, 2), wander: generator(c.Seed, 3),
		hold: generator(c.Seed, 4), copy: generator(c.Seed, 5),
	}
}

// loses says whether the link loses a packet, by its number.
func (l *luck) loses(number uint64) (lost bool) {
	loss := &l.config.Loss
	if loss.Random > 0 {
		lost = l.random.Float64() < loss.Random
	}
	if b := loss.Bursts; b.Enter > 0 || b.Good > 0 {
		change, hit := l.bursts.Float64(), l.bursts.Float64()
		if l.bad {
			l.bad = change >= b.Leave
		} else {
			l.bad = change < b.Enter
		}
		chance := b.Good
		if l.bad {
			chance = b.Bad
		}
		lost = lost || hit < chance
	}
	if l.planned < len(loss.Packets) && loss.Packets[l.planned] == number {
		l.planned++
		lost = true
	}
	return lost
}

// jitter is normal, cut off at three deviations.
func (l *luck) jitter() time.Duration {
	d := l.config.Jitter.Deviation
	if d == 0 {
		return 0
	}
	return time.Duration(max(-3, min(3, l.wander.NormFloat64())) * float64(d))
}

func (l *luck) holdsBack() bool {
	r := l.config.Reordering
	return r.Share > 0 && l.hold.Float64() < r.Share
}

func (l *luck) copies() bool {
	return l.config.Duplicate > 0 && l.copy.Float64() < l.config.Duplicate
}
