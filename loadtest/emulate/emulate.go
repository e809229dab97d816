// Package emulate puts the emulated link of package link between real programs,
// in real time.
//
// It decides nothing about packets: link does. It decides when to wake up. In:
// a plan for each direction ([Links]) and packets from sockets or TUN devices.
// Out: the packets that arrive, when they arrive, and a [Report] that also says
// how far the run itself may be believed.
//
//	[OpenUDP]  a UDP proxy; needs no rights
//	[RunTUN]   two network namespaces joined by the link, with any program
//	           inside; needs root, or a user namespace and /dev/net/tun
//
// All packets of a run pass through one goroutine on an operating-system thread
// of its own (carrier):
//
//	epoll -> read, stamp -> link.Pipe.Push ... timerfd -> Pop, write -> lateness
//
// It sleeps until absolute deadlines (CLOCK_MONOTONIC), reads sockets in batches
// and writes at once. Nothing is shared with other goroutines but a flag to stop.
//
// An emulator on a busy machine wakes up late and then measures the machine, not
// the link. So each packet's lateness is recorded, and that of a wake-up each
// 10 ms; a run whose 99th percentile of either is beyond [MaxLateness], or which
// itself lost packets, is not Valid and says why.
//
// Sizes are bytes of whole IP packets, as on the wire. Linux only: on other
// systems everything answers [ErrUnsupported].
package emulate

import (
	"errors"
	"fmt"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

const (
	// MaxLateness is how late the 99th percentile of packets, and of wake-ups,
	// may be in a run that counts: a tenth of the shortest one-way delay that
	// call software is usually tried on.
	MaxLateness = 5 * time.Millisecond

	// maxMissed is the share of packets that the emulator itself may lose: a
	// hundredth of the loss that anybody measures.
	maxMissed = 0.0001

	// maxHeld bounds the memory of packets under way, in bytes.
	maxHeld = 256 << 20
)

// ErrUnsupported says that this system has no epoll, timerfd or namespaces.
var ErrUnsupported = errors.New("emulated links in real time need Linux")

// Links is the plan for both directions, as seen by the side of the client
// (UDP) or of the program (TUN): Up leaves it, Down comes to it.
type Links struct {
	Down, Up link.Config
	// HalfDuplex lets both directions share one link, as on a radio where only
	// one may send at a time: Down's plan holds for both.
	HalfDuplex bool
}

// Validate says what is wrong with the plan.
func (l Links) Validate() error {
	if err := l.Down.Validate(); err != nil {
		return fmt.Errorf("down: %w", err)
	}
	if err := l.Up.Validate(); err != nil {
		return fmt.Errorf("up: %w", err)
	}
	return nil
}

// moves are the times at which the client's address changes: those of Up, or if
// there are none those of Down.
func (l Links) moves() []time.Duration {
	if len(l.Up.Moves) > 0 && !l.HalfDuplex {
		return l.Up.Moves
	}
	return l.Down.Moves
}

// Direction is a way through the link.
type Direction uint8

// Directions.
const (
	Up Direction = iota
	Down
	directions
)

// String answers "up" or "down".
func (d Direction) String() string {
	if d == Up {
		return "up"
	}
	return "down"
}

// pair is the two ways of one client, or of all.
type pair [directions]*way

// way is one link in use. With half duplex both directions have the same.
type way struct {
	pipe     *link.Pipe[*parcel]
	overhead units.Size // of the plan, on each packet
}

// open begins the links of a plan. number tells the luck of several clients
// apart.
func (l Links) open(start time.Time, number uint64) (p pair, err error) {
	down, up := l.Down, l.Up
	// Odd steps far apart: neighbouring seeds of a person's own choice, and the
	// two directions, do not meet.
	down.Seed += 2 * number * 0x9e3779b97f4a7c15
	up.Seed += (2*number + 1) * 0x9e3779b97f4a7c15
	if p[Down], err = newWay(start, down); err != nil {
		return p, err
	}
	if l.HalfDuplex {
		p[Up] = p[Down]
		return p, nil
	}
	p[Up], err = newWay(start, up)
	return p, err
}

// waits is how long a packet offered now would wait each way.
func (p pair) waits(now time.Time) (up, down time.Duration) {
	return p[Up].pipe.Link().Wait(now), p[Down].pipe.Link().Wait(now)
}

func newWay(start time.Time, c link.Config) (*way, error) {
	pipe, err := link.NewPipe[*parcel](start, c)
	if err != nil {
		return nil, err
	}
	return &way{pipe, c.Overhead}, nil
}
