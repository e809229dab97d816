package jitter

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec/opuspkt"
)

func between(t *testing.T, name string, got, low, high float64) {
	t.Helper()
	if !(got >= low && got <= high) {
		t.Errorf("%s: %.4f, not between %.4f and %.4f", name, got, low, high)
	}
}

// On a clean link nothing is concealed and the delay is the least.
func TestCleanLink(t *testing.T) {
	s := call(t, stream(20*time.Second, false), 20*time.Second, nil)
	if s.Concealed+s.Starved+s.Skipped+s.Repaired > 0 || s.Played < 19800*ms || s.Late+s.Duplicate > 0 {
		t.Errorf("%+v", s)
	}
	between(t, "target in ms", float64(s.Target/ms), 20, 20)
	between(t, "delay in ms", float64(s.Delay/ms), 20, 65) // as it began: no pause, no tempo
}

// Jitter is met by delay, and delay goes when the jitter has gone.
func TestJitter(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	packets := stream(120*time.Second, false)
	for i := range packets {
		if packets[i].sent < 60*time.Second {
			packets[i].arrives += time.Duration(chance.Int64N(int64(100 * ms)))
		}
	}
	s := call(t, packets[:3000], 60*time.Second, nil)
	between(t, "missing", s.Missing(), 0, 0.015)
	between(t, "target in ms", float64(s.Target/ms), 90, 110)
	if s.Skipped > 0 {
		t.Errorf("%+v", s)
	}
	s = call(t, packets, 120*time.Second, nil)
	between(t, "target in ms, afterwards", float64(s.Target/ms), 20, 20)
}

// What is lost is concealed; what RED brings is played, once it is waited for;
// what LBRR brings is repaired.
func TestLoss(t *testing.T) {
	tests := []struct {
		name      string
		distance  int
		lbrr      bool
		low, high float64 // missing
	}{
		{"plain", 0, false, 0.085, 0.115},
		{"LBRR", 0, true, 0, 0.025},
		{"RED 1", 1, false, 0, 0.025},
		{"RED 2", 2, false, 0, 0.02},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			packets := stream(60*time.Second, test.lbrr)
			withRED(packets, test.distance)
			lose(packets, 0.1)
			s := call(t, packets, 60*time.Second, nil)
			between(t, "missing", s.Missing(), test.low, test.high)
			if (s.Recovered > 0) != (test.distance > 0) || (s.Repaired > 0) != test.lbrr || s.Skipped > 0 {
				t.Errorf("%+v", s)
			}
			if test.distance == 0 && s.Target > 30*ms {
				t.Errorf("waits %v for nothing", s.Target)
			}
		})
	}
}

// spurts is speech of 1 s and silence of 2 s in turn: with silent packets every
// 400 ms, or with nothing.
func spurts(length time.Duration, keepAlive bool) (packets []packet, spoken time.Duration) {
	sequence := uint16(0)
	for at := time.Duration(0); at < length; at += 20 * ms {
		in := at % (3 * time.Second)
		payload := voiced(1, false)
		if in >= time.Second {
			if in != time.Second && (!keepAlive || in%(400*ms) != 0) {
				continue
			}
			payload = []byte{speech}
		} else {
			spoken += 20 * ms
		}
		packets = append(packets, packet{sent: at, arrives: at + 50*ms,
			Packet: Packet{Sequence: sequence, Timestamp: origin + opuspkt.Samples(at), Payload: payload}})
		sequence++
	}
	return packets, spoken
}

// Silence that is not sent is no loss, with jitter and without, and the first
// packet after it is played.
func TestSilenceIsNoLoss(t *testing.T) {
	for _, keepAlive := range []bool{true, false} {
		for _, jitter := range []time.Duration{0, 15 * ms} {
			packets, spoken := spurts(60*time.Second, keepAlive)
			chance := rand.New(rand.NewPCG(3, 4))
			for i := range packets {
				packets[i].arrives += time.Duration(chance.Int64N(int64(jitter) + 1))
			}
			played := time.Duration(0)
			s := call(t, packets, 61*time.Second, func(_ time.Duration, f Frame) {
				if f.Kind == Play && len(f.Payload) > 2 {
					played += f.Duration
				}
			})
			if played != spoken || s.Concealed+s.Starved+s.Skipped > 0 {
				t.Errorf("alive %v, jitter %v: %v of %v played, %+v", keepAlive, jitter, played, spoken, s)
			}
		}
	}
}

// With loss in it, silence is still no loss: about as much is concealed as was
// lost of the speech.
func TestSilenceWithLoss(t *testing.T) {
	packets, spoken := spurts(120*time.Second, true)
	lose(packets, 0.1)
	gone := time.Duration(0)
	for _, p := range packets {
		if p.lost && len(p.Payload) > 2 {
			gone += 20 * ms
		}
	}
	s := call(t, packets, 121*time.Second, nil)
	// What fades out where a spurt's last packets are lost is beyond what was said.
	between(t, "concealed against lost", float64(s.Concealed)/float64(gone), 0.8, 1.3)
	between(t, "missing", s.Missing(), 0.05, 0.15)
	if s.Starved > spoken/20 {
		t.Errorf("starved %v", s.Starved)
	}
}

