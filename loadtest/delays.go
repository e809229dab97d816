package loadtest

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/rivulet-rtc/rivulet/loadtest/media"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

// longest is the longest delay that is told apart.
const longest = time.Minute

// delays is a distribution of durations with two significant digits, from a
// microsecond to a minute. Its methods may be called from any goroutine.
type delays struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
}

func newDelays() *delays { return &delays{h: hdrhistogram.New(1, longest.Microseconds(), 2)} }

func (d *delays) add(v time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	// What is out of range becomes the nearest that is in it: never an error.
	_ = d.h.RecordValue(min(max(v.Microseconds(), 1), longest.Microseconds()))
}

func (d *delays) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.h.Reset()
}

// addTo adds the distribution to another.
func (d *delays) addTo(all *hdrhistogram.Histogram) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all.Merge(d.h)
}

// measure takes the one-way delay of a packet, if it is stamped.
func (d *delays) measure(p *packet.Packet) {
	if p.Recovered {
		return // its delay is that of a loss, and counted as recovered
	}
	if p.Kind.Video() {
		if s, ok := media.VideoStamp(p.Payload); ok {
			d.add(p.Arrival.Sub(s.Sent))
		}
		return
	}
	for s, rest, ok := media.FindStamp(p.Payload); ok; s, rest, ok = media.FindStamp(rest) {
		d.add(p.Arrival.Sub(s.Sent))
	}
}
