package turn

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// seeds are messages of every kind, right and wrong.
func seeds() [][]byte {
	build := func(setters ...stun.Setter) []byte { return stun.MustBuild(setters...).Raw }
	request := func(method stun.Method, setters ...stun.Setter) []byte {
		return build(append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, setters...)...)
	}
	mac := stun.NewLongTermIntegrity("1:u", "rivulet", "p")
	return [][]byte{
		request(stun.MethodBinding),
		request(stun.MethodAllocate, udpTransport),
		request(stun.MethodAllocate, udpTransport, stun.NewUsername("1:u"), stun.NewRealm("rivulet"), stun.NewNonce("n"), mac),
		request(stun.MethodRefresh, lifetimeAttribute(0), mac),
		request(stun.MethodCreatePermission, peerAttribute(mediaAddr), mac),
		request(stun.MethodChannelBind, channelAttribute(0x4000), peerAttribute(otherAddr), mac),
		request(stun.MethodConnect, peerAttribute(mediaAddr)),
		build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), peerAttribute(mediaAddr), attribute(stun.AttrData, 1)),
		build(stun.TransactionID, stun.BindingSuccess),
		channelData(0x4000, []byte("payload")),
		{0x40, 0, 0xff, 0xff},
		{},
		{0, 1, 0, 4, 0x21, 0x12, 0xA4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0xff, 0xff},
	}
}

// fuzzServer is a server in memory whose sources are told one by one.
func fuzzServer(f *testing.F) (*Server, *socket, *memory) {
	m := newMemory()
	udp := m.open(serverAddr)
	udp.in = make(chan packet) // a send returns when the server has taken it
	config := DefaultConfig()
	config.UDP = []net.PacketConn{udp}
	config.Secret = testKey(f)
	config.Peers.Addresses = []netip.AddrPort{mediaAddr}
	config.Limits.AnswersPerSecond, config.Limits.AnswersBurst = 1e9, 1e9
	config.Relay = func(RelayRequest) (net.PacketConn, netip.AddrPort, error) {
		s := m.open(netip.AddrPortFrom(relayHost, 0))
		return s, s.addr, nil
	}
	server, err := New(config, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = server.Close() })
	return server, udp, m
}

// FuzzDatagram throws datagrams at the whole server, from two sources of which
// one has an allocation. A panic of pion's or ours ends the test.
func FuzzDatagram(f *testing.F) {
	server, udp, m := fuzzServer(f)
	inside := m.open(netip.AddrPortFrom(clientHost, 1000))
	c, err := server.IssueCredentials(time.Now(), "u", 24*time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	p := &probe{t: f, username: c.Username, password: c.Password,
		sendRaw: func(b []byte) error { udp.in <- packet{b, inside.addr}; return nil },
		receive: func() ([]byte, error) { got := <-inside.in; return got.data, nil },
	}
	p.bind()
	for _, seed := range seeds() {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, data []byte, known bool) {
		from := netip.AddrPortFrom(clientHost, 2000)
		if known {
			from = inside.addr
		}
		for _, b := range [][]byte{data, {}} { // the second is taken when the first is done
			udp.in <- packet{b, from}
		}
		for len(inside.in) > 0 {
			<-inside.in
		}
	})
}

