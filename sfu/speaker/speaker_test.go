package speaker

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const ptime = 20 * time.Millisecond

var start = time.Date(2026, 11, 23, 12, 0, 0, 7, time.UTC)

// voice is what one source sends at one instant.
type voice struct {
	id       uint32
	level    uint8
	hasLevel bool
	active   bool
	size     int
	nothing  bool // no packet: discontinuous transmission or muted
}

func speaks(id uint32, level uint8) voice {
	return voice{id: id, level: level, hasLevel: true, active: true, size: 60}
}

func noise(id uint32, level uint8) voice {
	return voice{id: id, level: level, hasLevel: true, size: 40}
}

// room plays packets to a detector in virtual time and counts how often the
// set of its first n sources changes.
type room struct {
	d        *Detector
	now      time.Time
	n        int
	top      []uint32
	switches int
}

func newRoom(n int) *room { return &room{d: New(Config{}), now: start, n: n} }

func (r *room) play(length time.Duration, sound func(at time.Duration) []voice) {
	for at := time.Duration(0); at < length; at += ptime {
		for _, v := range sound(at) {
			if !v.nothing {
				r.d.Observe(r.now, v.id, v.level, v.hasLevel, v.active, v.size)
			}
		}
		r.now = r.now.Add(ptime)
		if at%(100*time.Millisecond) == 0 {
			r.d.Update(r.now)
			top := r.d.Top(r.n)
			slices.Sort(top)
			if len(r.top) == r.n && !slices.Equal(top, r.top) {
				r.switches++
			}
			r.top = top
		}
	}
}

func always(v ...voice) func(time.Duration) []voice {
	return func(time.Duration) []voice { return v }
}

func (r *room) expect(t *testing.T, ids ...uint32) {
	t.Helper()
	top := r.d.Top(r.n)
	slices.Sort(top)
	if !slices.Equal(top, ids) {
		t.Fatalf("top %d: got %v, want %v (speakers %+v)", r.n, top, ids, r.d.Speakers(r.now))
	}
}

func TestEverybodyIsHeardWhileThereAreEnoughSlots(t *testing.T) {
	r := newRoom(3)
	r.play(ptime, always(noise(7, 90), noise(2, 127)))
	r.expect(t, 2, 7)
}

func TestSilentSpeakerKeepsItsSlotUntilAnotherNeedsIt(t *testing.T) {
	r := newRoom(2)
	r.play(2*time.Second, always(speaks(1, 30), noise(2, 90), noise(3, 90), noise(4, 90)))
	r.play(2*time.Second, always(noise(1, 90), speaks(2, 30), noise(3, 90), noise(4, 90)))
	r.expect(t, 1, 2)
	r.play(60*time.Second, always(noise(1, 90), noise(2, 90), noise(3, 90), noise(4, 90)))
	r.expect(t, 1, 2) // all silent: nobody moves
	r.play(2*time.Second, always(noise(1, 90), noise(2, 90), noise(3, 90), speaks(4, 40)))
	r.expect(t, 2, 4) // 1 has been silent for longer than 2
	if r.switches != 1 {
		t.Fatalf("got %d switches, want 1", r.switches)
	}
}

func TestOnsetWaitsAndThenTakesTheSlot(t *testing.T) {
	r := newRoom(1)
	r.play(2*time.Second, always(speaks(1, 30), noise(2, 90)))
	r.play(2*time.Second, always(noise(1, 90), noise(2, 90)))
	r.play(200*time.Millisecond, always(noise(1, 90), speaks(2, 20)))
	r.expect(t, 1) // a cough of 200 ms takes no slot
	r.play(300*time.Millisecond, always(noise(1, 90), speaks(2, 20)))
	r.expect(t, 2)
}

func TestChallengerMustBeClearlyLouderAndLast(t *testing.T) {
	tests := []struct {
		name       string
		challenger uint8
		length     time.Duration
		want       uint32
	}{
		{"as loud", 30, 30 * time.Second, 1},
		{"a little louder", 26, 30 * time.Second, 1},
		{"clearly louder, for a moment", 10, 500 * time.Millisecond, 1},
		{"clearly louder, and lasting", 10, 2 * time.Second, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRoom(1)
			r.play(3*time.Second, always(speaks(1, 30), noise(2, 90)))
			r.play(test.length, always(speaks(1, 30), speaks(2, test.challenger)))
			r.expect(t, test.want)
		})
	}
}

