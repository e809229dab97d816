package feedback

import (
	"errors"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// history is how many sequence numbers the recorder looks back: two
	// seconds at 12 Mbit/s. A jump beyond it starts over.
	history = 2048
	// reportOverhead is what a report weighs beyond its own bytes, if nobody says
	// otherwise: IPv4, UDP, SRTCP index and the tag of ten bytes that every stack
	// has (RFC 5764 §4.1.2).
	reportOverhead units.Size = 20 + 8 + 4 + 10
)

// RecorderConfig sets a Recorder up; begin with DefaultRecorderConfig.
type RecorderConfig struct {
	// SenderSSRC and MediaSSRC go into every report.
	SenderSSRC, MediaSSRC uint32
	// Interval is that of the first reports; then they come as often as Share of
	// what arrives pays for, within MinInterval and MaxInterval.
	Interval, MinInterval, MaxInterval time.Duration
	// Share of what arrives that reports may cost, in bytes on the wire.
	Share float64
	// MaxSize bounds one report in bytes, RTCP header included.
	MaxSize int
	// Overhead is what the wire adds to one, in bytes, 0 to 200.
	Overhead units.Size
}

// DefaultRecorderConfig reports as often as 2.5 % of the rate pays for (a little
// less, for the first reports are on credit), from 20 times a second to once.
func DefaultRecorderConfig() RecorderConfig {
	return RecorderConfig{
		Interval:    100 * time.Millisecond,
		MinInterval: 50 * time.Millisecond,
		MaxInterval: time.Second,
		Share:       0.0245,
		MaxSize:     1100,
		Overhead:    reportOverhead,
	}
}

// Validate says what is wrong with the configuration.
func (c RecorderConfig) Validate() error {
	switch {
	case c.MinInterval < time.Millisecond || c.MaxInterval < c.MinInterval || c.MaxInterval > 8*time.Second:
		return fmt.Errorf("feedback: intervals %v to %v are not rising within 1ms to 8s", c.MinInterval, c.MaxInterval)
	case c.Interval < c.MinInterval || c.Interval > c.MaxInterval:
		return fmt.Errorf("feedback: interval %v is outside %v to %v", c.Interval, c.MinInterval, c.MaxInterval)
	case !(c.Share > 0 && c.Share <= 1):
		return fmt.Errorf("feedback: share %v is outside 0 to 1", c.Share)
	case c.Overhead < 0 || c.Overhead > 200:
		return fmt.Errorf("feedback: overhead of %d bytes is outside 0 to 200", c.Overhead)
	case c.MaxSize < 700 || c.MaxSize > 65000:
		// A full history of missing packets takes 606 bytes of vectors.
		return errors.New("feedback: report size must be 700 to 65000 bytes")
	}
	return nil
}

// Recorder notes what arrives on one path and writes reports of it: by
// transport-wide number (OnArrival, in TWCC), or by stream (OnStream, in RFC
// 8888); one path uses one of them. It belongs to one goroutine.
type Recorder struct {
	cfg     RecorderConfig
	epoch   time.Time
	latest  time.Time     // time does not go back
	path    numbering     // transport-wide; without a ring: nothing came yet
	streams []stream      // or each by itself, in order of appearance
	scratch [history]byte // symbols of the report being built
	urgent  bool          // do not wait the whole interval
	last    time.Time     // when the last report was built, or the first packet came
	gap     float64       // between reports, as the sender is used to; nanoseconds
	count   uint8         // of reports
	budget  budget
	pace    pace
	trend   trend
}

// NewRecorder answers a recorder to which nothing has come yet.
func NewRecorder(cfg RecorderConfig) (*Recorder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Recorder{cfg: cfg, budget: newBudget(cfg)}, nil
}

// SetMedia changes the SSRC that reports name as media source.
func (r *Recorder) SetMedia(ssrc uint32) { r.cfg.MediaSSRC = ssrc }

