package client

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/transport/v5"

	"github.com/rivulet-rtc/rivulet/sfu/peer/icemux"
)

var (
	ours   = icemux.Credentials{Fragment: "ours", Password: "our-password-of-22-char"}
	theirs = icemux.Credentials{Fragment: "them", Password: "their-password-of-22-ch"}
	likely = netip.MustParseAddrPort("192.0.2.1:7882")
	other  = netip.MustParseAddrPort("192.0.2.2:7882")
)

// cable is a socket that keeps what is written, and from which comes what the
// test says.
type cable struct {
	transport.UDPConn
	local net.Addr
	sent  []datagram
	come  []datagram
}

type datagram struct {
	data []byte
	peer netip.AddrPort
}

func (w *cable) LocalAddr() net.Addr             { return w.local }
func (w *cable) SetReadDeadline(time.Time) error { return nil }
func (w *cable) WriteTo(b []byte, to net.Addr) (int, error) {
	w.sent = append(w.sent, datagram{bytes.Clone(b), plain(to)})
	return len(b), nil
}

func (w *cable) ReadFrom(b []byte) (int, net.Addr, error) {
	if len(w.come) == 0 {
		return 0, nil, os.ErrDeadlineExceeded
	}
	d := w.come[0]
	w.come = w.come[1:]
	return copy(b, d.data), net.UDPAddrFromAddrPort(d.peer), nil
}

// wires opens sockets.
type wires struct{ transport.Net }

func (wires) ListenUDP(_ string, local *net.UDPAddr) (transport.UDPConn, error) {
	return &cable{local: local}, nil
}

// agent is one socket as pion's agent uses it.
type agent struct {
	t *testing.T
	transport.UDPConn
	wire *cable
}

func newAgent(t *testing.T, e *early, local string) *agent {
	t.Helper()
	c, err := e.over(wires{}).ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(local)))
	if err != nil {
		t.Fatal(err)
	}
	return &agent{t, c, c.(*earlySocket).UDPConn.(*cable)}
}

func (a *agent) write(b []byte, to netip.AddrPort) {
	a.t.Helper()
	if n, err := a.WriteTo(b, net.UDPAddrFromAddrPort(to)); n != len(b) || err != nil {
		a.t.Fatalf("wrote %d of %d: %v", n, len(b), err)
	}
}

// check is one that the agent sends.
func (a *agent) check(to netip.AddrPort) {
	a.t.Helper()
	a.write(build(a.t, theirs.Password, stun.TransactionID, stun.BindingRequest, stun.NewUsername("them:ours")), to)
}

// arrives is a packet from the network; read answers what the agent reads next.
func (a *agent) arrives(b []byte, from netip.AddrPort) {
	a.wire.come = append(a.wire.come, datagram{b, from})
}

func (a *agent) read() (b []byte, from netip.AddrPort, ok bool) {
	b = make([]byte, 1500)
	n, peer, err := a.ReadFrom(b)
	if err != nil {
		return nil, from, false
	}
	return b[:n], plain(peer), true
}

// leaves takes what was written to the network.
func (a *agent) leaves() []datagram {
	all := a.wire.sent
	a.wire.sent = nil
	return all
}

