package icemux

import (
	"net"
	"net/netip"
	"testing"

	"github.com/rivulet-rtc/rivulet/internal/udp"
)

// BenchmarkBatchWrite is the cost of one RTP packet from pion's write to the
// batch, with the flush of every 64th; the socket costs nothing.
func BenchmarkBatchWrite(b *testing.B) {
	m, w := newTestUDP(b, UDPConfig{})
	w.discard = true
	batch := NewBatch(64)
	m.Bind("aaaa", batch)
	c := open(b, m, "aaaa")
	media := rtp(96, 1, 1, 1100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.WriteToAddrPort(media, alice); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSend is one RTP packet through real sockets on loopback, by 8
// downlinks of 8 packets each: unbound (one system call a packet), and bound to
// a batch. Nobody reads the other ends; the kernel drops what they cannot hold.
func BenchmarkSend(b *testing.B) {
	for _, bound := range []bool{false, true} {
		name := "alone"
		if bound {
			name = "batched"
		}
		b.Run(name, func(b *testing.B) {
			s, err := udp.Listen(netip.MustParseAddrPort("127.0.0.1:0"), udp.DefaultConfig())
			if err != nil {
				b.Fatal(err)
			}
			m, err := NewUDP(UDPConfig{Sockets: []*udp.Socket{s}})
			if err != nil {
				b.Fatal(err)
			}
			defer m.Close()
			batch := NewBatch(64)
			c := open(b, m, "aaaa")
			if bound {
				m.Bind("aaaa", batch)
			}
			var sinks [8]netip.AddrPort
			for i := range sinks {
				sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
				if err != nil {
					b.Fatal(err)
				}
				defer sink.Close()
				_ = sink.SetReadBuffer(4096)
				sinks[i], _ = addrPort(sink.LocalAddr())
			}
			media := rtp(96, 1, 1, 1100)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := c.WriteToAddrPort(media, sinks[i/8%8]); err != nil {
					b.Fatal(err)
				}
				if i++; i%64 == 0 {
					batch.Flush()
				}
			}
		})
	}
}

// BenchmarkFind is the cost of routing one of 1,000 known addresses.
func BenchmarkFind(b *testing.B) {
	m, _ := newTestUDP(b, UDPConfig{})
	c := open(b, m, "aaaa")
	line := c.line.(*udpConn)
	line.maxClaims = 1000
	p := m.ports[0]
	var messages [readBatch]udp.Message
	var found [readBatch]*udpConn
	for i := range 1000 {
		addr := netip.AddrPortFrom(alice.Addr(), uint16(1000+i))
		p.take(noon, line, addr, true)
		if i < readBatch {
			messages[i] = udp.Message{Buffer: rtp(96, 1, 1, 1100), N: 1100, Addr: addr}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		p.find(messages[:], found[:])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/readBatch, "ns/packet")
}

// BenchmarkFrameQueue is one packet through the queue of a TCP stream.
func BenchmarkFrameQueue(b *testing.B) {
	q, pool := newTestQueue(100_000)
	p := videoPacket(1)
	b.ReportAllocs()
	for b.Loop() {
		q.push(noon, p)
		if item, ok := q.pop(noon); ok {
			pool.give(item.buf)
		}
	}
}
