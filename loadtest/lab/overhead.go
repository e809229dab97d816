package lab

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// PacketKind is what a packet of the full back end is for, as far as its clear
// bytes tell.
type PacketKind uint8

// Kinds. A compound RTCP packet is what its first packet is: the rest is
// encrypted.
const (
	KindMedia PacketKind = iota // RTP but voice: video, retransmissions, padding, repair
	KindVoice
	KindTransportWide
	KindByStream // RFC 8888
	KindNACK
	KindReceiverReport
	KindSenderReport
	KindExtendedReport
	KindPayloadFeedback // PLI, FIR, REMB
	KindSTUN
	KindDTLS
	KindOther
	KindSignalling // a segment of the signalling connection
	kinds
)

var kindNames = [kinds]string{
	"media", "voice", "twcc", "ccfb", "nack", "rr", "sr", "xr", "psfb", "stun", "dtls", "other", "signalling",
}

// String answers the name that metrics have.
func (k PacketKind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return "unknown"
}

// control says that a packet is none of what it is all about.
func (k PacketKind) control() bool { return k != KindMedia && k != KindVoice }

// overhead is what everything but media cost a flow: IP bytes by kind, of its
// sender's end and of its receiver's.
type overhead struct {
	sender, receiver [kinds]units.Size
	// reports is how many of the receiver's packets are reports of congestion
	// control.
	reports int
}

// feedback is what the receiver's RTCP cost, and the usual size of a report of
// congestion control. Connectivity checks and signalling are none: the figures that
// others were measured with are without, too.
func (o *overhead) feedback() (rtcp units.Size, once float64) {
	for k := KindTransportWide; k <= KindPayloadFeedback; k++ {
		rtcp += o.receiver[k]
	}
	return rtcp, float64(o.receiver[KindTransportWide]+o.receiver[KindByStream]) / float64(max(o.reports, 1))
}

// overheads adds what each kind of control costs, kbit/s a flow over the whole
// run, as sender_KIND_kbps and receiver_KIND_kbps; what there was none of is
// left out. Only the full back end has it.
func (o *observation) overheads(all map[string]Number) {
	var total overhead
	span, told := time.Duration(0), false
	for _, m := range o.meters() {
		if m.overhead == nil {
			continue
		}
		told = true
		span += m.end - m.begin
		for k := range kinds {
			total.sender[k] += m.overhead.sender[k]
			total.receiver[k] += m.overhead.receiver[k]
		}
	}
	if !told || span <= 0 {
		return
	}
	for end, sizes := range map[string]*[kinds]units.Size{"sender": &total.sender, "receiver": &total.receiver} {
		for k := range kinds {
			if k.control() && sizes[k] > 0 {
				all[end+"_"+k.String()+"_kbps"] = Number(float64(sizes[k].Over(span)) / 1000)
			}
		}
	}
}

// kind is what a packet is for, signalling included.
func (p *PacketRecord) kind() PacketKind {
	switch {
	case p.Stream:
		return KindSignalling
	case p.Voice:
		return KindVoice
	case p.Kind < kinds:
		return p.Kind
	}
	return KindOther
}

// overhead sums a recording up; a packet counts for when it was sent.
func (f FlowRecording) overhead(end time.Duration) *overhead {
	var o overhead
	for _, side := range []struct {
		packets []PacketRecord
		sizes   *[kinds]units.Size
	}{{f.Packets, &o.sender}, {f.Reports, &o.receiver}} {
		for i := range side.packets {
			if p := &side.packets[i]; p.Sent >= 0 && p.Sent < end {
				k := p.kind()
				side.sizes[k] += p.Size
				if side.sizes == &o.receiver && (k == KindTransportWide || k == KindByStream) {
					o.reports++
				}
			}
		}
	}
	return &o
}
