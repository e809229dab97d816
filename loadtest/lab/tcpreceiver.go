package lab

import (
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// delayedAck is how long an acknowledgement waits for a second segment.
	delayedAck = 40 * time.Millisecond
	// mostBlocks is how many blocks a selective acknowledgement has room for
	// beside time stamps (RFC 2018 §3).
	mostBlocks = 3
	// The option is 2 bytes, padded to 4, and 8 for each block.
	sackOption units.Size = 4
	blockSize  units.Size = 8
)

// block is segments that arrived before some that they follow: from the first
// to, not including, the last.
type block struct{ from, to int64 }

// tcpReceiver acknowledges every second segment, and at once while something
// is missing (RFC 5681 §4.2), with the blocks that arrived last first (RFC
// 2018 §4).
type tcpReceiver struct {
	world *world
	back  *route
	want  int64
	early []block // latest first
	held  bool
	timer time.Duration
}

func (r *tcpReceiver) act(now time.Duration, e *event) {
	if e.kind == ackTimer {
		if now == r.timer && r.held {
			r.answer(now)
		}
		return
	}
	n := e.p.number
	whole := len(r.early) == 0
	if n == r.want {
		r.want++
		r.early = slices.DeleteFunc(r.early, func(b block) bool {
			if b.from == r.want {
				r.want = b.to
				return true
			}
			return false
		})
		if whole && !r.held {
			r.held = true
			r.timer = now + delayedAck
			r.world.at(r.timer, r, ackTimer)
			return
		}
	} else if n > r.want {
		r.keep(n)
	}
	r.answer(now)
}

// keep notes a segment that came early.
func (r *tcpReceiver) keep(n int64) {
	b := block{n, n + 1}
	r.early = slices.DeleteFunc(r.early, func(o block) bool {
		if o.to < b.from || b.to < o.from {
			return false
		}
		b = block{min(b.from, o.from), max(b.to, o.to)}
		return true
	})
	r.early = slices.Insert(r.early, 0, b)
}

func (r *tcpReceiver) answer(now time.Duration) {
	r.held, r.timer = false, never
	p := packet{class: tcpAck, size: ackSize, sent: now, ack: r.want}
	if n := min(len(r.early), mostBlocks); n > 0 {
		p.blocks = slices.Clone(r.early[:n])
		p.size += sackOption + blockSize*units.Size(n)
	}
	r.back.send(p)
}