// FuzzAuthentic signs whatever attributes come with a good key, so that what lies
// behind authentication is reached too. No peer but the allowed one may ever
// receive a packet.
func FuzzAuthentic(f *testing.F) {
	server, udp, m := fuzzServer(f)
	client := m.open(netip.AddrPortFrom(clientHost, 1000))
	forbidden := m.open(otherAddr)
	c, err := server.IssueCredentials(time.Now(), "u", 24*time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	p := &probe{t: f, username: c.Username, password: c.Password,
		sendRaw: func(b []byte) error { udp.in <- packet{b, client.addr}; return nil },
		receive: func() ([]byte, error) { got := <-client.in; return got.data, nil },
	}
	p.send(stun.MethodAllocate, udpTransport)
	if code := p.code(); code != 401 {
		f.Fatalf("challenge = %d", code)
	}
	for _, seed := range seeds() {
		if len(seed) > stunHeaderLength {
			f.Add(uint8(seed[1]), seed[stunHeaderLength:])
		}
	}
	f.Add(uint8(3), []byte{0, 0x19, 0, 4, 17, 0, 0, 0, 0, 0x17, 0, 4, 2, 0, 0, 0})
	f.Fuzz(func(t *testing.T, method uint8, attributes []byte) {
		b := bytes.Clone(stun.MustBuild(stun.TransactionID, stun.NewType(stun.Method(method&0x0f), stun.ClassRequest)).Raw)
		body := attributes[:min(len(attributes), 1000)&^3]
		b = append(b, body...)
		b[2], b[3] = byte(len(body)>>8), byte(len(body))
		message := &stun.Message{Raw: b}
		if message.Decode() != nil {
			return
		}
		for _, s := range []stun.Setter{stun.NewUsername(p.username), stun.NewRealm(p.realm), stun.NewNonce(p.nonce),
			stun.NewLongTermIntegrity(p.username, p.realm, p.password)} {
			if s.AddTo(message) != nil {
				return
			}
		}
		send := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
			peerAttribute(otherAddr), attribute(stun.AttrData, 1, 2, 3, 4)).Raw
		for _, raw := range [][]byte{message.Raw, send, channelData(0x4000, []byte("data")), {}} {
			udp.in <- packet{raw, client.addr}
		}
		if len(forbidden.in) > 0 {
			t.Fatalf("a packet reached a peer that is not on the list after % x", message.Raw)
		}
		for len(client.in) > 0 {
			<-client.in
		}
	})
}

// scripted is a connection that gives what it was given and swallows the rest.
type scripted struct {
	net.Conn // nil: only what is used here exists
	data     *bytes.Reader
	step     int
}

func (s *scripted) Read(p []byte) (int, error) {
	return s.data.Read(p[:min(len(p), s.step)])
}
func (s *scripted) Close() error                    { return nil }
func (s *scripted) SetReadDeadline(time.Time) error { return nil }
func (s *scripted) LocalAddr() net.Addr             { return net.TCPAddrFromAddrPort(serverAddr) }
func (s *scripted) RemoteAddr() net.Addr            { return &net.TCPAddr{IP: net.IPv4(198, 51, 100, 7), Port: 9} }

// FuzzStream throws byte streams, in pieces of any size, at the cutting into
// frames: each frame is whole and is a part of the stream, in order.
func FuzzStream(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(append(bytes.Clone(seed), seed...), 1)
		f.Add(seed, 4096)
	}
	policy := newPolicy(Peers{})
	f.Fuzz(func(t *testing.T, data []byte, step int) {
		var c counters
		config := DefaultConfig()
		config.Secret = testKey(t)
		s := newStream(time.Unix(0, 0), &scripted{data: bytes.NewReader(data), step: max(1, step)},
			newGate(config, policy, newPairs(), &c), &c, config.Limits, func(*stream) {})
		rest := data
		buf := make([]byte, 1600)
		for {
			n, err := s.Read(buf)
			if err != nil {
				if err == io.EOF && len(s.unread) >= maxFrame {
					t.Fatalf("%d bytes kept for a frame that cannot come", len(s.unread))
				}
				return
			}
			if size, err := frameSize(buf[:n]); err != nil || size != n || n > maxFrame {
				t.Fatalf("a frame of %d bytes, by its own account %d (%v)", n, size, err)
			}
			i := bytes.Index(rest, buf[:n])
			if i < 0 {
				t.Fatalf("% x is not in the stream", buf[:n])
			}
			rest = rest[i+n:]
		}
	})
}

// FuzzScan compares our walk over attributes with the library's decoder.
func FuzzScan(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, ok := scan(data)
		if !ok {
			return
		}
		m := &stun.Message{Raw: bytes.Clone(data)}
		if err := m.Decode(); err != nil {
			t.Fatalf("scan accepts what does not decode: %v", err)
		}
		if m.Type.Value() != r.typ || m.Type.Method != methodOf(r.typ) {
			t.Errorf("type %04x method %v, want %v", r.typ, methodOf(r.typ), m.Type)
		}
		if got := m.Contains(stun.AttrMessageIntegrity); got != r.hasIntegrity {
			t.Errorf("integrity %v, want %v", r.hasIntegrity, got)
		}
		if got := m.Contains(stun.AttrXORPeerAddress); got != r.hasPeer {
			t.Errorf("peer %v, want %v", r.hasPeer, got)
		}
	})
}
