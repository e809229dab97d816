package udp

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// mmsg is the backend of a real socket on Linux.
type mmsg struct {
	conn   *net.UDPConn
	raw    syscall.RawConn
	family int
	counts *counters

	receiver *receiver
	// senders holds the arrays of calls to WriteBatch that are not running.
	senders sync.Pool
	// segmentation is on while the kernel segments for this socket.
	segmentation atomic.Bool
}

// newBackend returns nil when the socket's descriptor is not to be had.
func newBackend(conn *net.UDPConn, cfg Config, counts *counters) backend {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil
	}
	b := &mmsg{conn: conn, raw: raw, counts: counts}
	coalesce := false
	err = raw.Control(func(fd uintptr) {
		b.family = domain(int(fd))
		if !cfg.NoSegmentation {
			// Reading the option asks whether the kernel knows it (4.18).
			_, err := unix.GetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_SEGMENT)
			b.segmentation.Store(err == nil)
		}
		if !cfg.NoCoalescing {
			coalesce = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_GRO, 1) == nil
		}
	})
	if err != nil || (b.family != unix.AF_INET && b.family != unix.AF_INET6) {
		return nil
	}
	b.receiver = newReceiver(raw, counts, coalesce)
	b.senders.New = func() any { return newSender(b) }
	return b
}

func (b *mmsg) readBatch(ms []Message) (int, error) { return b.receiver.read(ms) }

func (b *mmsg) writeBatch(ms []Message) (int, error) {
	s := b.senders.Get().(*sender)
	defer b.senders.Put(s)
	return s.write(ms)
}

func (b *mmsg) writeTo(p []byte, addr netip.AddrPort) (int, error) {
	b.counts.writeCalls.Add(1)
	n, err := b.conn.WriteToUDPAddrPort(p, addr)
	if err != nil {
		b.counts.writeErrors.Add(1)
		return 0, err
	}
	b.counts.wrote(1, n)
	return n, nil
}
