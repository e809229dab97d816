package peer

import (
	"bytes"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
)

// receiveRTCP takes one compound from the SRTCP loop. Each packet in it is
// looked at by itself: one that cannot be read does not hide the others.
func (p *Peer) receiveRTCP(now time.Time, b []byte) {
	one, rest := feedback.Next(b)
	if one == nil {
		p.media.counts.malformed.Add(1)
	}
	for ; one != nil; one, rest = feedback.Next(rest) {
		if feedback.IsReport(one) {
			report := bytes.Clone(one) // pion reuses its buffer
			p.toDownlink(func(now time.Time, d *downlink.Downlink) { d.HandleTransportFeedback(now, report) })
			continue
		}
		packets, err := rtcp.Unmarshal(one)
		if err != nil {
			p.media.counts.malformed.Add(1)
			continue
		}
		for _, packet := range packets {
			p.dispatchRTCP(now, packet)
		}
	}
}

// dispatchRTCP hands one packet to whoever it is for.
func (p *Peer) dispatchRTCP(now time.Time, packet rtcp.Packet) {
	switch packet := packet.(type) {
	case *rtcp.SenderReport:
		p.ingress.onSenderReport(now, packet)
		p.onReports(packet.Reports)
	case *rtcp.ReceiverReport:
		p.onReports(packet.Reports)
	case *rtcp.ExtendedReport:
		p.ingress.onExtendedReport(now, packet)
	case *rtcp.TransportLayerNack:
		p.toDownlink(func(now time.Time, d *downlink.Downlink) { d.HandleNACK(now, packet.MediaSSRC, packet.Nacks) })
	case *rtcp.PictureLossIndication:
		p.toDownlink(func(now time.Time, d *downlink.Downlink) { d.HandlePLI(now, packet.MediaSSRC) })
	case *rtcp.FullIntraRequest:
		p.toDownlink(func(now time.Time, d *downlink.Downlink) {
			for _, entry := range packet.FIR {
				d.HandlePLI(now, entry.SSRC)
			}
		})
	case *rtcp.ReceiverEstimatedMaximumBitrate:
		p.toDownlink(func(now time.Time, d *downlink.Downlink) { d.HandleREMB(now, units.Rate(packet.Bitrate)) })
	}
}

func (p *Peer) onReports(reports []rtcp.ReceptionReport) {
	if len(reports) == 0 {
		return
	}
	p.toDownlink(func(now time.Time, d *downlink.Downlink) {
		for _, r := range reports {
			d.HandleReceptionReport(now, r)
		}
		p.ingress.setRTT(now, d.RTT())
	})
}

// toDownlink runs do on the worker. What a client says may be lost when the
// worker is overloaded.
func (p *Peer) toDownlink(do func(now time.Time, d *downlink.Downlink)) {
	p.worker.tryPost(func(now time.Time) { p.withDownlink(now, do) })
}

// withDownlink runs do unless the peer is closed; on the worker.
func (p *Peer) withDownlink(now time.Time, do func(now time.Time, d *downlink.Downlink)) {
	if e := p.egress; !e.closed && e.down != nil {
		do(now, e.down)
		p.worker.mark(e)
	}
}
