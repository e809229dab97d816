package turn

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"github.com/rivulet-rtc/rivulet/internal/secret"
)

const testSecret = "relay-secret-0123456789abcdefghijklmnop"

var (
	serverAddr = netip.MustParseAddrPort("192.0.2.1:3478")
	mediaAddr  = netip.MustParseAddrPort("192.0.2.1:7882")
	otherAddr  = netip.MustParseAddrPort("192.0.2.1:22") // same host, another service
	relayHost  = netip.MustParseAddr("192.0.2.1")
	clientHost = netip.MustParseAddr("198.51.100.7")
)

func testKey(t testing.TB) secret.Secret {
	t.Helper()
	key, err := secret.New(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// lab is a server in memory with an SFU's media socket that echoes beside it.
// It is made inside a synctest bubble, where time is virtual.
type lab struct {
	t      testing.TB
	net    *memory
	udp    *socket
	tcp    *pipeListener
	media  *socket
	server *Server
}

func newLab(t testing.TB, change func(*Config)) *lab {
	t.Helper()
	l := &lab{t: t, net: newMemory()}
	l.udp = l.net.open(serverAddr)
	l.tcp = newPipeListener(serverAddr)
	l.media = l.net.open(mediaAddr)
	config := DefaultConfig()
	config.UDP = []net.PacketConn{l.udp}
	config.TCP = []net.Listener{l.tcp}
	config.Secret = testKey(t)
	config.Peers.Addresses = []netip.AddrPort{mediaAddr}
	config.Relay = func(RelayRequest) (net.PacketConn, netip.AddrPort, error) {
		s := l.net.open(netip.AddrPortFrom(relayHost, 0))
		return s, s.addr, nil
	}
	if change != nil {
		change(&config)
	}
	server, err := New(config, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	l.server = server
	go l.echo()
	return l
}

// echo is the SFU: it returns every packet to where it came from.
func (l *lab) echo() {
	buf := make([]byte, 2048)
	for {
		n, from, err := l.media.ReadFrom(buf)
		if err != nil {
			return
		}
		if _, err := l.media.WriteTo(buf[:n], from); err != nil {
			return
		}
	}
}

func (l *lab) close() {
	l.t.Helper()
	if err := l.server.Close(); err != nil {
		l.t.Errorf("close: %v", err)
	}
	_ = l.media.Close()
	if now := l.server.Stats(); now.AllocationsNow != 0 || now.TCP.Now != 0 {
		l.t.Errorf("left over after Close: %d allocations, %d TCP connections", now.AllocationsNow, now.TCP.Now)
	}
}

// probe is a client that speaks TURN by hand, over a datagram socket or a
// stream, so that it can also speak it wrongly.
type probe struct {
	t        testing.TB
	sendRaw  func([]byte) error
	receive  func() ([]byte, error) // waits one second
	username string
	password string
	realm    string
	nonce    string
}

// udpProbe answers a client with fresh credentials for id.
func (l *lab) udpProbe(id string) (*probe, *socket) {
	l.t.Helper()
	s := l.net.open(netip.AddrPortFrom(clientHost, 0))
	s.timeout = time.Second
	p := &probe{
		t: l.t,
		sendRaw: func(b []byte) error {
			_, err := s.WriteTo(b, net.UDPAddrFromAddrPort(serverAddr))
			return err
		},
		receive: func() ([]byte, error) {
			buf := make([]byte, 2048)
			n, _, err := s.ReadFrom(buf)
			return buf[:n], err
		},
	}
	l.credentials(p, id, time.Hour)
	return p, s
}

// tcpProbe answers a client on a connection.
func (l *lab) tcpProbe(id string) (*probe, net.Conn) {
	l.t.Helper()
	conn, err := l.tcp.dial(clientHost)
	if err != nil {
		l.t.Fatal(err)
	}
	p := &probe{
		t: l.t,
		sendRaw: func(b []byte) error {
			_, err := conn.Write(b)
			return err
		},
		receive: func() ([]byte, error) {
			if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
				return nil, err
			}
			return readFrame(conn)
		},
	}
	l.credentials(p, id, time.Hour)
	return p, conn
}

// readFrame reads one frame by RFC 8656 §12.5.
func readFrame(r io.Reader) ([]byte, error) {
	frame := make([]byte, 4, 2048)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(frame[2:]))
	rest := length + 16
	if frame[0]>>6 == 1 {
		rest = (length + 3) &^ 3
	}
	frame = frame[:4+rest]
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

func (l *lab) credentials(p *probe, id string, ttl time.Duration) {
	l.t.Helper()
	c, err := l.server.IssueCredentials(time.Now(), id, ttl)
	if err != nil {
		l.t.Fatal(err)
	}
	p.username, p.password = c.Username, c.Password
}

// setter makes a stun.Setter of a function.
type setter func(*stun.Message) error

func (f setter) AddTo(m *stun.Message) error { return f(m) }

func attribute(typ stun.AttrType, value ...byte) stun.Setter {
	return setter(func(m *stun.Message) error { m.Add(typ, value); return nil })
}

func peerAttribute(a netip.AddrPort) stun.Setter {
	return setter(func(m *stun.Message) error {
		// A mapped address must go out mapped: XORMappedAddress would not.
		ip := a.Addr().AsSlice()
		family := byte(1)
		if len(ip) == 16 {
			family = 2
		}
		mask := append([]byte{0x21, 0x12, 0xA4, 0x42}, m.TransactionID[:]...)
		value := []byte{0, family, byte(a.Port()>>8) ^ mask[0], byte(a.Port()) ^ mask[1]}
		for i, b := range ip {
			value = append(value, b^mask[i])
		}
		m.Add(stun.AttrXORPeerAddress, value)
		return nil
	})
}

func channelAttribute(number uint16) stun.Setter {
	return attribute(stun.AttrChannelNumber, byte(number>>8), byte(number), 0, 0)
}

func lifetimeAttribute(d time.Duration) stun.Setter {
	b := binary.BigEndian.AppendUint32(nil, uint32(d/time.Second))
	return attribute(stun.AttrLifetime, b...)
}

var udpTransport = attribute(stun.AttrRequestedTransport, 17, 0, 0, 0)

// send builds a request with the probe's credentials, as far as it has any.
func (p *probe) send(method stun.Method, attributes ...stun.Setter) {
	p.t.Helper()
	setters := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
	if p.nonce != "" {
		setters = append(setters, stun.NewUsername(p.username), stun.NewRealm(p.realm), stun.NewNonce(p.nonce),
			stun.NewLongTermIntegrity(p.username, p.realm, p.password))
	}
	m, err := stun.Build(setters...)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.sendRaw(m.Raw); err != nil {
		p.t.Fatalf("send %v: %v", method, err)
	}
}

// message waits a second for a STUN message and answers nil if none comes.
func (p *probe) message() *stun.Message {
	p.t.Helper()
	b, err := p.receive()
	if err != nil {
		return nil
	}
	m := &stun.Message{Raw: b}
	if err := m.Decode(); err != nil {
		p.t.Fatalf("received % x: %v", b, err)
	}
	return m
}

// do makes one request and answers its error code, 0 for success, -1 for
// silence. It fetches a nonce first if there is none.
func (p *probe) do(method stun.Method, attributes ...stun.Setter) int {
	p.t.Helper()
	if p.nonce == "" {
		p.send(stun.MethodAllocate, udpTransport)
		if code := p.code(); code != 401 {
			p.t.Fatalf("first Allocate without credentials = %d, want 401", code)
		}
	}
	p.send(method, attributes...)
	return p.code()
}

// code reads one response, and takes the realm and nonce it may bring.
func (p *probe) code() int {
	p.t.Helper()
	m := p.message()
	if m == nil {
		return -1
	}
	var realm stun.Realm
	var nonce stun.Nonce
	if realm.GetFrom(m) == nil && nonce.GetFrom(m) == nil {
		p.realm, p.nonce = realm.String(), nonce.String()
	}
	if m.Type.Class == stun.ClassSuccessResponse {
		return 0
	}
	if m.Type.Class != stun.ClassErrorResponse {
		p.t.Fatalf("unexpected %v", m.Type)
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(m); err != nil {
		p.t.Fatal(err)
	}
	return int(code.Code)
}

func (p *probe) allocate() int {
	p.t.Helper()
	return p.do(stun.MethodAllocate, udpTransport)
}

// channelData frames data for a channel, padded as TCP demands.
func channelData(number uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, number)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}
