// Package full runs calls with real PeerConnections over emulated links in
// virtual time: the full back end of the lab.
//
// It decides nothing about calls. In: a [Plan] (links, flows, which congestion
// control) and a seed. Out: a [Record], every packet that was offered to the
// links and what became of it, and the targets. Everything between is real:
// ICE, DTLS, SRTP, RTCP and, for [Rivulet], the whole server, its client and
// their signalling.
//
//	encoder ─> sender's PeerConnection ─> memnet ─> crossing (loadtest/link) ─> receiver's
//	   ^              │                                                            │
//	   └── target ────┴──────── feedback <── crossing back <── memnet <────────────┘
//
// A run lives in one testing/synctest bubble, so that it needs no root, no
// socket and no time. A bubble needs a *testing.T: tests have one ([Run]), and
// a command gets one by starting itself again as a child ([Child], [Execute]).
//
// Connections are made before the clock of a plan starts, over the links'
// propagation delay alone: what is judged is media. From then on every packet
// of the two ends is on the links, be it media, RTCP, ICE or signalling, with
// its size as a whole IP packet.
//
// Runs repeat within about two points of utilisation and a few milliseconds of
// queue, beside TCP within ten and more, not bit for bit: the runtime shuffles
// timers that are due at one instant.
package full

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/lab"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Controller is which congestion control sends.
type Controller string

// Controllers.
const (
	// Rivulet is our client that publishes through the link to our server.
	Rivulet Controller = "rivulet"
	// RivuletDown is our server that sends down the links what somebody
	// elsewhere publishes: a camera in three sizes, of whose layers it chooses,
	// whatever encoder the flow asks for. Voice comes as it is published.
	RivuletDown Controller = "rivulet-down"
	// PionGCC is the gcc package of pion/interceptor through its public
	// interface, between two plain PeerConnections: send-side estimation with
	// its own pacer, transport-wide feedback every 100 ms, no retransmission.
	PionGCC Controller = "pion-gcc"
)

// Controllers answers all there are.
func Controllers() []Controller { return []Controller{Rivulet, RivuletDown, PionGCC} }

// Adapter serves an engine's signalling port; the command knows which.
type Adapter func(signal.Engine) http.Handler

// Plan is one run.
type Plan struct {
	Name       string
	Controller Controller
	// Seed chooses the encoders' phases and, in tests, all randomness of
	// cryptography; links have seeds of their own.
	Seed uint64
	// Duration is how long the links are in use, 1 s to 2 h.
	Duration time.Duration
	// Forward and Back are the links of each direction, one after another.
	Forward, Back []link.Config
	Flows         []Flow
	// TCP and UDP are other traffic, over Forward.
	TCP []lab.TCP
	UDP []lab.UDP
}

// Flow is one sender and one receiver.
type Flow struct {
	// Start and Stop are when it sends; Stop 0 = to the end.
	Start, Stop time.Duration
	Pauses      []Span
	// Initial is the target that it begins with; 0 = 300 kbit/s.
	Initial units.Rate
	// Least and Most bound the video's wire rate; Most 0 = 5 Mbit/s.
	Least, Most units.Rate
	// Until, if not 0, holds the video down to Held before that time.
	Until time.Duration
	Held  units.Rate
	// NoVideo leaves voice alone.
	NoVideo bool
	// Encoder makes the video like a real encoder: with a lag, frames that
	// vary, large key frames, and content that is sometimes too easy. Otherwise
	// it is perfect: it fills the target at once.
	Encoder bool
	// Voice is the payload rate of a voice; 0 = none.
	Voice units.Rate
	// PacketTime is the sound in a packet; 0 = 20 ms. Spurts lets the voice
	// pause (ITU-T P.59).
	PacketTime time.Duration
	Spurts     bool
	// From and To pick the links that it uses: From up to, not including, To.
	// Both 0 = all.
	From, To int
	// Weight is its share beside others of ours, for [Rivulet] only; 0 = 1.
	Weight float64
	// Reverse sends media over Back and reports over Forward.
	Reverse bool
	// Extra is one-way delay of its own, behind the links.
	Extra time.Duration
}

// Span is a time.
type Span struct{ From, To time.Duration }

const (
	initialRate = 300 * units.Kbps
	mostRate    = 5 * units.Mbps
	longest     = 2 * time.Hour
	maxFlows    = 64
)

// withDefaults fills in what a plan left out.
func (p Plan) withDefaults() Plan {
	p.Flows = append([]Flow(nil), p.Flows...)
	for i := range p.Flows {
		f := &p.Flows[i]
		if f.Initial == 0 {
			f.Initial = initialRate
		}
		if f.Most == 0 {
			f.Most = mostRate
		}
		if f.Stop == 0 || f.Stop > p.Duration {
			f.Stop = p.Duration
		}
		if f.PacketTime == 0 {
			f.PacketTime = 20 * time.Millisecond
		}
	}
	return p
}

// Validate says what is wrong with the plan.
func (p Plan) Validate() error {
	if !slices.Contains(Controllers(), p.Controller) {
		return fmt.Errorf("full: congestion control %q is none of %v", p.Controller, Controllers())
	}
	if p.Duration < time.Second || p.Duration > longest {
		return fmt.Errorf("full: duration %v is outside 1s to %v", p.Duration, longest)
	}
	if len(p.Forward) == 0 || len(p.Back) == 0 {
		return errors.New("full: no links")
	}
	if len(p.Flows) == 0 || len(p.Flows) > maxFlows {
		return fmt.Errorf("full: %d flows are outside 1 to %d", len(p.Flows), maxFlows)
	}
	for i, c := range append(append([]link.Config(nil), p.Forward...), p.Back...) {
		if err := c.Validate(); err != nil {
			return fmt.Errorf("full: link %d: %w", i, err)
		}
	}
	for i, f := range p.Flows {
		switch {
		case f.Start < 0 || f.Start >= p.Duration || f.Stop != 0 && f.Stop <= f.Start:
			return fmt.Errorf("full: flow %d sends from %v to %v", i, f.Start, f.Stop)
		case f.Initial < 0 || f.Least < 0 || f.Most < 0 || f.Voice < 0 || f.Extra < 0:
			return fmt.Errorf("full: flow %d: negative rates or delays", i)
		case f.From < 0 || f.To > min(len(p.Forward), len(p.Back)) || f.From > f.To || f.To == 0 && f.From > 0 || f.To > 0 && f.From == f.To:
			return fmt.Errorf("full: flow %d uses links %d to %d", i, f.From, f.To)
		case f.NoVideo && f.Voice == 0:
			return fmt.Errorf("full: flow %d sends nothing", i)
		}
	}
	for i, u := range p.UDP {
		if err := u.Validate(); err != nil {
			return fmt.Errorf("full: traffic %d: %w", i, err)
		}
	}
	return nil
}

// sends says whether a flow sends at a time.
func (f *Flow) sends(at time.Duration) bool {
	if at < f.Start || at >= f.Stop {
		return false
	}
	for _, p := range f.Pauses {
		if at >= p.From && at < p.To {
			return false
		}
	}
	return true
}

// videoRate is what the video sends at a time, of what it may: a wire rate.
func (f *Flow) videoRate(at time.Duration, target units.Rate) units.Rate {
	rate := min(max(target, f.Least), f.Most)
	if f.Until > 0 && at < f.Until {
		rate = min(rate, f.Held)
	}
	return rate
}
