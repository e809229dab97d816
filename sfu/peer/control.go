package peer

import (
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/peer/wire"
	"github.com/rivulet-rtc/rivulet/sfu/uplink"
)

// tick says what the publisher must hear now: transport-wide feedback, NACKs,
// key-frame requests, receiver reports; and when it wants to be asked again.
// It runs on the peer's worker.
func (g *ingress) tick(now time.Time, dst []rtcp.Packet) ([]rtcp.Packet, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return dst, time.Time{}
	}
	dst, g.feedback = wire.AppendFeedback(now, g.recorder, g.feedback, dst)
	report := g.clock.Due(now, g.recorder, len(dst) > 0)
	lossy := false
	var reports []rtcp.ReceptionReport
	for _, in := range g.list {
		if in.stream == nil || in.repair {
			continue
		}
		in.stream.Tick(now)
		g.forgetRepair(now, in)
		dst = g.appendRequests(now, in, dst)
		if report {
			if block, ok := in.stream.ReceptionReport(now); ok {
				lossy = lossy || block.FractionLost > 0
				reports = append(reports, block)
			}
		}
	}
	if report {
		g.clock.Sent(now, g.recorder, len(reports), lossy)
		dst = g.echo.ask(now, wire.AppendReceiverReports(dst, reports))
		g.learnRTT(now)
	}
	if !g.limitAt.After(now) {
		g.limitAt = now.Add(limitEvery)
		dst = g.appendLimit(dst)
	}
	if !g.measureAt.After(now) {
		g.measureAt = now.Add(measureEvery)
		for _, s := range g.sections {
			if s.track != nil {
				s.track.measure(now, g.heard(now))
			}
		}
	}
	g.decideDue(now)
	g.nextTick = g.next(now)
	return dst, g.nextTick
}

// appendRequests adds NACKs and key-frame requests of one stream.
func (g *ingress) appendRequests(now time.Time, in *inbound, dst []rtcp.Packet) []rtcp.Packet {
	g.sequences = in.stream.AppendNACKs(now, g.sequences[:0])
	if len(g.sequences) > 0 && in.kind.Video() && g.peer.media.cfg.Repair == downlink.RepairNone {
		in.stream.WantKeyframe(now)
		g.sequences = g.sequences[:0]
	}
	g.peer.media.counts.asked.Add(uint64(len(g.sequences)))
	dst = wire.AppendNACK(dst, in.ssrc, g.sequences)
	if in.stream.KeyframeDue(now) {
		g.peer.media.counts.keyframes.Add(1)
		dst = append(dst, &rtcp.PictureLossIndication{MediaSSRC: in.ssrc})
	}
	return dst
}

// requestKeyframe notes the wish for a key frame of one layer of a track.
func (g *ingress) requestKeyframe(now time.Time, t *Track, layer int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || layer < 0 || layer >= maxLayers {
		return
	}
	// What is not there yet cannot be asked; a scalable track has one stream only.
	for ; layer >= 0; layer-- {
		if s := t.layers[layer]; s != nil {
			s.WantKeyframe(now)
			g.schedule(now)
			return
		}
	}
}

// onSenderReport ties a publisher's clock to its timestamps.
func (g *ingress) onSenderReport(now time.Time, sr *rtcp.SenderReport) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.heardAt = now
	if in := g.inbounds[sr.SSRC]; in != nil && in.stream != nil {
		in.stream.OnSenderReport(now, sr.NTPTime, sr.RTPTime)
	}
}

// setRTT tells the uplinks the round-trip time of the path, as receiver reports
// tell it.
func (g *ingress) setRTT(now time.Time, rtt time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if rtt > 0 {
		g.echo.reported = now
		g.adoptRTT(rtt)
	}
}

// adoptRTT tells the uplinks a round-trip time; the caller has the lock.
func (g *ingress) adoptRTT(rtt time.Duration) {
	if rtt == g.rtt {
		return
	}
	g.rtt = rtt
	for _, in := range g.list {
		if in.stream != nil {
			in.stream.SetRTT(rtt)
		}
	}
}

// roundTrip is the round trip of the path; 0 = not known.
func (g *ingress) roundTrip() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rtt
}

// UplinkStats is one incoming stream for operators.
type UplinkStats struct {
	MID   string
	RID   string
	Codec string
	// Repaired is how many packets repair packets brought back.
	Repaired uint64
	uplink.Stats
}

// uplinkStats answers the state of every media stream.
func (g *ingress) uplinkStats() []UplinkStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []UplinkStats
	for _, in := range g.list {
		if in.stream != nil && in.section != nil {
			all = append(all, UplinkStats{MID: in.section.mid, RID: in.rid, Codec: in.kind.String(), Repaired: in.repaired, Stats: in.stream.Stats()})
		}
	}
	return all
}