// Clocks that differ cost nothing but now and then a pause.
func TestClockSkew(t *testing.T) {
	for _, ppm := range []float64{-200, 200} {
		packets, _ := spurts(300*time.Second, true)
		for i := range packets {
			packets[i].sent -= time.Duration(float64(packets[i].sent) * ppm / 1e6)
			packets[i].arrives = packets[i].sent + 50*ms
		}
		s := call(t, packets, 300*time.Second, nil)
		between(t, "skew", s.Skew, ppm-20, ppm+20)
		between(t, "delay in ms", float64(s.Delay/ms), 15, 60)
		if s.Concealed+s.Starved+s.Skipped > 0 {
			t.Errorf("%v ppm: %+v", ppm, s)
		}
	}
	// In speech without a pause, by a player that cannot change its tempo, a
	// fast clock makes the delay grow, and a slow one conceals a little.
	for _, ppm := range []float64{-200, 200} {
		packets := stream(300*time.Second, false)
		for i := range packets {
			packets[i].arrives -= time.Duration(float64(packets[i].sent) * ppm / 1e6)
		}
		s := call(t, packets, 300*time.Second, nil)
		between(t, "missing", s.Missing(), 0, 0.001)
		between(t, "delay in ms", float64(s.Delay/ms), 0, 150)
	}
}

// A player that can change its tempo keeps the delay at its target.
func TestTempo(t *testing.T) {
	b, _ := New(DefaultConfig())
	start := time.Unix(5, 0)
	next, faster, slower := 0, 0, 0
	at := time.Duration(0)
	packets := stream(40*time.Second, false)
	for i := range packets { // the path gets 70 ms longer, then shorter
		if s := packets[i].sent / time.Second; s >= 10 && s < 20 {
			packets[i].arrives += 70 * ms
		}
	}
	var delay time.Duration
	for at < 40*time.Second {
		for next < len(packets) && packets[next].arrives <= at {
			b.Push(start.Add(packets[next].arrives), packets[next].Packet)
			next++
		}
		f := b.Pop(start.Add(at))
		switch f.Tempo {
		case Faster:
			faster++
			at -= f.Duration / 10
		case Slower:
			slower++
			at += f.Duration / 10
		}
		at += f.Duration
		delay = b.Stats().Delay
	}
	s := b.Stats()
	if faster == 0 || s.Skipped > 0 || delay > s.Target+later+20*ms {
		t.Errorf("%d faster, %d slower, delay %v, %+v", faster, slower, delay, s)
	}
}

// After an outage speech goes on where it is, not where it was.
func TestOutage(t *testing.T) {
	for _, delayed := range []bool{false, true} {
		packets := stream(30*time.Second, false)
		for i := range packets {
			if at := packets[i].sent; at >= 10*time.Second && at < 12*time.Second {
				packets[i].lost = !delayed
				packets[i].arrives = 12*time.Second + 50*ms
			}
		}
		worst := time.Duration(0)
		s := call(t, packets, 30*time.Second, func(at time.Duration, f Frame) {
			if f.Kind == Play && at > 13*time.Second {
				behind := at - time.Duration(int32(f.Timestamp-origin))*ms/48
				worst = max(worst, behind-50*ms)
			}
		})
		if s.LongestGap < 1800*ms || s.LongestGap > 2300*ms || worst > 500*ms+tooLate {
			t.Errorf("delayed %v: gap %v, then %v behind, %+v", delayed, s.LongestGap, worst, s)
		}
	}
}

// Packet times that change every two seconds do not interrupt.
func TestPacketTimeChanges(t *testing.T) {
	var packets []packet
	sequence := uint16(9)
	for at := time.Duration(0); at < 60*time.Second; sequence++ {
		count := []int{1, 3, 6, 2}[at/(2*time.Second)%4]
		length := time.Duration(count) * 20 * ms
		packets = append(packets, packet{arrives: at + length + 30*ms,
			Packet: Packet{Sequence: sequence, Timestamp: origin + opuspkt.Samples(at), Payload: voiced(count, false)}})
		at += length
	}
	s := call(t, packets, 60*time.Second, nil)
	between(t, "missing", s.Missing(), 0, 0.01)
	if s.Late+s.Duplicate > 0 || s.Skipped > 0 {
		t.Errorf("%+v", s)
	}
}

// Packets that are all equally late, as those are that were sent again, are waited
// for: a player that obeys the tempo does not stop just short of them.
func TestEquallyLate(t *testing.T) {
	packets := stream(60*time.Second, false)
	for i := range packets {
		if i%5 == 4 {
			packets[i].arrives += 130 * ms
		}
	}
	slices.SortStableFunc(packets, func(a, b packet) int { return cmp.Compare(a.arrives, b.arrives) })
	b, start := fresh(t), time.Unix(1000, 0)
	for at := time.Duration(0); at < 60*time.Second; {
		for len(packets) > 0 && packets[0].arrives <= at {
			b.Push(start.Add(packets[0].arrives), packets[0].Packet)
			packets = packets[1:]
		}
		f := b.Pop(start.Add(at))
		at += f.Duration - time.Duration(f.Tempo)*f.Duration/10
	}
	s := b.Stats()
	between(t, "missing", s.Missing(), 0, 0.02) // until the delay has grown
	between(t, "delay in ms", float64(s.Delay/ms), 130, 190)
}