// OnArrival notes a packet by its transport-wide sequence number. size is
// what it weighs on the wire.
func (r *Recorder) OnArrival(now time.Time, sequence uint16, size units.Size) {
	now = r.weigh(now, size)
	if r.path.ring == nil {
		r.path.ring = make([]arrived, history)
		r.path.begin(sequence)
	}
	if r.path.note(sequence, r.stamp(now, 0)) {
		r.urgent = true
	}
}

// weigh counts an arrival, of whatever numbering.
func (r *Recorder) weigh(now time.Time, size units.Size) time.Time {
	now = r.clock(now)
	size = max(0, min(size, 1<<16))
	r.budget.earn(size)
	r.pace.note(now, size)
	if r.last.IsZero() {
		r.last = now
	}
	return now
}

// stamp is a time as it is kept.
func (r *Recorder) stamp(now time.Time, ecn uint8) arrived {
	return arrivedAt(int64(now.Sub(r.epoch)/tick), ecn)
}

// pending says whether anything came that was not reported.
func (r *Recorder) pending() bool {
	for i := range r.streams {
		if r.streams[i].pending {
			return true
		}
	}
	return r.path.pending
}

// OnMedia notes the time stamp of a media packet, in units of a clock rate;
// call it beside OnArrival, and not for retransmissions. A jump of the delay
// that shows in it makes the next report urgent.
func (r *Recorder) OnMedia(now time.Time, ssrc, timestamp, clockRate uint32) {
	if r.trend.note(r.clock(now), r.pace.packet(), ssrc, timestamp, clockRate) {
		r.urgent = true
	}
}

// RouteChanged says that packets take another path: the sender knows nothing of
// it and learns from quick reports, as at the beginning.
func (r *Recorder) RouteChanged() {
	r.budget.reports, r.gap = 0, 0
	r.trend = trend{}
}

// clock keeps time from going back and begins it.
func (r *Recorder) clock(now time.Time) time.Time {
	if r.epoch.IsZero() {
		r.epoch, r.latest = now, now
	}
	if now.Before(r.latest) {
		return r.latest
	}
	r.latest = now
	return now
}

// Interval is how long the recorder waits between reports at the present rate.
func (r *Recorder) Interval() time.Duration {
	d := r.budget.interval(r.pace.rate)
	if d == 0 {
		return r.cfg.Interval
	}
	return max(r.cfg.MinInterval, min(d, r.cfg.MaxInterval))
}

// Next is when Build wants to be called; zero when there is nothing to report.
//
// A report leaves with an arrival that pays for it, for what it tells is oldest
// between two packets: at 50 kbit/s that is 200 ms. Where nothing more arrives
// it waits for no longer than the interval.
func (r *Recorder) Next() time.Time {
	if !r.pending() {
		return time.Time{}
	}
	soonest, latest := r.last.Add(r.cfg.MinInterval), r.last.Add(r.longest())
	switch {
	case r.budget.pays(), r.urgent && r.budget.paysEarly():
		return soonest
	case r.budget.paysEarly():
		// It goes on although nothing more arrives.
		if at := r.pace.last.Add(r.Interval()); at.Before(latest) {
			return later(at, soonest)
		}
	}
	return latest
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// longest is how long the next report may take, whatever it costs: it grows
// step by step, so that the sender does not take a slower pace for an outage.
// What that costs is on credit.
func (r *Recorder) longest() time.Duration {
	if r.budget.reports < firstReports {
		return r.cfg.Interval
	}
	return min(max(r.cfg.Interval, time.Duration(intervalGrowth*r.gap)), r.cfg.MaxInterval)
}

// tell notes when a report left. What the sender is used to follows a longer
// gap quickly and a shorter one slowly, as package bwe's patience does.
func (r *Recorder) tell(now time.Time) {
	d := float64(now.Sub(r.last))
	if r.gap == 0 {
		d = float64(r.cfg.Interval) // nothing is known of one report alone
	}
	if d > r.gap {
		r.gap += (d - r.gap) / 2
	} else {
		r.gap += (d - r.gap) / 10
	}
	r.last = now
}

// Due answers whether Next has come.
func (r *Recorder) Due(now time.Time) bool {
	n := r.Next()
	return !n.IsZero() && !now.Before(n)
}
