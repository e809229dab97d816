package icemux

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestTCPCarriesPacketsBothWays(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, l := newTestTCP(t, TCPConfig{})
		a := openTCP(t, m, "aaaa")
		if a.LocalAddr().String() != server || m.LocalAddr().String() != server {
			t.Fatalf("local address %v, %v", a.LocalAddr(), m.LocalAddr())
		}
		c := l.dial(t, alice)
		request := stunMessage(stunRequest, "aaaa:x")
		send(t, c, request, dtls)
		mustRead(t, a, alice, request)
		mustRead(t, a, alice, dtls)

		r := bufio.NewReader(c)
		for _, p := range [][]byte{success, rtp(96, 1, 1, 1200), dtls} {
			if n, err := a.WriteTo(p, net.TCPAddrFromAddrPort(alice)); n != len(p) || err != nil {
				t.Fatal(n, err)
			}
		}
		for _, want := range [][]byte{success, rtp(96, 1, 1, 1200), dtls} {
			if got := receive(t, r); !bytes.Equal(got, want) {
				t.Fatalf("client got %x", got)
			}
		}
		if n, err := a.WriteToAddrPort(dtls, bob); n != 0 || err != nil {
			t.Fatalf("to nobody: %d, %v", n, err)
		}
		synctest.Wait()
		s := m.Stats()
		if s.Streams != 1 || s.ReadPackets != 2 || s.Connections != 1 || s.Accepted != 1 || s.WrittenPackets != 3 || s.NoStream != 1 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestTCPStrangersAreCutOff(t *testing.T) {
	for name, first := range map[string][]byte{
		"unknown fragment": appendFrame(nil, stunMessage(stunRequest, "nobody:x")),
		"no request":       appendFrame(nil, dtls),
		"too long":         {255, 255, 1},
		"HTTP":             []byte("GET / HTTP/1.1\r\n\r\n"),
		"half":             {0, 20, 1},
		"silence":          nil,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				m, l := newTestTCP(t, TCPConfig{})
				openTCP(t, m, "aaaa")
				start := time.Now()
				c := l.dial(t, alice)
				go func() { _, _ = c.Write(first) }()
				if _, err := c.Read(make([]byte, 1)); err != io.EOF {
					t.Fatalf("the client read %v", err)
				}
				if waited := time.Since(start); waited > 10*time.Second {
					t.Fatalf("held for %v", waited)
				}
				synctest.Wait()
				if s := m.Stats(); s.Strangers != 1 || s.Connections != 0 || s.BuffersInUse != 0 {
					t.Fatalf("%+v", s)
				}
			})
		})
	}
}

func TestTCPConnectionsAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, l := newTestTCP(t, TCPConfig{MaxConnections: 3, MaxPerAddress: 2})
		at := func(ip string, port int) netip.AddrPort {
			return netip.MustParseAddrPort(fmt.Sprintf("%s:%d", ip, port))
		}
		refused := func(from netip.AddrPort) {
			t.Helper()
			if _, err := l.dial(t, from).Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("%v was let in: %v", from, err)
			}
		}
		first := l.dial(t, at("198.51.100.1", 1))
		l.dial(t, at("198.51.100.1", 2))
		refused(at("198.51.100.1", 3))
		l.dial(t, at("[2001:db8::1]", 1))
		refused(at("198.51.100.9", 1))
		if s := m.Stats(); s.Refused != 2 || s.Connections != 3 {
			t.Fatalf("%+v", s)
		}
		// Who leaves makes room, for the address and for all.
		_ = first.Close()
		synctest.Wait()
		l.dial(t, at("198.51.100.1", 4))
		synctest.Wait()
		if s := m.Stats(); s.Refused != 2 || s.Connections != 3 {
			t.Fatalf("%+v", s)
		}
		if networkOf(netip.MustParseAddr("2001:db8::1")) != networkOf(netip.MustParseAddr("2001:db8::ffff")) {
			t.Fatal("one IPv6 customer is many")
		}
	})
}

func TestTCPWriterNeverWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, l := newTestTCP(t, TCPConfig{IsVoice: func(pt uint8) bool { return pt == voiceType }})
		a := openTCP(t, m, "aaaa")
		c := l.dial(t, alice)
		request := stunMessage(stunRequest, "aaaa:x")
		send(t, c, request)
		mustRead(t, a, alice, request)

		// Five seconds of voice and video for a client that does not read.
		for i := range 250 {
			_, _ = a.WriteToAddrPort(rtp(voiceType, 2, uint32(i), 100), alice)
			for range 3 {
				_, _ = a.WriteToAddrPort(rtp(videoType, 1, uint32(i), 1000), alice)
			}
			time.Sleep(20 * time.Millisecond)
		}
		if s := m.Stats(); s.BuffersInUse > 50 {
			t.Fatalf("%d packets wait: more than 200 ms", s.BuffersInUse)
		}
		// Then it reads: after what was under way, nothing is older than 200 ms.
		r := bufio.NewReader(c)
		receive(t, r)
		fresh := 0
		for {
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			var pool bufferPool
			b, n, err := readFrame(r, &pool, maxFrame)
			if err != nil {
				break
			}
			if b.data[1] == voiceType {
				if at := int(b.data[6])<<8 | int(b.data[7]); at < 240 {
					t.Fatalf("voice of step %d of 250", at)
				}
				fresh++
			}
			_ = n
		}
		if fresh < 9 || fresh > 11 {
			t.Fatalf("%d voice packets, want those of the last 200 ms", fresh)
		}
		if m.Stats().WriteDrops < 900 {
			t.Fatalf("%+v", m.Stats())
		}
	})
}

func TestTCPClientThatNeverReadsIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, l := newTestTCP(t, TCPConfig{Idle: time.Hour})
		a := openTCP(t, m, "aaaa")
		c := l.dial(t, alice)
		request := stunMessage(stunRequest, "aaaa:x")
		send(t, c, request)
		mustRead(t, a, alice, request)
		_, _ = a.WriteToAddrPort(dtls, alice)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if s := m.Stats(); s.Connections != 0 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestTCPSilentClientIsGivenUpAndMayReturn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, l := newTestTCP(t, TCPConfig{})
		a := openTCP(t, m, "aaaa")
		request := stunMessage(stunRequest, "aaaa:x")
		c := l.dial(t, alice)
		for range 10 {
			send(t, c, request)
			mustRead(t, a, alice, request)
			time.Sleep(20 * time.Second)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if s := m.Stats(); s.Connections != 0 || s.Sessions != 1 {
			t.Fatalf("%+v", s)
		}
		c = l.dial(t, bob)
		send(t, c, request)
		mustRead(t, a, bob, request)
	})
}

func TestTCPFragmentsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, l := newTestTCP(t, TCPConfig{})
		one, two := openTCP(t, m, "aaaa"), openTCP(t, m, "aaaa")
		other := openTCP(t, m, "bbbb")
		request := stunMessage(stunRequest, "aaaa:x")
		c := l.dial(t, alice)
		send(t, c, request)
		mustRead(t, one, alice, request)
		_ = one.Close()
		send(t, c, dtls)
		mustRead(t, two, alice, dtls)

		m.RemoveConnByUfrag("aaaa")
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("the client's stream: %v", err)
		}
		if _, _, err := two.ReadFrom(make([]byte, 10)); err != io.EOF {
			t.Fatalf("read: %v", err)
		}
		if _, err := two.WriteToAddrPort(dtls, alice); err != io.ErrClosedPipe {
			t.Fatalf("write: %v", err)
		}
		_ = other.Close()
		if s := m.Stats(); s.Sessions != 0 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestTCPStreamsOfOneFragmentAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, l := newTestTCP(t, TCPConfig{})
		openTCP(t, m, "aaaa")
		for i := range maxStreams + 1 {
			c := l.dial(t, netip.AddrPortFrom(alice.Addr(), uint16(1000+i)))
			send(t, c, stunMessage(stunRequest, "aaaa:x"))
		}
		synctest.Wait()
		if s := m.Stats(); s.Streams != maxStreams || s.Strangers != 1 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestTCPFamiliesAndAddresses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, l := newTestTCP(t, TCPConfig{})
		// Announced behind a translator: the streams come to another address.
		four, err := m.GetConnByUfrag("aaaa", false, net.IPv4(10, 0, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		defer four.Close()
		six, err := m.GetConnByUfrag("aaaa", true, net.ParseIP("2001:db8::10"))
		if err != nil {
			t.Fatal(err)
		}
		defer six.Close()
		request := stunMessage(stunRequest, "aaaa:x")
		send(t, l.dial(t, alice), request)
		mustRead(t, four.(*handle), alice, request)
		client := netip.MustParseAddrPort("[2001:db8::99]:5")
		send(t, l.dial(t, client), request)
		_, from, err := six.ReadFrom(make([]byte, 100))
		if err != nil || from.String() != client.String() || from.Network() != "tcp" {
			t.Fatal(from, err)
		}
		if _, err := m.GetConnByUfrag("aaaa", false, nil); err == nil {
			t.Fatal("a connection without an address")
		}
	})
}

func TestTCPAcceptSurvivesErrors(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, l := newTestTCP(t, TCPConfig{})
		for range 12 {
			l.failures <- errors.New("too many open files")
		}
		a := openTCP(t, m, "aaaa")
		request := stunMessage(stunRequest, "aaaa:x")
		send(t, l.dial(t, alice), request)
		mustRead(t, a, alice, request)
		if s := m.Stats(); s.AcceptErrors != 12 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestTCPCloseEndsEverything(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, l := newTestTCP(t, TCPConfig{})
		a := openTCP(t, m, "aaaa")
		named := l.dial(t, alice)
		send(t, named, stunMessage(stunRequest, "aaaa:x"))
		waiting := l.dial(t, bob)
		synctest.Wait()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		for _, c := range []net.Conn{named, waiting} {
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Fatal(err)
			}
		}
		if _, _, err := a.ReadFrom(make([]byte, 10)); err != io.EOF {
			t.Fatal(err)
		}
		if _, err := m.GetConnByUfrag("bbbb", false, net.IPv4(1, 2, 3, 4)); err != io.ErrClosedPipe {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := NewTCP(TCPConfig{}); err == nil {
		t.Error("a mux without a listener")
	}
}

// Random bytes on a stream never panic and never outlive it.
func FuzzTCPStream(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, stunMessage(stunRequest, "aaaa:x")), dtls))
	f.Add(appendFrame(nil, dtls))
	f.Add([]byte{0, 0, 0, 0})
	f.Add(append(appendFrame(nil, stunMessage(stunRequest, "aaaa:x")), 255, 255))
	f.Fuzz(func(t *testing.T, stream []byte) {
		l := newStreams()
		m, err := NewTCP(TCPConfig{Listener: l})
		if err != nil {
			t.Fatal(err)
		}
		openTCP(t, m, "aaaa")
		client, side := net.Pipe()
		l.incoming <- addressed{side, tcpServer, alice}
		_, _ = client.Write(stream)
		_ = client.Close()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if s := m.Stats(); s.BuffersInUse != 0 || s.Connections != 0 {
			t.Fatalf("%+v", s)
		}
	})
}
