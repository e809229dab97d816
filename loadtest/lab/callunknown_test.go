package lab

import (
	"testing"
	"time"
)

// TestUnknownVoiceCountsByItsLength: from 10 s on the server makes the voice anew,
// and from 15 s on only a quarter of it is played.
func TestUnknownVoiceCountsByItsLength(t *testing.T) {
	spoken := spoke(sec, 20*sec)
	heard := hears(spoken, 0, func(int) bool { return false })[100:]
	kept := heard[:0]
	for i, h := range heard {
		if spoken[h.Number].At >= 10*sec {
			h.From, h.Number = -1, -1
		}
		if h.At < 15*sec || i%4 == 0 {
			kept = append(kept, h)
		}
	}
	thin := PersonRecording{Ready: 2 * sec, Connected: 2*sec + 500*ms, Heard: kept}
	m := judged(t, thin,
		Window{Name: "known", Spans: []Span{{5 * sec, 10 * sec}}},
		Window{Name: "anew", Spans: []Span{{10 * sec, 14 * sec}}},
		Window{Name: "less", Spans: []Span{{15 * sec, 17 * sec}}})
	near1(t, m, "thin.unheard.known", 0, 0)
	near1(t, m, "thin.unheard.anew", 0, 0)
	near1(t, m, "thin.unheard.less", 75, 3)
	if gap := m["thin.gap_ms.less"]; gap < 40 || gap > 80 {
		t.Errorf("the longest stretch of three lost of four packets is %v ms", gap)
	}
}

func TestUnknownVoiceServesOnce(t *testing.T) {
	u := unknownVoice{[]stretch{{1 * sec, 60 * ms}, {5 * sec, 20 * ms}}, 2 * sec}
	for _, step := range []struct {
		at, length time.Duration
		want       bool
	}{
		{990 * ms, 20 * ms, true},
		{1010 * ms, 40 * ms, true},
		{1030 * ms, 20 * ms, false}, // the next is played too late to be it
		{4 * sec, 20 * ms, true},
		{4020 * ms, 20 * ms, false},
	} {
		if got := u.take(SpokenRecord{At: step.at, Length: step.length}); got != step.want {
			t.Errorf("word of %v at %v: %v", step.length, step.at, got)
		}
	}
	late := unknownVoice{[]stretch{{sec, 100 * ms}}, 2 * sec}
	if late.take(SpokenRecord{At: 2 * sec, Length: 20 * ms}) {
		t.Error("a word was played before it was spoken")
	}
}