func build(t *testing.T, password string, s ...stun.Setter) []byte {
	t.Helper()
	m, err := stun.Build(append(s, stun.NewShortTermIntegrity(password), stun.Fingerprint)...)
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

// answer answers a check as who knows the password.
func answer(t *testing.T, check []byte, password string) []byte {
	t.Helper()
	m := &stun.Message{Raw: bytes.Clone(check)}
	if err := m.Decode(); err != nil {
		t.Fatal(err)
	}
	return build(t, password, stun.NewTransactionIDSetter(m.TransactionID), stun.BindingSuccess)
}

func armed(remote netip.AddrPort) *early {
	e := newEarly(netip.MustParseAddr("10.0.0.1"), remote.Addr())
	e.arm(ours, theirs, []netip.AddrPort{other, likely}, nil)
	return e
}

// TestEarlyPathIsTheLikelyOne: the check of the pair that signalling takes is
// sent and nominates; the other waits; the agent is told to take the path.
func TestEarlyPathIsTheLikelyOne(t *testing.T) {
	e := armed(likely)
	a := newAgent(t, e, "10.0.0.1:5000")
	a.check(other)
	if sent := a.leaves(); len(sent) != 0 {
		t.Fatalf("%d checks of the unlikely pair", len(sent))
	}
	a.check(likely)
	a.check(likely) // the agent's next tick
	sent := a.leaves()
	m := &stun.Message{Raw: sent[0].data}
	if len(sent) != 1 || sent[0].peer != likely || m.Decode() != nil || !m.Contains(stun.AttrUseCandidate) ||
		stun.NewShortTermIntegrity(theirs.Password).Check(m) != nil {
		t.Fatalf("%d checks, %v", len(sent), m)
	}
	b, from, ok := a.read()
	m = &stun.Message{Raw: b}
	if !ok || from != likely || m.Decode() != nil || !e.isOurs(m.TransactionID) || stun.NewShortTermIntegrity(ours.Password).Check(m) != nil {
		t.Fatalf("the agent is told %v from %v", m, from)
	}
	a.write(answer(t, b, ours.Password), likely) // goes nowhere
	a.write([]byte{22, 1}, likely)
	if sent = a.leaves(); len(sent) != 1 || sent[0].data[0] != 22 {
		t.Fatalf("%d packets", len(sent))
	}
	a.write([]byte{22, 1}, likely) // lost: the check is repeated before it
	sent = a.leaves()
	if len(sent) != 2 || !stun.IsMessage(sent[0].data) || sent[1].data[0] != 22 {
		t.Fatalf("%d packets at the repetition", len(sent))
	}
	a.arrives(answer(t, sent[0].data, theirs.Password), likely)
	if _, from, ok := a.read(); !ok || from != likely || !e.proven() || !e.passing.Load() {
		t.Errorf("the answer is not handed on: from %v, proven %v", from, e.proven())
	}
}

// TestEarlyPathMoves: the likely pair is dead, the other answers, and the agent
// notices nothing.
func TestEarlyPathMoves(t *testing.T) {
	e := armed(likely)
	a := newAgent(t, e, "10.0.0.1:5000")
	second := newAgent(t, e, "10.0.1.1:5000") // where the agent checked nothing
	a.check(likely)
	a.read()
	a.write([]byte{22, 1}, likely)
	a.leaves()
	e.tryAll()
	sent := second.leaves()
	if len(sent) != 2 || len(a.leaves()) != 2 {
		t.Fatalf("%d checks by the second socket", len(sent))
	}
	forged := answer(t, sent[0].data, "a password that is wrong")
	second.arrives(forged, sent[0].peer)
	if second.read(); e.proven() {
		t.Fatal("anybody can answer")
	}
	second.arrives(answer(t, sent[0].data, theirs.Password), sent[0].peer)
	if _, _, ok := second.read(); ok || !e.proven() {
		t.Fatalf("the agent reads the answer to a check that it knows nothing of: %v", ok)
	}
	if again := second.leaves(); len(again) != 1 || again[0].data[0] != 22 || again[0].peer != sent[0].peer {
		t.Fatalf("what was lost is not repeated: %v", again)
	}
	second.arrives([]byte{22, 2}, sent[0].peer)
	if _, _, ok := second.read(); ok {
		t.Error("read by the wrong socket")
	}
	if b, from, ok := a.read(); !ok || from != likely || b[1] != 2 {
		t.Errorf("read %v from %v", b, from)
	}
	a.write([]byte{128, 3}, likely)
	if moved := second.leaves(); len(moved) != 1 || moved[0].data[1] != 3 || len(a.leaves()) != 0 {
		t.Errorf("media takes the dead path: %v", moved)
	}
}

// TestEarlyPathIsAbandoned: then packets pass as they are.
func TestEarlyPathIsAbandoned(t *testing.T) {
	e := armed(likely)
	a := newAgent(t, e, "10.0.0.1:5000")
	a.check(likely)
	a.read()
	a.leaves()
	if e.proven() {
		t.Fatal("proven by nothing")
	}
	e.abandon()
	a.check(likely)
	m := &stun.Message{Raw: a.leaves()[0].data}
	if m.Decode() != nil || m.Contains(stun.AttrUseCandidate) {
		t.Errorf("sent %v", m)
	}
}

// TestEarlyNeedsALiteServer: only such a server takes a first check's nomination.
func TestEarlyNeedsALiteServer(t *testing.T) {
	const offer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:ours\r\na=ice-pwd:our-password-of-22-char\r\n"
	const answer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n%sm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:them\r\na=ice-pwd:their-password-of-22-ch\r\n" +
		"a=candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host\r\na=candidate:1 2 udp 2130706431 192.0.2.1 7883 typ host\r\na=candidate:2 1 tcp 1 192.0.2.1 7882 typ host tcptype passive\r\n" +
		"a=candidate:3 1 udp x name.local 7882 typ host\r\na=candidate:4\r\n"
	for lite, want := range map[string]int{"a=ice-lite\r\n": 1, "": 0} {
		e := newEarly(netip.Addr{}, netip.Addr{})
		if err := e.armFor(offer, string(bytes.Replace([]byte(answer), []byte("%s"), []byte(lite), 1)), nil); err != nil {
			t.Fatal(err)
		}
		if len(e.servers) != want || e.passing.Load() == (want > 0) {
			t.Errorf("lite %q: %v", lite, e.servers)
		}
	}
}
