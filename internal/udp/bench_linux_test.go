package udp

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The send path beside the bare system calls. The sinks are never read: the
// kernel drops what they cannot hold, at the same cost for every way of
// sending. Figures are per batch of benchBatch datagrams; ns/datagram is what
// to compare.
const benchBatch = 32

// traffic is what a worker sends in one batch.
type traffic struct {
	name string
	// size of a datagram in bytes, and how many in a row go to one address.
	size, run int
}

var kinds = []traffic{
	{"voice to 32", 120, 1},
	{"video to 4", 1100, 8},
	{"video to 1", 1100, 32},
}

func (k traffic) messages(b *testing.B) []Message {
	b.Helper()
	sinks := make([]netip.AddrPort, benchBatch/k.run)
	for i := range sinks {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		_ = c.SetReadBuffer(4096)
		sinks[i] = addrPortOf(c.LocalAddr())
	}
	var ms []Message
	for i := range benchBatch {
		ms = append(ms, Message{Buffer: make([]byte, k.size), N: k.size, Addr: sinks[i/k.run]})
	}
	return ms
}

func perDatagram(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchBatch, "ns/datagram")
}

func BenchmarkWriteBatch(b *testing.B) {
	for _, k := range kinds {
		for _, plain := range []bool{false, true} {
			b.Run(k.name+" plain="+strconv.FormatBool(plain), func(b *testing.B) {
				s, _ := pair(b, "127.0.0.1:0", Config{NoSegmentation: plain})
				ms := k.messages(b)
				b.ReportAllocs()
				for b.Loop() {
					if n, err := s.WriteBatch(ms); n != len(ms) || err != nil {
						b.Fatal(n, err)
					}
				}
				perDatagram(b)
			})
		}
	}
}

// BenchmarkBareSendto is one system call a datagram, as the standard library
// makes it.
func BenchmarkBareSendto(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			s, _ := pair(b, "127.0.0.1:0", Config{})
			ms := k.messages(b)
			conn := s.conn.(*net.UDPConn)
			b.ReportAllocs()
			for b.Loop() {
				for i := range ms {
					if _, err := conn.WriteToUDPAddrPort(ms[i].Buffer, ms[i].Addr); err != nil {
						b.Fatal(err)
					}
				}
			}
			perDatagram(b)
		})
	}
}

// BenchmarkBareSendmmsg is the floor without segmentation: headers made once,
// the descriptor used directly.
func BenchmarkBareSendmmsg(b *testing.B) {
	for _, k := range kinds {
		b.Run(k.name, func(b *testing.B) {
			s, _ := pair(b, "127.0.0.1:0", Config{})
			ms := k.messages(b)
			headers := make([]unix.Mmsghdr, benchBatch)
			vectors := make([]unix.Iovec, benchBatch)
			names := make([]sockaddr, benchBatch)
			for i := range ms {
				length := names[i].encode(ms[i].Addr, unix.AF_INET)
				vectors[i].Base = unsafe.SliceData(ms[i].Buffer)
				vectors[i].SetLen(ms[i].N)
				headers[i].Hdr = unix.Msghdr{Name: names[i].pointer(), Namelen: length, Iov: &vectors[i]}
				headers[i].Hdr.SetIovlen(1)
			}
			var fd int
			if err := control(s.conn.(*net.UDPConn), func(f int) { fd = f }); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd),
					uintptr(unsafe.Pointer(&headers[0])), benchBatch, 0, 0, 0)
				if errno != 0 || n != benchBatch {
					b.Fatal(n, errno)
				}
			}
			perDatagram(b)
		})
	}
}

// BenchmarkRoundTrip sends a batch and reads it back, with and without
// receive offload.
func BenchmarkRoundTrip(b *testing.B) {
	for _, size := range []int{120, 1100} {
		for _, plain := range []bool{false, true} {
			b.Run(strconv.Itoa(size)+" B plain="+strconv.FormatBool(plain), func(b *testing.B) {
				cfg := DefaultConfig()
				cfg.NoCoalescing, cfg.NoSegmentation = plain, plain
				from, to := pair(b, "127.0.0.1:0", cfg)
				out := make([]Message, benchBatch)
				in := make([]Message, benchBatch)
				for i := range out {
					out[i] = Message{Buffer: make([]byte, size), N: size, Addr: to.LocalAddr()}
					in[i].Buffer = make([]byte, 2048)
				}
				b.ReportAllocs()
				for b.Loop() {
					if n, err := from.WriteBatch(out); n != benchBatch || err != nil {
						b.Fatal(n, err)
					}
					for got := 0; got < benchBatch; {
						n, err := to.ReadBatch(in)
						if err != nil {
							b.Fatal(err)
						}
						got += n
					}
				}
				perDatagram(b)
			})
		}
	}
}
