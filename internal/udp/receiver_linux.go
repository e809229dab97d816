package udp

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// coalescedSize is the most the kernel puts into one coalesced message.
	coalescedSize = 1 << 16
	// coalescedBatch bounds the memory of a coalescing socket to 1 MiB.
	coalescedBatch = 16
	// controlSpace holds one control message with a 32-bit value.
	controlSpace = 24
)

// receiver is the reading half of a socket: the arrays that recvmmsg fills.
//
// With coalescing (UDP_GRO) the kernel may hand over a run of datagrams of one
// sender as one message. It is read into memory of our own and dealt out to
// the caller's buffers: one copy more, many trips through the stack less.
type receiver struct {
	raw    syscall.RawConn
	counts *counters
	call   func(fd uintptr) bool // bound once: a method value allocates

	mu      sync.Mutex // held for a whole read
	n       int        // messages offered to the call, then messages filled
	errno   syscall.Errno
	headers [MaxBatch]unix.Mmsghdr
	vectors [MaxBatch]unix.Iovec
	names   [MaxBatch]sockaddr

	// The rest is for coalescing only.
	buffers [][]byte // nil: off
	control [coalescedBatch][controlSpace]byte
	// next and filled bound the messages not yet dealt out; rest is what is
	// left of message next, in datagrams of segment bytes.
	next, filled int
	rest         []byte
	segment      int
	from         netip.AddrPort
}

func newReceiver(raw syscall.RawConn, counts *counters, coalesce bool) *receiver {
	r := &receiver{raw: raw, counts: counts}
	r.call = r.recvmmsg
	if coalesce {
		memory := make([]byte, coalescedBatch*coalescedSize)
		for i := range coalescedBatch {
			r.buffers = append(r.buffers, memory[i*coalescedSize:(i+1)*coalescedSize:(i+1)*coalescedSize])
		}
	}
	return r
}

// read fills ms from the front.
func (r *receiver) read(ms []Message) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.buffers != nil {
		return r.readCoalesced(ms)
	}
	ms = ms[:min(len(ms), MaxBatch)]
	for i := range ms {
		r.prepare(i, ms[i].Buffer)
	}
	n, err := r.receive(len(ms))
	if err != nil {
		return 0, err
	}
	size := 0
	for i := range n {
		m, h := &ms[i], &r.headers[i]
		m.Addr = r.names[i].decode()
		m.N = int(h.Len)
		if h.Hdr.Flags&unix.MSG_TRUNC != 0 {
			m.N = 0
			r.counts.readTruncated.Add(1)
		}
		size += m.N
		r.vectors[i].Base = nil // do not keep the caller's memory alive
	}
	r.counts.read(n, size)
	return n, nil
}

// readCoalesced deals out what is left of the last call before it makes
// another one.
func (r *receiver) readCoalesced(ms []Message) (int, error) {
	if n := r.deal(ms); n > 0 {
		return n, nil
	}
	for i, buffer := range r.buffers {
		r.prepare(i, buffer)
		r.headers[i].Hdr.Control = &r.control[i][0]
		r.headers[i].Hdr.SetControllen(controlSpace)
	}
	n, err := r.receive(len(r.buffers))
	if err != nil {
		return 0, err
	}
	r.counts.readCalls.Add(1)
	r.next, r.filled = 0, n
	r.open()
	// Something is there to deal out: the call returned at least one message,
	// and an empty datagram is one too.
	return r.deal(ms), nil
}

// open makes message next the one to deal out.
func (r *receiver) open() {
	if r.next >= r.filled {
		return
	}
	h := &r.headers[r.next]
	r.rest = r.buffers[r.next][:h.Len]
	r.from = r.names[r.next].decode()
	r.segment = segmentSize(r.control[r.next][:], int(h.Hdr.Controllen))
	if r.segment <= 0 || r.segment >= len(r.rest) {
		r.segment = len(r.rest)
		return
	}
	r.counts.readCoalesced.Add(uint64((len(r.rest) + r.segment - 1) / r.segment))
}

// deal copies datagrams to the caller.
func (r *receiver) deal(ms []Message) (n int) {
	for n < len(ms) && n < MaxBatch && r.next < r.filled {
		m := &ms[n]
		piece := r.rest[:min(r.segment, len(r.rest))]
		m.Addr, m.N = r.from, copy(m.Buffer, piece)
		if m.N < len(piece) {
			m.N = 0
			r.counts.readTruncated.Add(1)
		}
		r.counts.readDatagrams.Add(1)
		r.counts.readBytes.Add(uint64(m.N))
		n++
		r.rest = r.rest[len(piece):]
		if len(r.rest) == 0 {
			r.next++
			r.open()
		}
	}
	return n
}

// prepare points header i at buffer.
func (r *receiver) prepare(i int, buffer []byte) {
	h := &r.headers[i]
	h.Len = 0
	h.Hdr = unix.Msghdr{Name: r.names[i].pointer(), Namelen: unix.SizeofSockaddrInet6, Iov: &r.vectors[i]}
	h.Hdr.SetIovlen(1)
	r.vectors[i].Base = unsafe.SliceData(buffer)
	r.vectors[i].SetLen(len(buffer))
}

// receive waits for the first n headers to be filled and returns how many were.
func (r *receiver) receive(n int) (int, error) {
	for {
		r.n = n
		if err := r.raw.Read(r.call); err != nil {
			return 0, err
		}
		switch r.errno {
		case 0:
			return r.n, nil
		case unix.EINTR, unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH:
			// The last three are the echo of something sent earlier: they are
			// reported once and say nothing about what can be received.
			continue
		default:
			return 0, os.NewSyscallError("recvmmsg", r.errno)
		}
	}
}

// recvmmsg is called with the descriptor; false asks to be called again when
// there is something to read.
func (r *receiver) recvmmsg(fd uintptr) bool {
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd,
		uintptr(unsafe.Pointer(&r.headers[0])), uintptr(r.n), 0, 0, 0)
	if errno == unix.EAGAIN {
		return false
	}
	r.n, r.errno = int(n), errno
	return true
}

// segmentSize reads the datagram size of a coalesced message from its control
// data (UDP_GRO, a native-endian int), or returns 0.
func segmentSize(control []byte, length int) int {
	if length < unix.SizeofCmsghdr+4 || length > len(control) {
		return 0
	}
	header := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if header.Level != unix.SOL_UDP || header.Type != unix.UDP_GRO {
		return 0
	}
	data := unix.CmsgLen(0)
	if data+4 > length {
		return 0
	}
	return int(int32(binary.NativeEndian.Uint32(control[data:])))
}
