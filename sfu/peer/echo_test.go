package peer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"
)

// Who publishes and receives nothing has no streams of ours to report on: its round
// trip is known by what it sends back of our times, and of nothing that is forged.
func TestRoundTripOfAPurePublisher(t *testing.T) {
	const way, kept = 300 * time.Millisecond, 700 * time.Millisecond
	answer := func(ssrc, last uint32) *rtcp.ExtendedReport {
		return &rtcp.ExtendedReport{Reports: []rtcp.ReportBlock{&rtcp.DLRRReportBlock{Reports: []rtcp.DLRRReport{
			{SSRC: ssrc, LastRR: last, DLRR: uint32(kept.Seconds() * 65536)},
		}}}}
	}
	for name, c := range map[string]struct {
		answers func(middle uint32) *rtcp.ExtendedReport // nil: none
		known   bool
		asked   int // at most, in a minute
	}{
		"answers":             {func(m uint32) *rtcp.ExtendedReport { return answer(echoSSRC, m) }, true, 14},
		"answers nothing":     {func(uint32) *rtcp.ExtendedReport { return nil }, false, echoTries},
		"answers another":     {func(m uint32) *rtcp.ExtendedReport { return answer(echoSSRC+1, m) }, false, echoTries},
		"invents our time":    {func(m uint32) *rtcp.ExtendedReport { return answer(echoSSRC, m-1) }, false, echoTries},
		"answers with zeroes": {func(uint32) *rtcp.ExtendedReport { return answer(echoSSRC, 0) }, false, echoTries},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPath(t, 0)
				defer p.close()
				g := p.publisher.ingress
				asked := 0
				for i := range 60 * 50 {
					g.receiveRTP(vp8(uint16(i), uint32(i)*1800, i == 0, 300))
					packets, _ := g.tick(time.Now(), nil)
					for _, packet := range packets {
						ours, ok := packet.(*rtcp.ExtendedReport)
						if !ok {
							continue
						}
						asked++
						middle := uint32(ours.Reports[0].(*rtcp.ReceiverReferenceTimeReportBlock).NTPTimestamp >> 16)
						time.AfterFunc(way+kept, func() {
							if report := c.answers(middle); report != nil {
								b, err := report.Marshal()
								if err != nil {
									t.Error(err)
								}
								p.publisher.receiveRTCP(time.Now(), b)
							}
						})
					}
					time.Sleep(20 * time.Millisecond)
				}
				time.Sleep(2 * (way + kept))
				rtt := g.roundTrip()
				if c.known && (rtt < way-2*time.Millisecond || rtt > way+2*time.Millisecond) || !c.known && rtt != 0 {
					t.Errorf("the round trip is %v, of %v", rtt, way)
				}
				if told := g.uplinkStats()[0].RTT; c.known && told != rtt || !c.known && told <= 0 {
					t.Errorf("the uplink goes by %v, the round trip is %v", told, rtt)
				}
				if asked > c.asked || asked == 0 {
					t.Errorf("it was asked %d times in a minute, at most %d", asked, c.asked)
				}
			})
		})
	}
}

// What receiver reports tell goes before it, and then nobody is asked.
func TestReportsGoBeforeEchoes(t *testing.T) {
	now := time.Now()
	e := &echo{reported: now}
	if packets := e.ask(now.Add(time.Second), nil); len(packets) > 0 {
		t.Errorf("asked %v", packets)
	}
	if packets := e.ask(now.Add(echoFresh+time.Second), nil); len(packets) != 1 {
		t.Errorf("asked %v when reports have ended", packets)
	}
}
