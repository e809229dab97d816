package lab

import (
	"cmp"
	"slices"
	"time"
)

// longer is how much later than usual a word may be played that the server made
// anew.
const longer = 500 * time.Millisecond

// unknownVoice is voice that was played and bears nobody's mark, since the server
// made it anew: thinner, or out of several voices. Which packets are in it cannot
// be told; how much of it there was, and when, can.
type unknownVoice struct {
	played []stretch
	latest time.Duration // after it was spoken that a word may be played
}

// stretch is voice that was played from a time on.
type stretch struct{ at, length time.Duration }

// unknown answers the unknown voice that a person heard, in order.
func (m *personMeter) unknown() unknownVoice {
	u := unknownVoice{latest: longer}
	if known := m.delays(&Window{Spans: []Span{{0, m.call.plan.Duration}}}); len(known) > 0 {
		u.latest += quantile(known, 0.5)
	}
	for _, h := range m.rec.Heard {
		if h.Kind == HeardVoice && h.From < 0 {
			u.played = append(u.played, stretch{h.At, h.Length})
		}
	}
	slices.SortStableFunc(u.played, func(a, b stretch) int { return cmp.Compare(a.at, b.at) })
	return u
}

// take takes as much as one word lasts from what was played after it was spoken,
// oldest first, and reports whether there was that much. Each stretch serves
// once, so that what was played for half of the time makes up for half of the
// words. Words must come in the order in which they were spoken.
func (u *unknownVoice) take(word SpokenRecord) bool {
	for len(u.played) > 0 && u.played[0].at+u.played[0].length <= word.At {
		u.played = u.played[1:]
	}
	need := word.Length
	for need > 0 && len(u.played) > 0 && u.played[0].at <= word.At+u.latest {
		s := &u.played[0]
		got := min(need, s.length)
		need -= got
		s.length -= got
		s.at += got
		if s.length == 0 {
			u.played = u.played[1:]
		}
	}
	return need == 0
}
