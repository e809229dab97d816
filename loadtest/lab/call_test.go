package lab

import (
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// spoke is a microphone that speaks from one time to another in packets of
// 20 ms.
func spoke(from, to time.Duration) (all []SpokenRecord) {
	for at := from; at < to; at += 20 * ms {
		all = append(all, SpokenRecord{At: at, Length: 20 * ms, Voice: true, Size: 30, TOC: 9 << 3})
	}
	return all
}

// hears is a player that plays the packets 100 ms after they were spoken, but
// for those that are missed, which it conceals.
func hears(spoken []SpokenRecord, from int, missed func(n int) bool) (all []HeardRecord) {
	for n, s := range spoken {
		h := HeardRecord{At: s.At + 100*ms, Length: s.Length, Kind: HeardVoice, From: from, Number: n}
		if missed(n) {
			h.Kind, h.From, h.Number = HeardConcealed, -1, -1
		}
		all = append(all, h)
	}
	return all
}

// judged measures a call of two of 20 s, of which thin's recording is given.
func judged(t *testing.T, thin PersonRecording, windows ...Window) map[string]Number {
	t.Helper()
	c := two(same(link.Config{Capacity: link.Constant(100 * units.Kbps), Delay: 50 * ms}), seeing)
	c.Windows = windows
	s := callRow("test", "test", 20*sec, c)
	far := PersonRecording{Ready: 0, Connected: sec, Spoken: spoke(sec, 20*sec)}
	r, _, err := JudgeCall(s, "full", 1, CallRecording{People: []PersonRecording{far, thin}})
	if err != nil {
		t.Fatal(err)
	}
	return r.More
}

func near1(t *testing.T, m map[string]Number, name string, want, off float64) {
	t.Helper()
	if v, ok := m[name]; !ok || math.IsNaN(float64(v)) || math.Abs(float64(v)-want) > off {
		t.Errorf("%s is %v, want %v", name, v, want)
	}
}

// TestHolesAreMeasured loses 10 packets in a row out of each 100.
func TestHolesAreMeasured(t *testing.T) {
	spoken := spoke(sec, 20*sec)
	thin := PersonRecording{
		Ready: 2 * sec, Connected: 2*sec + 500*ms,
		Heard: hears(spoken, 0, func(n int) bool { return n < 100 || n%100 >= 90 })[100:],
	}
	m := judged(t, thin, Window{Name: "w", Spans: []Span{{10 * sec, 12 * sec}}})
	near1(t, m, "thin.first_sound_s", 1.1, 0.001) // spoken at 3 s, played at 3.1
	near1(t, m, "thin.hole", 10, 1)
	near1(t, m, "thin.unheard", 10, 1.5)
	near1(t, m, "thin.unheard.w", 10, 0.1)
	near1(t, m, "thin.gap_ms", 200, 0)
	near1(t, m, "thin.delay_ms_p50", 120, 0) // a packet's sound begins 20 ms before it is sent
	if lost := m["thin.mos_lost"]; !(lost > 0.3) {
		t.Errorf("a tenth lost in bursts costs %v of the MOS", lost)
	}
	// Nothing lost costs nothing; and what is played and unknown is no hole.
	thin.Heard = hears(spoken, 0, func(int) bool { return false })[100:]
	m = judged(t, thin)
	near1(t, m, "thin.hole", 0, 0)
	near1(t, m, "thin.unheard", 0, 0)
	near1(t, m, "thin.mos_lost", 0, 0)
	// Packets of two frames: the second is no later word.
	whole := thin.Heard
	thin.Heard = nil
	for _, h := range whole {
		h.Length /= 2
		thin.Heard = append(thin.Heard, h)
		h.At += h.Length
		thin.Heard = append(thin.Heard, h)
	}
	m = judged(t, thin)
	near1(t, m, "thin.delay_ms_p50", 120, 0)
	near1(t, m, "thin.delay_ms_p95", 120, 0)
	near1(t, m, "thin.unheard", 0, 0)
	if _, ok := m["far.first_sound_s"]; !ok || !math.IsNaN(float64(m["far.first_sound_s"])) {
		t.Errorf("who heard nothing heard it after %v", m["far.first_sound_s"])
	}
}

// TestNumbersWrap: packets carry 16 bits of their number.
func TestNumbersWrap(t *testing.T) {
	spoken := spoke(0, 1400*sec)
	for _, c := range []struct {
		low    int
		before time.Duration
		want   int
	}{
		{5, sec, 5}, {5, 1400 * sec, 65541}, {5, 1300 * sec, 5}, {65000, 1400 * sec, 65000}, {5, 0, -1}, {-1, sec, -1},
	} {
		if n := numbered(spoken, c.low, c.before); n != c.want {
			t.Errorf("number %d before %v is packet %d, want %d", c.low, c.before, n, c.want)
		}
	}
	if n := numbered(nil, 3, sec); n != -1 {
		t.Errorf("packet %d of none", n)
	}
}

// TestReturnIsMeasured has nothing for three seconds, then half a second of what
// is old.
func TestReturnIsMeasured(t *testing.T) {
	spoken := spoke(sec, 20*sec)
	var heard []HeardRecord
	for _, h := range hears(spoken, 0, func(int) bool { return false }) {
		switch s := spoken[h.Number].At; {
		case s >= 7*sec && s < 9500*ms: // never
		case s >= 9500*ms && s < 10*sec:
			h.At = s + 700*ms // stale
			heard = append(heard, h)
		default:
			if s >= 10*sec {
				h.At += 600 * ms
			}
			heard = append(heard, h)
		}
	}
	thin := PersonRecording{
		Ready: 2 * sec, Connected: 2 * sec, Heard: heard,
		Seen: []SeenRecord{{At: 10*sec + 800*ms, Height: 180}},
	}
	m := judged(t, thin, Window{Name: "back", Spans: []Span{{10 * sec, 18 * sec}}})
	near1(t, m, "thin.voice_back_ms.back", 200, 0)
	near1(t, m, "thin.stale_voice_ms.back", 500, 0)
	near1(t, m, "thin.fresh_voice_ms.back", 700, 0)
	near1(t, m, "thin.picture_back_ms.back", 800, 0)
	near1(t, m, "thin.gap_ms", 2500, 0)
}

// TestPicturesAreMeasured freezes a picture for two seconds, and then pauses it
// with a reason.
func TestPicturesAreMeasured(t *testing.T) {
	thin := PersonRecording{Ready: 2 * sec, Connected: 2 * sec}
	for at := 2 * sec; at < 20*sec; at += 40 * ms {
		if (at < 8*sec || at >= 10*sec) && (at < 12*sec || at >= 16*sec) {
			thin.Seen = append(thin.Seen, SeenRecord{At: at, Width: 320, Height: 180})
		}
	}
	thin.Told = []ToldRecord{{At: 12 * sec, Paused: true, Reason: "bandwidth"}, {At: 16 * sec, Reason: "restored"}}
	windows := []Window{
		{Name: "good", Spans: []Span{{4 * sec, 8 * sec}}}, {Name: "half", Spans: []Span{{8 * sec, 12 * sec}}, Against: "good"},
	}
	m := judged(t, thin, windows...)
	near1(t, m, "thin.freeze_s", 2, 0.05)
	near1(t, m, "thin.freezes_per_minute", 3, 0)
	near1(t, m, "thin.paused_s", 4, 0)
	near1(t, m, "thin.fps.good", 25, 0.3)
	near1(t, m, "thin.height.good", 180, 0)
	near1(t, m, "thin.pictures_kept.half", 50, 1)
	// Without a message the pause is a freeze.
	thin.Told = nil
	near1(t, judged(t, thin, windows...), "thin.freeze_s", 4, 0.05)
	// Who never saw anything saw a picture that stands still.
	thin.Seen = nil
	near1(t, judged(t, thin), "thin.freeze_s", 18, 0)
}

// TestWireIsMeasured counts bytes and waits of both directions.
func TestWireIsMeasured(t *testing.T) {
	thin := PersonRecording{Ready: 2 * sec, Connected: 2 * sec}
	for at := time.Duration(0); at < 20*sec; at += 10 * ms {
		p := PacketRecord{Sent: at, Arrived: at + 60*ms, Waited: 10 * ms, Size: 125, Voice: at%(20*ms) == 0}
		if at%sec == 0 {
			p.Drop = link.Overflowed
		}
		thin.Down = append(thin.Down, p)
	}
	thin.Up = []PacketRecord{{Sent: 2100 * ms, Arrived: 2200 * ms, Size: 900, Stream: true}}
	m := judged(t, thin)
	near1(t, m, "thin.rate_down_kbps", 100, 0.1)
	near1(t, m, "thin.voice_down_kbps", 50, 0.1)
	near1(t, m, "thin.queue_down_ms_p95", 10, 0)
	near1(t, m, "thin.added_loss_down", 1, 0.01)
	near1(t, m, "thin.join_signalling_up_kb", 0.9, 0)
	near1(t, m, "thin.join_signalling_down_kb", 0, 0)
}

func TestCallsAreValidated(t *testing.T) {
	for name, change := range map[string]func(c *Call){
		"alone":         func(c *Call) { c.People = c.People[:1] },
		"no network":    func(c *Call) { c.People[0].Networks = nil },
		"same name":     func(c *Call) { c.People[1].Name = c.People[0].Name },
		"joins late":    func(c *Call) { c.People[1].Join = 30 * sec },
		"wrong link":    func(c *Call) { c.People[1].Networks[0].Up.Loss.Random = 2 },
		"absurd camera": func(c *Call) { c.People[1].Camera = 100_000 },
	} {
		c := two(same(link.Config{}), nil)
		change(c)
		if s := callRow("x", "x", 20*sec, c); s.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, _, err := Run(callRow("x", "x", 20*sec, two(near(), nil)), 1); err == nil {
		t.Error("the exact back end runs a call")
	}
}
