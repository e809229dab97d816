package udp

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// sendBatch is the most datagrams one system call carries.
	sendBatch = 128
	// maxSegments is the kernel's limit for one segmented message
	// (UDP_MAX_SEGMENTS in Linux 4.18; later ones allow 128).
	maxSegments = 64
	// maxSegmented keeps a segmented message within an IPv4 packet of 65,535
	// bytes with its headers.
	maxSegmented = 65000
)

// span says which of the caller's datagrams a header carries.
type span struct {
	first, count, size int
}

// sender holds the arrays that sendmmsg reads, for one call of WriteBatch at a
// time.
type sender struct {
	socket *mmsg
	// try and wait are bound once: a method value allocates.
	try  func(fd uintptr)
	wait func(fd uintptr) bool

	offset, filled int // headers [offset, filled) are still to go
	n              int // headers taken by the last call
	errno          syscall.Errno

	headers [sendBatch]unix.Mmsghdr
	vectors [sendBatch]unix.Iovec
	names   [sendBatch]sockaddr
	control [sendBatch][controlSpace]byte
	spans   [sendBatch]span
}

func newSender(b *mmsg) *sender {
	s := &sender{socket: b}
	s.try = s.sendmmsg
	s.wait = func(fd uintptr) bool {
		s.sendmmsg(fd)
		return s.errno != unix.EAGAIN
	}
	return s
}

// write sends ms in order; see Socket.WriteBatch.
func (s *sender) write(ms []Message) (sent int, err error) {
	for first := 0; first < len(ms); {
		used := s.pack(ms[first:])
		n, err := s.flush(ms[first : first+used])
		sent += n
		first += used
		if err != nil {
			s.socket.counts.writeErrors.Add(uint64(len(ms) - first))
			return sent, err
		}
	}
	return sent, nil
}

// pack turns the first datagrams of ms into headers and returns how many of
// them it used. One that cannot be addressed gets no header.
func (s *sender) pack(ms []Message) (used int) {
	segmentation := s.socket.segmentation.Load()
	s.offset, s.filled = 0, 0
	for used < len(ms) && used < sendBatch {
		count := 1
		if segmentation {
			count = runLength(ms[used:min(len(ms), sendBatch)])
		}
		i := s.filled
		length := s.names[i].encode(ms[used].Addr, s.socket.family)
		if length == 0 {
			s.socket.counts.writeErrors.Add(uint64(count))
			used += count
			continue
		}
		size := 0
		for j := used; j < used+count; j++ {
			s.vectors[j].Base = unsafe.SliceData(ms[j].Buffer)
			s.vectors[j].SetLen(ms[j].N)
			size += ms[j].N
		}
		h := &s.headers[i]
		h.Len = 0
		h.Hdr = unix.Msghdr{Name: s.names[i].pointer(), Namelen: length, Iov: &s.vectors[used]}
		h.Hdr.SetIovlen(count)
		if count > 1 {
			s.segment(i, ms[used].N)
		}
		s.spans[i] = span{first: used, count: count, size: size}
		s.filled++
		used += count
	}
	return used
}

// runLength says how many datagrams at the start of ms can go as one segmented
// message: to one address, all of one size except that the last may be shorter.
func runLength(ms []Message) int {
	size, total := ms[0].N, ms[0].N
	if size == 0 {
		return 1
	}
	n := 1
	for n < len(ms) && n < maxSegments {
		m := &ms[n]
		if m.N == 0 || m.N > size || m.Addr != ms[0].Addr || total+m.N > maxSegmented {
			break
		}
		total += m.N
		n++
		if m.N < size {
			break
		}
	}
	return n
}

// segment asks the kernel to cut message i into datagrams of size bytes.
func (s *sender) segment(i, size int) {
	control := s.control[i][:unix.CmsgSpace(2)]
	header := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	header.Level = unix.SOL_UDP
	header.Type = unix.UDP_SEGMENT
	header.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(control[unix.CmsgLen(0):], uint16(size))
	s.headers[i].Hdr.Control = &control[0]
	s.headers[i].Hdr.SetControllen(len(control))
}

// flush sends the packed headers and returns how many datagrams were taken.
// ms is what was packed.
func (s *sender) flush(ms []Message) (sent int, err error) {
	defer s.release(len(ms))
	retried := false
	for s.offset < s.filled {
		if err := s.send(); err != nil {
			s.socket.counts.writeErrors.Add(s.unsent())
			return sent, err
		}
		for range s.n {
			sent += s.account(s.spans[s.offset])
			s.offset++
			retried = false
		}
		if s.n > 0 {
			continue
		}
		switch s.errno {
		case unix.EINTR:
			continue
		case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH:
			// May be the echo of an earlier datagram, which is reported once
			// in place of sending this one: try it again, once.
			if !retried {
				retried = true
				continue
			}
		}
		sent += s.refused(s.spans[s.offset], ms)
		s.offset++
		retried = false
	}
	return sent, nil
}

// account counts a message that was taken and returns its datagrams.
func (s *sender) account(p span) int {
	s.socket.counts.wrote(p.count, p.size)
	if p.count > 1 {
		s.socket.counts.writeSegmented.Add(uint64(p.count))
	}
	return p.count
}

// refused deals with a message that the kernel did not take: a single datagram
// is lost; a segmented one is sent again piece by piece, because it may be the
// segmentation that was refused. It returns how many datagrams went after all.
func (s *sender) refused(p span, ms []Message) (sent int) {
	if p.count == 1 {
		s.socket.counts.writeErrors.Add(1)
		return 0
	}
	if s.errno == unix.EIO || s.errno == unix.EOPNOTSUPP {
		// The device cannot do checksums of segments, and never will.
		s.socket.segmentation.Store(false)
	}
	for _, m := range ms[p.first : p.first+p.count] {
		if _, err := s.socket.writeTo(m.Buffer[:m.N], m.Addr); err == nil {
			sent++
		}
	}
	return sent
}

// unsent counts the datagrams whose headers did not go.
func (s *sender) unsent() (n uint64) {
	for _, p := range s.spans[s.offset:s.filled] {
		n += uint64(p.count)
	}
	return n
}

// send makes one call for the headers that are left and puts the outcome into
// n and errno. It waits while the send queue is full. The error is that of a
// closed socket.
func (s *sender) send() error {
	// Control does not take the descriptor's write lock, so that workers can
	// send at the same time; the kernel orders them. Write takes it, but only
	// when one has to wait anyway.
	if err := s.socket.raw.Control(s.try); err != nil {
		return err
	}
	if s.errno == unix.EAGAIN {
		s.socket.counts.writeWaits.Add(1)
		return s.socket.raw.Write(s.wait)
	}
	return nil
}

func (s *sender) sendmmsg(fd uintptr) {
	s.socket.counts.writeCalls.Add(1)
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd,
		uintptr(unsafe.Pointer(&s.headers[s.offset])), uintptr(s.filled-s.offset), 0, 0, 0)
	s.n, s.errno = int(n), errno
	if errno != 0 {
		s.n = 0
	}
}

// release forgets the caller's memory.
func (s *sender) release(used int) {
	for i := range s.vectors[:used] {
		s.vectors[i].Base = nil
	}
}
