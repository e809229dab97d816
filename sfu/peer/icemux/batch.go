package icemux

import (
	"net/netip"

	"github.com/rivulet-rtc/rivulet/internal/udp"
)

// maxBatched is the largest packet a batch copies: an IPv4 packet of an
// Ethernet's 1500 bytes. Larger ones go out at once, behind what waits.
const maxBatched = 1472

// Batch collects the RTP and RTCP of one egress worker and sends them with one
// system call per socket. It belongs to one goroutine and has no lock: only
// its worker may write media through connections bound to it.
//
// Packets are copied into memory of its own, back to back, because pion reuses
// the memory it writes from.
type Batch struct {
	size  int
	lanes []lane // one for each socket met; a server has one or two
	// sent and failed count since the last Flush.
	sent, failed int
	total        BatchStats
}

// BatchStats counts datagrams since the batch was made.
type BatchStats struct {
	// Sent were taken by the kernel, Failed were not.
	Sent, Failed uint64
	// Flushes counts the times a lane with at least one datagram was sent.
	Flushes uint64
}

// lane is what waits for one socket.
type lane struct {
	socket   *udp.Socket
	messages []udp.Message
	memory   []byte
	used     int
}

// NewBatch makes a batch of up to size datagrams (at least 1) per socket.
func NewBatch(size int) *Batch {
	return &Batch{size: max(size, 1)}
}

// Len is the number of datagrams that wait.
func (b *Batch) Len() (n int) {
	for i := range b.lanes {
		n += len(b.lanes[i].messages)
	}
	return n
}

// Flush sends what waits. It returns how many datagrams were sent, and how
// many could not be, since the last call of Flush: those that left because the
// batch was full are among them.
func (b *Batch) Flush() (sent, failed int) {
	for i := range b.lanes {
		b.flush(&b.lanes[i])
	}
	sent, failed = b.sent, b.failed
	b.sent, b.failed = 0, 0
	return sent, failed
}

// Stats returns the counters. Like every method it belongs to the worker.
func (b *Batch) Stats() BatchStats { return b.total }

// add copies p for socket; a full lane is sent first.
func (b *Batch) add(socket *udp.Socket, p []byte, to netip.AddrPort) (int, error) {
	l := b.lane(socket)
	if len(l.messages) == b.size || l.used+len(p) > len(l.memory) {
		b.flush(l)
	}
	if len(p) > maxBatched {
		b.flush(l) // keep the order
		n, err := socket.WriteTo(p, to)
		b.count(n, len(p))
		return n, err
	}
	place := l.memory[l.used : l.used+len(p) : l.used+len(p)]
	copy(place, p)
	l.used += len(p)
	l.messages = append(l.messages, udp.Message{Buffer: place, N: len(p), Addr: to})
	return len(p), nil
}

func (b *Batch) lane(socket *udp.Socket) *lane {
	for i := range b.lanes {
		if b.lanes[i].socket == socket {
			return &b.lanes[i]
		}
	}
	b.lanes = append(b.lanes, lane{
		socket:   socket,
		messages: make([]udp.Message, 0, b.size),
		memory:   make([]byte, b.size*maxBatched),
	})
	return &b.lanes[len(b.lanes)-1]
}

func (b *Batch) flush(l *lane) {
	if len(l.messages) == 0 {
		return
	}
	// The error is that of a closed socket: all of it shows in the numbers.
	n, _ := l.socket.WriteBatch(l.messages)
	b.sent += n
	b.failed += len(l.messages) - n
	b.total.Sent += uint64(n)
	b.total.Failed += uint64(len(l.messages) - n)
	b.total.Flushes++
	l.messages, l.used = l.messages[:0], 0
}

// count books one datagram that did not wait.
func (b *Batch) count(n, size int) {
	if n == size {
		b.sent++
		b.total.Sent++
		return
	}
	b.failed++
	b.total.Failed++
}
