// Package bwe decides how fast one path may be sent on.
//
// It is told which packets were sent, which of them arrived and when, and
// answers with a Decision: how much to offer (Target), how to space it
// (Pacing), how much may be unacknowledged (Window) and whether to spend
// padding on finding out more (Probe). Everything is in wire bytes: IP and
// UDP headers, SRTP tag, extensions, retransmissions, padding and voice
// included, for a rate without its overhead is a wrong number.
//
// How it decides, from a report to a target:
//
//	reports -> wait of each packet beyond the least of its size class (delay.go)
//	        -> least wait lately = queue; what will be added = ahead (control.go)
//	        -> bottleneck busy throughout? what came out is its capacity (arrivals.go)
//	        -> no queue? the capacity rises, faster the longer it is quiet
//	        -> loss with a full queue cuts; loss without one is tested: what
//	           stays when we send less is the link's own and costs nothing,
//	           what ends was a policer's (loss.go, episodes.go)
//	        -> target = capacity, less what drains the queue above a goal
//
// A call begins with the ladder's base; the first report starts a train that
// measures the path, so that a thin one is not buried before it is known.
//
// What the source does not fill is found out by probes (probe.go): clusters
// sized so that they cause at most Config.ProbeQueue of queue were there
// nothing to find, sent only while the Ladder wants more.
//
//	Startup Track Drain Probing AppLimited Compete     -- no feedback -------------------------> Blackout
//	Blackout                                           -- a packet arrived again --------------> Track
//	Track Drain Probing AppLimited Compete Blackout    -- route changed -----------------------> Startup
//	Startup Blackout                                   -- receiver reports only ---------------> Coarse
//	Coarse                                             -- packet reports came -----------------> Startup
//	Track Probing AppLimited                           -- no limit met yet --------------------> Startup
//	Startup Track Drain AppLimited Compete             -- probing for more --------------------> Probing
//	Startup Track Probing AppLimited Compete           -- draining the queue ------------------> Drain
//	Track Drain Probing                                -- a queue that is not ours ------------> Compete
//	Startup Track Probing                              -- less is sent than allowed -----------> AppLimited
//	Startup                                            -- a limit was met ---------------------> Track
//	Probing                                            -- the probe was judged ----------------> Track
//	AppLimited                                         -- the target is used ------------------> Track
//	Drain                                              -- the queue is drained ----------------> Track
//	Compete                                            -- the queue that was not ours is gone -> Track
//
// That is the whole table of states (states.go); a decision may take two lines
// of it. The first five are what happens, the others what is found.
//
// Queue and its goal are judged in packet times beside milliseconds, for 1200
// bytes at 50 kbit/s last 192 ms. Jitter that is there without a queue counts
// as none, as far as it was seen at the calmest.
//
// A queue that does not drain although clearly less is sent is not ours: it is
// taken for the path's own until it goes away. Where a train of packets shows
// that the path carries much more than we get of it, it is another flow's: then
// a little less than half of the path is held, until the queue is gone (compete.go).
//
// The package is a pure state machine on the standard library: no clock,
// goroutine, lock, timer or map, and no allocation but for a history that
// doubles a few times at the most (8 kB to 256 kB). The caller gives
// the time with every call and calls OnTick no later than Next.
package bwe

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Kind says what a sent packet was for.
type Kind uint8

// Kinds of packets.
const (
	Voice Kind = iota
	Video
	Retransmission
	Padding
)

// String answers the kind's name.
func (k Kind) String() string {
	switch k {
	case Voice:
		return "voice"
	case Video:
		return "video"
	case Retransmission:
		return "retransmission"
	case Padding:
		return "padding"
	}
	return "unknown"
}

// SentPacket is one packet that left, told in order of sending.
type SentPacket struct {
	// Sequence is the transport-wide sequence number, unwrapped, from 0. It
	// rises by one a packet; a jump is allowed, going back is ignored.
	Sequence int64
	// Size is what the packet weighs on the wire, IP header included.
	Size units.Size
	// Kind is what it was for.
	Kind Kind
	// Probe is the Probe.ID it belongs to; 0 means none.
	Probe uint16
	// AppLimited says that the sender had nothing more to send. It is a hint:
	// the controller measures itself how much of the target is used.
	AppLimited bool
}

// PacketReport is what the receiver says of one packet.
type PacketReport struct {
	// Sequence is the packet's transport-wide sequence number, unwrapped.
	Sequence int64
	// Received says whether it arrived; Arrival and ECN are meaningless when
	// it did not.
	Received bool
	// Arrival is the receiver's clock, of any epoch, unwrapped.
	Arrival time.Duration
	// ECN is the two-bit codepoint seen on arrival; 3 is congestion experienced.
	ECN uint8
}

// Ladder is what the allocator could use, so that probes are only spent where
// they could unlock something. Rates are wire rates.
type Ladder struct {
	// Base is the floor: voice at its thinnest. The target does not fall below
	// it while the path is silent.
	Base units.Rate
	// Next is what everything up to the next useful step would need.
	Next units.Rate
	// Full is what everything wanted would need.
	Full units.Rate
}

// Probe asks the sender to send Size bytes, media or padding, spaced at Rate
// and marked with ID, in at least five packets where that can be had: it is
// their spacing that is measured. The zero Probe asks for nothing. The same
// probe stays in the Decision until its packets were sent or it is given up.
type Probe struct {
	ID   uint16
	Rate units.Rate
	Size units.Size
}

// Decision is what to do until the next one.
type Decision struct {
	// Target is what media, retransmissions and voice together may use.
	Target units.Rate
	// Pacing is how fast packets may leave one after another: above the
	// target, but for moments in which the path's queue is to be emptied.
	Pacing units.Rate
	// Padding is how much padding may be added where media does not fill it;
	// 0 but in a blackout, where something must ask the path whether it is back.
	Padding units.Rate
	// Probe asks for a cluster of packets; the zero value asks for nothing.
	Probe Probe
	// Window is how many bytes may be unacknowledged before video should wait
	// (see Full): the path may have gone silent, or never have been measured.
	Window units.Size
	// State is what the controller is doing.
	State State
	// Reason is a constant string that says why the target last changed.
	Reason string
}

// Stats is what the controller knows, for operators.
type Stats struct {
	// RTT is the smoothed round-trip time, including the receiver's wait for
	// its next report; MinRTT is the smallest seen lately.
	RTT, MinRTT time.Duration
	// Loss is the share of packets lost lately, 0 to 1; LinkLoss is the part
	// of it taken for the link's own.
	Loss, LinkLoss float64
	// QueueDelay is the wait in the bottleneck.
	QueueDelay time.Duration
	// Delivered is what arrives now, Capacity what the path is thought to
	// carry (0 = not known), Sent what leaves now.
	Delivered, Capacity, Sent units.Rate
	// Target is the last Decision's.
	Target units.Rate
	// InFlight is what was sent and neither acknowledged nor given up.
	InFlight units.Size
	// State is the last Decision's.
	State State
	// Reliable says that loss is repaired below and counts for nothing.
	Reliable bool
	// Probes counts probes begun, ProbesFailed those that found nothing.
	Probes, ProbesFailed uint64
	// Cuts counts reductions for queue or loss, Blackouts feedback silences.
	Cuts, Blackouts uint64
	// Reports counts packet reports used, Refused those that made no sense.
	Reports, Refused uint64
}
