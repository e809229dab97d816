package voice

import (
	"math"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
)

// Redundancy begins with loss that is worth it and ends well below.
func TestLossHasTwoThresholds(t *testing.T) {
	var l Loss
	now := epoch
	note := func(percent float64, packets int) {
		for i := range packets {
			missed := 0.0
			if int(float64(i+1)*percent/100) > int(float64(i)*percent/100) {
				missed = 1
			}
			now = now.Add(60 * ms)
			l.Note(now, 1-missed, missed)
		}
	}
	note(50, 10)
	if l.Share() != 0 {
		t.Errorf("%.3f after 10 packets, which say nothing yet", l.Share())
	}
	l.Reset()
	note(1, 1000)
	if l.Share() != 0 {
		t.Errorf("1 %% from nothing counts as %.3f", l.Share())
	}
	note(20, 500)
	if s := l.Share(); s < 0.17 || s > 0.23 {
		t.Errorf("20 %% counts as %.3f", s)
	}
	note(1, 1000)
	if l.Share() == 0 {
		t.Error("1 % after more counts as nothing: redundancy flaps")
	}
	note(0, 500)
	if l.Share() != 0 {
		t.Errorf("after half a minute without loss %.3f is reckoned with", l.Share())
	}
	l.Note(now, -1, 5)
	l.Note(now.Add(-time.Hour), 0, 0)
}

// wide is a packet of wideband sound (RFC 6716 §3.1: configuration 9).
func wide(size int) []byte { return append([]byte{9 << 3}, make([]byte, size-1)...) }

// The rate is that of speech: silence dilutes the duty and not the rate.
func TestMeter(t *testing.T) {
	var m Meter
	talk := func(payload units.Rate, d time.Duration) {
		for range d / (500 * ms) {
			for range 25 {
				m.add(wide(int(payload.In(20*ms))), 20*ms)
			}
			m.Take(500 * ms)
		}
	}
	talk(12_000, 5*time.Second)
	if m.Rate() < 11_900 || m.Rate() > 12_100 || m.Duty() != 1 || m.Packet() != 20*ms || m.Bandwidth() != opuspkt.Wideband {
		t.Errorf("measured %v in packets of %v, duty %.2f", m.Rate(), m.Packet(), m.Duty())
	}
	for range 120 {
		m.Take(500 * ms)
	}
	if m.Rate() < 11_900 || m.Duty() > 0.1 {
		t.Errorf("after a minute of silence %v with a duty of %.2f", m.Rate(), m.Duty())
	}
	talk(30_000, time.Second)
	if m.Rate() < 22_000 || m.Duty() != 1 {
		t.Errorf("a second of more counts as %v, duty %.2f", m.Rate(), m.Duty())
	}
	talk(30_000, 5*time.Second)
	talk(12_000, time.Second)
	if m.Rate() < 22_000 {
		t.Errorf("a second of less counts as %v", m.Rate())
	}
}

func TestLengthOf(t *testing.T) {
	for _, c := range []struct {
		payload []byte
		want    time.Duration
	}{
		{nil, 0}, {[]byte{silkWide20}, 20 * ms}, {[]byte{silkWide20 | 1}, 40 * ms}, {[]byte{silkWide20 | 2, 0}, 40 * ms},
		{[]byte{silkWide20 | 3}, 0}, {[]byte{silkWide20 | 3, 0x83}, 60 * ms}, {[]byte{silkWide20 | 3, 7}, 0}, {[]byte{silkWide20 | 3, 0}, 0},
	} {
		if got := lengthOf(c.payload); got != c.want {
			t.Errorf("%x lasts %v, want %v", c.payload, got, c.want)
		}
	}
}

// Losses that follow each other make the next one likelier; what is known of few
// is the usual.
func TestLossComesInRuns(t *testing.T) {
	var random, bursts Loss
	if got := random.Again(); math.Abs(got-together) > 0.001 {
		t.Errorf("of nothing %.3f", got)
	}
	for i := range 200 {
		now := epoch.Add(time.Duration(i) * 200 * time.Millisecond)
		random.Note(now, 9, 1)
		random.Runs(1, 1)
		bursts.Note(now, 40, 4)
		bursts.Runs(4, 1)
	}
	if got := random.Again(); got > 0.08 {
		t.Errorf("of single losses %.3f", got)
	}
	if got := bursts.Again(); got < 0.65 || got > 0.75 {
		t.Errorf("of runs of four %.3f", got)
	}
	shape := Shape{Payload: 12_000, Overhead: 50}
	once := Mode{Packet: 20 * time.Millisecond, Redundancy: 1}
	lost, burst, _ := Conditions{Shape: shape, Loss: 0.1, Again: 0.75}.Heard(once)
	if math.Abs(lost-0.075) > 0.001 || burst < 3.5 {
		t.Errorf("a copy against runs of four: %.3f lost, burst ratio %.1f", lost, burst)
	}
	if lost, burst, _ = (Conditions{Shape: shape, Loss: 0.1, Again: 0.1}).Heard(once); math.Abs(lost-0.01) > 0.001 || burst > 1.2 {
		t.Errorf("a copy against single losses: %.3f lost, burst ratio %.1f", lost, burst)
	}
}
