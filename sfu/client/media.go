package client

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/feedback"
	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/internal/mailbox"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/brief"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/peer/tap"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

const (
	// inboxSize bounds what waits for the run loop: a second of three layers
	// at 2.5 Mbit/s and more.
	inboxSize = 1024
	// idleTick is how often the run loop looks round when nothing is due.
	idleTick = time.Second
	// soonest is the least time between two looks: less than a timer can be
	// trusted for, and the end of any loop of a core that is due for ever.
	soonest = 200 * time.Microsecond
)

// item is one thing for the run loop to do: send a packet, or do.
type item struct {
	stream *stream
	packet *packet.Packet
	do     func(now time.Time)
}

// media is the PeerConnection of a call with its run loop.
//
//	inbox (packets, feedback, wishes) + one timer -> loop -> egress, ingress.tick
//
// The loop owns egress and is the only one that writes RTP and RTCP.
type media struct {
	call       *Call
	pool       *packet.Pool
	connection *webrtc.PeerConnection
	offered    webrtc.SessionDescription // owned by who negotiates
	brief      *brief.Offer              // the first offer in few bytes; nil where it has no such form
	tap        *tap.Tap
	ingress    *ingress
	egress     *egress
	early      *early
	awaits     bool // the server is DTLS's client, whatever its answers say
	// What we send is numbered by us: from firstStream on, streams of them; numbers
	// holds what pion would call them.
	firstStream uint32
	streams     int
	numbers     map[uint32]uint32

	inbox  *mailbox.Box[item]
	quit   chan struct{}
	looped chan struct{} // closed when the loop has ended; nil before it began

	up       atomic.Bool // media flows
	first    sync.Once   // it has flowed
	rtt      atomic.Int64
	overload atomic.Uint64

	byStream bool // reports are those of RFC 8888, both ways; set before the loop runs
}

func newMedia(c *Call) (*media, error) {
	m := &media{
		call: c, pool: packet.NewPool(), inbox: mailbox.New[item](inboxSize),
		quit: make(chan struct{}), firstStream: profile.FirstStream(), numbers: make(map[uint32]uint32),
	}
	var err error
	if m.ingress, err = newIngress(m); err != nil {
		return nil, err
	}
	m.egress = &egress{media: m}
	m.early = newEarly(c.opts.Line.local, c.opts.Line.remote)
	m.tap = tap.New(m.ingress.receive, m.receiveRTCP)
	if err := m.connect(); err != nil {
		m.inbox.Close()
		return nil, err
	}
	return m, nil
}

// start applies the answer and starts the loop.
func (m *media) start(j *signal.Joined) error {
	if err := m.setServers(j.ICEServers); err != nil {
		return fmt.Errorf("use the server's relays: %w", err)
	}
	if n := len(j.Hello); n != 0 && n != profile.RandomSize {
		return fmt.Errorf("client: the server's hello has a random of %d bytes and not %d", n, profile.RandomSize)
	}
	settled, err := m.answer(j.Answer, j.Hello)
	if err != nil {
		return err
	}
	m.byStream = profile.HasStreamFeedback(j.Answer)
	m.ingress.start(settled, j.Slots)
	if err := m.egress.start(time.Now(), settled); err != nil {
		return err
	}
	m.loop()
	return nil
}

// loop starts the loop.
func (m *media) loop() {
	m.looped = make(chan struct{})
	go func() {
		defer close(m.looped)
		m.run()
	}()
}

// close ends everything and gives every buffer back.
func (m *media) close() {
	close(m.quit)
	if m.looped != nil {
		<-m.looped
	}
	m.up.Store(false)
	// The only error is that of a transport that was never opened.
	_ = m.connection.GracefulClose()
	m.inbox.Close()
	for _, it := range m.inbox.Take() {
		if it.packet != nil {
			it.packet.Release()
		}
	}
	m.egress.close()
	m.ingress.close()
}

// post hands do to the loop. It is for the few things that must not be lost.
func (m *media) post(do func(now time.Time)) { m.inbox.PutUrgent(item{do: do}) }

// run is the loop: one goroutine, one timer.
func (m *media) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var wakeAt time.Time
	for {
		select {
		case <-m.inbox.Wake:
		case <-timer.C:
			wakeAt = time.Time{}
		case <-m.quit:
			return
		}
		now := time.Now()
		for _, it := range m.inbox.Take() {
			if it.do != nil {
				it.do(now)
				continue
			}
			m.egress.forward(now, it.stream, it.packet)
		}
		next := m.egress.tick(now)
		if earliest := now.Add(soonest); next.Before(earliest) {
			next = earliest
		}
		if wakeAt.IsZero() || next.Before(wakeAt) {
			wakeAt = next
			timer.Reset(next.Sub(now))
		}
	}
}

// receiveRTCP takes one compound packet from the SRTCP loop. Each packet in it
// is looked at by itself: one that cannot be read does not hide the others.
func (m *media) receiveRTCP(now time.Time, b []byte) {
	one, rest := feedback.Next(b)
	if one == nil {
		m.ingress.malformed.Add(1)
	}
	for ; one != nil; one, rest = feedback.Next(rest) {
		if feedback.IsReport(one) {
			report := append([]byte(nil), one...) // pion reuses its buffer
			m.inbox.Put(item{do: func(now time.Time) { m.egress.down.HandleTransportFeedback(now, report) }})
			continue
		}
		packets, err := rtcp.Unmarshal(one)
		if err != nil {
			m.ingress.malformed.Add(1)
			continue
		}
		for _, p := range packets {
			if sr, ok := p.(*rtcp.SenderReport); ok {
				m.ingress.onSenderReport(now, sr)
			}
			m.inbox.Put(item{do: func(now time.Time) { m.egress.control(now, p) }})
		}
	}
}

// control takes one RTCP packet about what we send.
func (e *egress) control(now time.Time, p rtcp.Packet) {
	switch p := p.(type) {
	case *rtcp.SenderReport:
		e.onReports(now, p.Reports)
	case *rtcp.ReceiverReport:
		e.onReports(now, p.Reports)
	case *rtcp.TransportLayerNack:
		e.down.HandleNACK(now, p.MediaSSRC, p.Nacks)
	case *rtcp.PictureLossIndication:
		e.down.HandlePLI(now, p.MediaSSRC)
	case *rtcp.FullIntraRequest:
		for _, entry := range p.FIR {
			e.down.HandlePLI(now, entry.SSRC)
		}
	case *rtcp.ReceiverEstimatedMaximumBitrate:
		e.down.HandleREMB(now, units.Rate(p.Bitrate))
	}
}

// stateChanged follows the path. pion tells of each change on a goroutine of
// its own, so only what the state is now counts.
func (m *media) stateChanged(webrtc.PeerConnectionState) {
	c := m.call
	switch m.connection.ConnectionState() {
	case webrtc.PeerConnectionStateConnected:
		c.stages.note(&c.stages.dtls, c.started)
		if m.up.Swap(true) {
			return
		}
		again := true
		m.first.Do(func() {
			again = false
			close(c.connected)
		})
		m.post(func(now time.Time) { m.egress.connected(now, again) })
	case webrtc.PeerConnectionStateDisconnected:
		m.up.Store(false)
	case webrtc.PeerConnectionStateFailed:
		m.up.Store(false)
		c.wishRestart(true)
	}
}

var errNoMedia = errors.New("client: the server answered without media")
