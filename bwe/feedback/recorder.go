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
	// resync is how many packets in a row must lie outside the history before
	// the sender is taken to count anew rather than to be late or forged.
	resync = 16
	// lossBurst is how many missing packets in a row make a report urgent.
	lossBurst = 3
	// reportOverhead is what a report weighs beyond its own bytes: IPv4, UDP,
	// SRTCP index and a ten-byte tag.
	reportOverhead units.Size = 20 + 8 + 4 + 10
)

// RecorderConfig sets a Recorder up; begin with DefaultRecorderConfig.
type RecorderConfig struct {
	// SenderSSRC and MediaSSRC go into every report.
	SenderSSRC, MediaSSRC uint32
	// Interval is used until the rate is known; then reports come as often as
	// Share of the measured rate pays for, within MinInterval and MaxInterval.
	Interval, MinInterval, MaxInterval time.Duration
	// Share of the incoming rate that reports may cost.
	Share float64
	// MaxSize bounds one report in bytes, RTCP header included.
	MaxSize int
}

// DefaultRecorderConfig reports as often as 4 % of the rate pays for, from 20
// times a second to once.
func DefaultRecorderConfig() RecorderConfig {
	return RecorderConfig{
		Interval:    100 * time.Millisecond,
		MinInterval: 50 * time.Millisecond,
		MaxInterval: time.Second,
		Share:       0.04,
		MaxSize:     1100,
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
	case c.MaxSize < 700 || c.MaxSize > 65000:
		// A full history of missing packets takes 606 bytes of vectors.
		return errors.New("feedback: report size must be 700 to 65000 bytes")
	}
	return nil
}

// Recorder notes what arrives on one path and writes reports of it. It belongs
// to one goroutine.
type Recorder struct {
	cfg     RecorderConfig
	epoch   time.Time
	latest  time.Time      // time does not go back
	arrived [history]int64 // ticks since epoch, from 1; 0 is missing; by sequence
	scratch [history]byte  // symbols of the report being built
	started bool           // highest and from are known
	highest int64          // newest sequence that arrived, unwrapped
	from    int64          // first that the next report speaks of
	strange int            // packets in a row outside the history
	pending bool           // something arrived that was not reported
	urgent  bool           // do not wait the whole interval
	last    time.Time      // when the last report was built, or the first packet came
	count   uint8          // of reports
	rate    float64        // bits per second, smoothed
	bytes   units.Size     // since the rate was measured last
	since   time.Time      // when that was
	cost    float64        // bytes a report, smoothed
	resets  uint64         // times numbering was taken up anew
	ignored uint64         // packets outside the history
}

// NewRecorder answers a recorder to which nothing has come yet.
func NewRecorder(cfg RecorderConfig) (*Recorder, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Recorder{cfg: cfg}, nil
}

// SetMedia changes the SSRC that reports name as media source.
func (r *Recorder) SetMedia(ssrc uint32) { r.cfg.MediaSSRC = ssrc }

// OnArrival notes a packet by its transport-wide sequence number. size is
// what it weighs on the wire.
func (r *Recorder) OnArrival(now time.Time, sequence uint16, size units.Size) {
	now = r.clock(now)
	r.measure(now, size)
	if !r.started {
		r.restart(now, sequence)
	}
	s := r.highest + int64(int16(sequence-uint16(r.highest)))
	switch {
	case s <= r.highest-history, s >= r.highest+history:
		r.ignored++
		if r.strange++; r.strange < resync {
			return
		}
		r.resets++
		r.restart(now, sequence)
		s = r.highest
	case s > r.highest:
		if s-r.highest > lossBurst {
			r.urgent = true
		}
		for i := r.highest + 1; i <= s; i++ {
			r.arrived[i%history] = 0
		}
		r.highest = s
		r.from = max(r.from, s-history+1)
	}
	r.strange = 0
	if r.arrived[s%history] != 0 {
		return // only the first arrival counts
	}
	r.arrived[s%history] = int64(now.Sub(r.epoch)/tick) + 1
	r.from = min(r.from, s) // reported missing before: say it again
	r.pending = true
}

// restart begins a new numbering at one packet.
func (r *Recorder) restart(now time.Time, sequence uint16) {
	if !r.started {
		r.last = now
	}
	clear(r.arrived[:])
	r.started = true
	// One turn of the counter below, for packets that this one overtook.
	r.highest = 1<<16 + int64(sequence)
	r.from = r.highest
	r.strange = 0
}

// clock keeps time from going back and begins it.
func (r *Recorder) clock(now time.Time) time.Time {
	if r.epoch.IsZero() {
		r.epoch, r.latest, r.since = now, now, now
	}
	if now.Before(r.latest) {
		return r.latest
	}
	r.latest = now
	return now
}

// measure follows the incoming rate over windows of at least 200 ms.
func (r *Recorder) measure(now time.Time, size units.Size) {
	r.bytes += max(0, min(size, 1<<16))
	d := now.Sub(r.since)
	if d < 200*time.Millisecond {
		return
	}
	rate := float64(r.bytes.Over(d))
	if r.rate == 0 {
		r.rate = rate
	} else {
		// A time constant of about half a second.
		f := min(1, d.Seconds()/0.5)
		r.rate += (rate - r.rate) * f
	}
	r.bytes, r.since = 0, now
}

// Interval is how long the recorder waits between reports at the present rate.
func (r *Recorder) Interval() time.Duration {
	if r.rate <= 0 || r.cost <= 0 {
		return r.cfg.Interval
	}
	d := r.cost * 8 / (r.rate * r.cfg.Share)
	if !(d < r.cfg.MaxInterval.Seconds()) {
		return r.cfg.MaxInterval
	}
	return max(r.cfg.MinInterval, time.Duration(d*float64(time.Second)))
}

// Next is when Build wants to be called; zero when there is nothing to report.
func (r *Recorder) Next() time.Time {
	switch {
	case !r.pending:
		return time.Time{}
	case r.urgent:
		return r.last.Add(r.cfg.MinInterval)
	}
	return r.last.Add(r.Interval())
}

// Due answers whether Next has come.
func (r *Recorder) Due(now time.Time) bool {
	n := r.Next()
	return !n.IsZero() && !now.Before(n)
}
