package client

import (
	"sync/atomic"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/uplink"
)

// Stages are how long each step of joining took, counted from the call of Join;
// 0 for one that has not come.
type Stages struct {
	Signalling  time.Duration // the WebSocket is open
	Joined      time.Duration // the server has answered
	ICE         time.Duration // a path was found
	DTLS        time.Duration // media can flow
	FirstPacket time.Duration // the first packet of media has come
}

// stages are noted from several goroutines, each once.
type stages struct{ signalling, joined, ice, dtls, first atomic.Int64 }

func (*stages) note(stage *atomic.Int64, started time.Time) {
	if stage.Load() == 0 {
		stage.CompareAndSwap(0, int64(max(time.Since(started), 1)))
	}
}

// Stages answers how joining went.
func (c *Call) Stages() Stages {
	s := &c.stages
	at := func(v *atomic.Int64) time.Duration { return time.Duration(v.Load()) }
	return Stages{at(&s.signalling), at(&s.joined), at(&s.ice), at(&s.dtls), at(&s.first)}
}

// Stats are totals of a call since it began.
type Stats struct {
	Received   uint64 // packets of media that were new
	Recovered  uint64 // of these, by retransmission or repair packets
	Repaired   uint64 // of these, by repair packets
	Duplicates uint64 // came again; retransmissions that nobody needed too
	Lost       uint64 // never came, whatever was repaired; those on their way count
	LostVoice  uint64 // of these, sound
	NACKs      uint64 // packets asked for
	Keyframes  uint64 // key frames asked for
	Malformed  uint64
	Unknown    uint64 // of no stream of ours

	Overload   uint64 // packets that found the run loop's queue full
	LostEvents uint64 // events that nobody read in time
	Buffers    int64  // packet buffers in use
	RTT        time.Duration

	// SignallingUp and SignallingDown are bytes of messages, as they crossed the
	// wire but for WebSocket's frames; SDP and Brief are how many descriptions
	// crossed it as SDP and in the brief form.
	SignallingUp, SignallingDown uint64
	SDP, Brief                   uint64

	// Playout is what somebody who listens would have heard.
	Playout Playout
}

// Stats answers the totals.
func (c *Call) Stats() Stats {
	m := c.media
	s := m.ingress.stats()
	s.Overload = m.overload.Load()
	s.LostEvents = c.lostEvents.Load()
	s.Buffers = m.pool.InUse()
	s.RTT = time.Duration(m.rtt.Load())
	t := c.signals.traffic
	s.SignallingUp, s.SignallingDown = t.up.Load(), t.down.Load()
	s.SDP, s.Brief = t.sdp.Load(), t.brief.Load()
	return s
}

// stats adds up all streams.
func (g *ingress) stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.ended
	s.Malformed += g.malformed.Load()
	s.Unknown += g.unknown
	for _, in := range g.list {
		in.addTo(&s)
	}
	s.Playout = g.playout(time.Now())
	return s
}

// addTo adds one stream's totals.
func (in *inbound) addTo(s *Stats) {
	if in.stream == nil {
		return
	}
	u := in.stream.Stats()
	s.Received += in.received
	s.Recovered += u.Recovered
	s.Repaired += in.repaired
	s.Duplicates += u.Verdicts[uplink.Duplicate] + u.RTX[uplink.Duplicate]
	s.Malformed += u.Verdicts[uplink.Malformed] + u.RTX[uplink.Malformed]
	s.NACKs += u.NACKs
	s.Keyframes += u.Requests
	s.Lost += in.lost()
	if in.kind.Audio() {
		s.LostVoice += in.lost()
	}
}
