package peer

import (
	"bytes"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/transport/v5/packetio"

	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
)

const (
	// maxRTCPRate bounds the RTCP packets that one peer may send, and
	// maxRTCPBurst what it may send at once. A browser sends about 30 a second.
	maxRTCPRate  = 400
	maxRTCPBurst = 200
	// maxBuffers bounds the streams that pion keeps for one peer: an SSRC that
	// RTCP names costs a stream, so a hostile peer could name thousands. A peer
	// that goes beyond is cut off.
	maxBuffers = 1024
)

// bufferFactory is where every decrypted packet of the peer arrives,
// synchronously from pion's loops. pion's own readers get nothing: Read
// answers io.EOF at once, so that no goroutine waits for a stream.
func (p *Peer) bufferFactory(kind packetio.BufferPacketType, ssrc uint32) io.ReadWriteCloser {
	if p.buffers.Add(1) > maxBuffers {
		// pion keeps something for each stream, too: such a peer has to go.
		p.flooded.Do(func() { go func() { _ = p.connection.Close() }() })
		return discardBuffer{}
	}
	if kind == packetio.RTPBufferPacket {
		return rtpBuffer{p.ingress}
	}
	return rtcpBuffer{&p.rtcp, ssrc}
}

type discardBuffer struct{}

func (discardBuffer) Read([]byte) (int, error)    { return 0, io.EOF }
func (discardBuffer) Write(b []byte) (int, error) { return len(b), nil }
func (discardBuffer) Close() error                { return nil }

type rtpBuffer struct{ ingress *ingress }

func (rtpBuffer) Read([]byte) (int, error) { return 0, io.EOF }
func (rtpBuffer) Close() error             { return nil }
func (b rtpBuffer) Write(p []byte) (int, error) {
	b.ingress.receiveRTP(p)
	return len(p), nil
}

type rtcpBuffer struct {
	receiver *rtcpReceiver
	ssrc     uint32
}

func (rtcpBuffer) Read([]byte) (int, error) { return 0, io.EOF }
func (rtcpBuffer) Close() error             { return nil }
func (b rtcpBuffer) Write(p []byte) (int, error) {
	b.receiver.receive(b.ssrc, p)
	return len(p), nil
}

// rtcpReceiver turns pion's deliveries back into one of each packet: pion
// writes a packet to the stream of every SSRC that it names.
type rtcpReceiver struct {
	peer *Peer

	mu     sync.Mutex
	last   []byte   // the packet that is being delivered
	seen   []uint32 // the SSRCs that it was delivered to
	tokens float64
	at     time.Time
}

// receive takes one RTCP packet as delivered to ssrc.
func (r *rtcpReceiver) receive(ssrc uint32, b []byte) {
	now := time.Now()
	r.mu.Lock()
	fresh := r.fresh(ssrc, b) && r.allow(now)
	r.mu.Unlock()
	if !fresh {
		return
	}
	if feedback.IsTWCC(b) {
		report := bytes.Clone(b) // pion reuses its buffer
		r.peer.toDownlink(func(now time.Time, d *downlink.Downlink) { d.HandleTransportFeedback(now, report) })
		return
	}
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		r.peer.media.counts.malformed.Add(1)
		return
	}
	for _, p := range packets {
		r.peer.dispatchRTCP(now, p)
	}
}

// fresh says whether this is a new packet and not one more delivery of the
// last: the same bytes at the same SSRC again are a new packet.
func (r *rtcpReceiver) fresh(ssrc uint32, b []byte) bool {
	if bytes.Equal(r.last, b) && !slices.Contains(r.seen, ssrc) {
		r.seen = append(r.seen, ssrc)
		return false
	}
	r.last = append(r.last[:0], b...)
	r.seen = append(r.seen[:0], ssrc)
	return true
}

// allow is a token bucket.
func (r *rtcpReceiver) allow(now time.Time) bool {
	if r.at.IsZero() {
		r.tokens = maxRTCPBurst
	} else {
		r.tokens = min(maxRTCPBurst, r.tokens+now.Sub(r.at).Seconds()*maxRTCPRate)
	}
	r.at = now
	if r.tokens < 1 {
		r.peer.media.counts.rtcpLimited.Add(1)
		return false
	}
	r.tokens--
	return true
}

// dispatchRTCP hands one packet to whoever it is for.
func (p *Peer) dispatchRTCP(now time.Time, packet rtcp.Packet) {
	switch packet := packet.(type) {
	case *rtcp.SenderReport:
		p.ingress.onSenderReport(now, packet)
		p.onReports(packet.Reports)
	case *rtcp.ReceiverReport:
		p.onReports(packet.Reports)
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
		p.ingress.setRTT(d.RTT())
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
