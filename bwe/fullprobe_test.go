package bwe

import (
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// cluster sends packets of these sizes at a rate, each after the one before, and lets
// them come over a link that carries so much, and answers what they told.
func cluster(p *probing, in, link units.Rate, sizes []int32) outcome {
	at, free := int64(time.Second), int64(0)
	for i, size := range sizes {
		s := &sent{sequence: int64(i), size: size, probe: p.id, at: at}
		p.onSent(at, s, true)
		free = max(free, at) + int64(units.Size(size).At(link))
		p.onReport(s, true, free)
		at += int64(units.Size(size).At(in))
	}
	return p.outcome(link, 0, time.Millisecond)
}

// Packets of a cluster differ in size where media is among its padding: whichever
// comes first, a link of 80 kbit/s is told to carry that, and one that carries
// more than was sent to carry what was sent. With a large one first padding was found to
// be sent at a third of the rate, and to get through.
func TestClusterOfUnequalPackets(t *testing.T) {
	const in = 160 * units.Kbps
	for _, c := range []struct {
		name  string
		sizes []int32
	}{
		{"equal", []int32{120, 120, 120, 120, 120}},
		{"media first", []int32{992, 120, 120, 120, 120}},
		{"media last", []int32{120, 120, 120, 120, 992}},
		{"media in the midst", []int32{120, 120, 992, 120, 120}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, link := range []units.Rate{80 * units.Kbps, 320 * units.Kbps} {
				p := probing{}
				p.start(1, in, 5000)
				p.full = true
				o := cluster(&p, in, link, c.sizes)
				want := min(in, link)
				if !o.ok || o.through && link < in || o.rate < want.Scale(0.97) || o.rate > want.Scale(1.1) {
					t.Errorf("%v: %+v, want %v", link, o, want)
				}
			}
		})
	}
}

// Beside media that fills the path only what a probe adds counts: it is not sent
// with one packet of media, and its padding is no more than half of the queue that
// a probe may cause, where that measures.
func TestProbeBesideMedia(t *testing.T) {
	const capacity = 80 * units.Kbps
	for _, c := range []struct {
		name  string
		sizes []int32 // 992: media
		until int     // packets until it is sent
	}{
		{"media first", []int32{992, 120, 120, 120, 120}, 4},
		{"media later", []int32{120, 992, 120, 120, 120}, 4},
		{"no padding", []int32{992, 992, 992, 992}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p probing
			p.start(1, 2*capacity, besideLeast)
			p.full = true
			n := 0
			for p.sending && n < len(c.sizes) {
				size := c.sizes[n]
				p.onSent(int64(n+1), &sent{sequence: int64(n), size: size, probe: p.id}, size == 992)
				n++
			}
			if p.sending || n != c.until {
				t.Errorf("sent after %d packets (still being sent: %v), want %d", n, p.sending, c.until)
			}
		})
	}
	c, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		capacity units.Rate
		noise    time.Duration
		size     units.Size
	}{
		{80 * units.Kbps, 0, besideLeast},
		{units.Mbps, 0, 2500},                       // 20 ms
		{units.Mbps, 10 * time.Millisecond, 10_000}, // eight times the jitter
	} {
		c.capacity, c.delays.noise = want.capacity, float64(want.noise)
		if got := c.besideMedia(40 * time.Millisecond); got != want.size {
			t.Errorf("%v with %v of jitter: %v may be added, want %v", want.capacity, want.noise, got, want.size)
		}
	}
}

// Padding of a size that never came without a queue has no base delay of its own: in
// a queue it waits as long as the media before it, and not at all is no answer.
func TestPaddingWaitsBehindMedia(t *testing.T) {
	const ms = int64(time.Millisecond)
	var a arrivals
	a.add(&sent{sequence: 1, at: 0, size: 1000, through: 1000}, 130*ms, 0)
	a.add(&sent{sequence: 2, at: 50 * ms, size: 1000, through: 2000}, 230*ms, 50*ms)
	perByte := 8e9 / 80e3
	if got := a.behind(60*ms, perByte); got != 140*ms {
		t.Errorf("10 ms after a packet that waits for 50 ms and takes 100 ms, padding waits for %v", time.Duration(got))
	}
	if got := a.behind(300*ms, perByte); got > 0 {
		t.Errorf("after the queue has drained padding waits for %v", time.Duration(got))
	}
}
