package peer

import (
	"slices"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe/feedback"
)

const (
	// echoSSRC is the sender of our receiver reference times, which publishers
	// answer by it.
	echoSSRC = 1
	// echoEvery is how often a publisher is asked whose round trip is known.
	echoEvery = 5 * time.Second
	// echoTries is how often one is asked that has never answered.
	echoTries = 8
	// echoFresh is how long receiver reports go before what else tells a round
	// trip.
	echoFresh = 15 * time.Second
	// maxEcho is the longest round trip that is believed.
	maxEcho = 5 * time.Second
)

// echo finds the round trip to a publisher that receives nothing, and thus reports
// on nothing: it is sent our time and sends it back (RFC 3611 §4.4, §4.5). libwebrtc
// does so unasked. Whoever does not is known by how soon it sends again what it is
// asked for.
type echo struct {
	sent     [4]uint32 // the middle of our times, the newest last
	due      time.Time
	asked    int // since the last answer
	answered bool
	reported time.Time // when receiver reports told the round trip last
}

// ask adds our time to a report, when it is due.
func (e *echo) ask(now time.Time, dst []rtcp.Packet) []rtcp.Packet {
	if now.Before(e.due) || now.Sub(e.reported) < echoFresh || !e.answered && e.asked >= echoTries {
		return dst
	}
	if e.answered {
		e.due = now.Add(echoEvery)
	}
	e.asked++
	t := feedback.NTP(now)
	copy(e.sent[:], e.sent[1:])
	e.sent[len(e.sent)-1] = uint32(t >> 16)
	return append(dst, &rtcp.ExtendedReport{
		SenderSSRC: echoSSRC, Reports: []rtcp.ReportBlock{&rtcp.ReceiverReferenceTimeReportBlock{NTPTimestamp: t}},
	})
}

// roundTrip reads the answer to ask: 0 when it is none, or cannot be.
func (e *echo) roundTrip(now time.Time, report *rtcp.ExtendedReport) time.Duration {
	for _, block := range report.Reports {
		answers, ok := block.(*rtcp.DLRRReportBlock)
		if !ok {
			continue
		}
		for _, a := range answers.Reports {
			if a.SSRC != echoSSRC || a.LastRR == 0 || !slices.Contains(e.sent[:], a.LastRR) {
				continue
			}
			elapsed := uint32(feedback.NTP(now)>>16) - a.LastRR
			if rtt := time.Duration(elapsed-a.DLRR) * time.Second >> 16; a.DLRR <= elapsed && rtt <= maxEcho {
				e.answered, e.asked = true, 0
				return max(rtt, time.Millisecond)
			}
		}
	}
	return 0
}

// onExtendedReport takes in what a publisher sends back of our times.
func (g *ingress) onExtendedReport(now time.Time, report *rtcp.ExtendedReport) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if rtt := g.echo.roundTrip(now, report); rtt > 0 && now.Sub(g.echo.reported) >= echoFresh {
		if g.rtt > 0 {
			rtt = g.rtt + (rtt-g.rtt)/8 // RFC 6298 §2.3
		}
		g.adoptRTT(rtt)
	}
}

// learnRTT takes a round trip from retransmissions while nothing else tells it.
func (g *ingress) learnRTT(now time.Time) {
	if g.echo.answered || now.Sub(g.echo.reported) < echoFresh {
		return
	}
	for _, in := range g.list {
		if in.stream == nil || in.repair {
			continue
		}
		if rtt := in.stream.Answered(); rtt > 0 && rtt <= maxEcho {
			g.adoptRTT(rtt)
			return
		}
	}
}