func TestLoudestIsNotSwappedAmongSeveralSpeaking(t *testing.T) {
	r := newRoom(3)
	generator := rand.New(rand.NewPCG(1, 2))
	r.play(60*time.Second, func(time.Duration) []voice {
		var all []voice
		for id := uint32(1); id <= 6; id++ {
			level := uint8(35 + generator.IntN(20)) // fluctuates, equal on average
			if id == 4 {
				level -= 15
			}
			all = append(all, speaks(id, level))
		}
		return all
	})
	if top := r.d.Top(1); top[0] != 4 {
		t.Fatalf("loudest is %d, want 4", top[0])
	}
	if r.switches > 1 { // 4 enters once
		t.Fatalf("got %d switches in a minute, want at most 1", r.switches)
	}
}

func TestNoiseStealsNoSlot(t *testing.T) {
	generator := rand.New(rand.NewPCG(3, 4))
	tests := []struct {
		name  string
		noisy func() voice
	}{
		{"loud but never flagged as voice, from a sender that flags", func() voice { return noise(3, 20) }},
		{"flagged but too quiet", func() voice { return speaks(3, 70) }},
		{"flagged now and then", func() voice {
			v := noise(3, uint8(30+generator.IntN(20)))
			v.active = generator.IntN(3) == 0
			return v
		}},
		{"constant hum without flags", func() voice { return noise(4, 40) }},
		{"wild noise without flags", func() voice { return noise(4, uint8(35+generator.IntN(20))) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRoom(1)
			r.play(2*time.Second, always(speaks(1, 30), speaks(3, 100)))
			r.play(60*time.Second, func(time.Duration) []voice {
				return []voice{noise(1, 90), test.noisy()}
			})
			r.expect(t, 1)
			if r.switches != 0 {
				t.Fatalf("got %d switches, want none", r.switches)
			}
		})
	}
}

func TestSpeechIsRecognisedWithoutFlags(t *testing.T) {
	r := newRoom(1)
	r.play(2*time.Second, always(noise(1, 60), noise(2, 60)))
	r.play(10*time.Second, func(at time.Duration) []voice {
		level := uint8(30) // words of 600 ms, pauses of 200 ms
		if at%(800*time.Millisecond) >= 600*time.Millisecond {
			level = 60
		}
		return []voice{noise(1, 60), noise(2, level)}
	})
	r.expect(t, 2)
	if levels := r.d.Speakers(r.now); levels[0].Speaking || !levels[1].Speaking {
		t.Fatalf("got %+v, want only 2 speaking", levels)
	}
}

func TestWithoutLevelsSizeDecides(t *testing.T) {
	size := func(id uint32, bytes int) voice { return voice{id: id, size: bytes} }
	r := newRoom(1)
	r.play(2*time.Second, always(size(1, 70), size(2, 2)))
	r.expect(t, 1)
	r.play(2*time.Second, func(at time.Duration) []voice { // 1 sends silence every 400 ms
		first := size(1, 2)
		first.nothing = at%(400*time.Millisecond) != 0
		return []voice{first, size(2, 70)}
	})
	r.expect(t, 2)
	r.play(5*time.Second, always(size(2, 30), size(1, 2))) // less than half its peak: background
	if levels := r.d.Speakers(r.now); levels[1].Speaking {
		t.Fatalf("got %+v, want nobody speaking", levels)
	}
}

func TestSenderThatVanishesFallsSilent(t *testing.T) {
	r := newRoom(1)
	r.play(2*time.Second, always(speaks(1, 20)))
	if l := r.d.Speakers(r.now)[0]; !l.Speaking || l.DBov > 25 {
		t.Fatalf("got %+v, want 1 speaking at about 20", l)
	}
	r.play(1500*time.Millisecond, always())
	if l := r.d.Speakers(r.now)[0]; l.Speaking || l.DBov < 100 {
		t.Fatalf("got %+v, want silence", l)
	}
}

func TestRemove(t *testing.T) {
	r := newRoom(2)
	r.play(2*time.Second, always(speaks(1, 30), speaks(2, 10), speaks(3, 30)))
	r.d.Remove(2)
	r.d.Remove(99)
	r.d.Update(r.now)
	r.expect(t, 1, 3)
	if levels := r.d.Speakers(r.now); len(levels) != 2 {
		t.Fatalf("got %+v, want two sources", levels)
	}
	if top := r.d.Top(-1); len(top) != 0 {
		t.Fatalf("Top(-1) is %v", top)
	}
}

// TestSwitchesAreBounded plays arbitrary fluctuating noise and speech. A change
// of the first n needs Onset of speech by the newcomer, so no source can enter
// more often than the time of speech that it spent allows.
func TestSwitchesAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		generator := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		sources := rapid.IntRange(2, 8).Draw(t, "sources")
		flags := rapid.Bool().Draw(t, "flags")
		swing := rapid.IntRange(1, 25).Draw(t, "swing")
		duty := rapid.IntRange(0, 40).Draw(t, "duty") // per cent of packets flagged: below half is noise
		n := rapid.IntRange(1, 3).Draw(t, "n")
		r := newRoom(n)
		sound := func(time.Duration) []voice {
			var all []voice
			for id := range sources {
				v := noise(uint32(id), uint8(35+generator.IntN(swing)))
				v.active = flags && generator.IntN(100) < duty
				all = append(all, v)
			}
			return all
		}
		r.play(time.Minute, sound)
		if r.switches > 6 {
			t.Fatalf("%d switches in a minute of noise", r.switches)
		}
	})
}

// TestRankingIsConsistent gives arbitrary input: every source is ranked exactly
// once, equal inputs give equal rankings, levels stay in range.
func TestRankingIsConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := New(Config{}), New(Config{})
		now := start
		known := 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(-5, 300).Draw(t, "ms")) * time.Millisecond)
			id := rapid.Uint32Range(0, 9).Draw(t, "id")
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				a.Remove(id)
				b.Remove(id)
			case 1, 2:
				if a.Update(now) != b.Update(now) {
					t.Fatal("equal inputs, unequal answers")
				}
			default:
				level, size := rapid.Byte().Draw(t, "level"), rapid.IntRange(-1, 1500).Draw(t, "size")
				has, active := rapid.Bool().Draw(t, "has"), rapid.Bool().Draw(t, "active")
				a.Observe(now, id, level, has, active, size)
				b.Observe(now, id, level, has, active, size)
			}
			top := a.Top(100)
			if !slices.Equal(top, b.Top(100)) {
				t.Fatal("equal inputs, unequal rankings")
			}
			known = len(a.byID)
			slices.Sort(top)
			if len(top) != known || len(slices.Compact(top)) != known {
				t.Fatalf("ranking %v of %d sources", top, known)
			}
			for _, l := range a.Speakers(now) {
				if l.DBov > silence {
					t.Fatalf("level out of range: %+v", l)
				}
			}
		}
	})
}

func TestObserveAllocatesNothing(t *testing.T) {
	d := New(Config{})
	now := start
	var top []uint32
	var levels []Level
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(ptime)
		for id := range uint32(5) {
			d.Observe(now, id, uint8(20+id), true, true, 60)
		}
		d.Update(now)
		top = d.AppendTop(top[:0], 3)
		levels = d.AppendSpeakers(now, levels[:0])
	}); n != 0 {
		t.Fatalf("%v allocations, want none", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	d := New(Config{})
	for id := range uint32(100) {
		d.Observe(start, id, 40, true, true, 60)
	}
	now, id := start, uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Millisecond)
		id = (id + 37) % 100
		d.Observe(now, id, 40, true, true, 60)
	}
}

func BenchmarkUpdate(b *testing.B) {
	d := New(Config{})
	now := start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(100 * time.Millisecond)
		for id := range uint32(100) {
			d.Observe(now, id, uint8(30+id), true, id < 5, 60)
		}
		d.Update(now)
	}
}
