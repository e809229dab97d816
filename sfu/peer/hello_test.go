package peer

import (
	"net"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	handshakes "github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"

	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// A client that waits for our hello of DTLS gets it once it has checked a path,
// before it nominates one; with another password it gets nothing.
func TestHelloComesBehindTheFirstCheck(t *testing.T) {
	m, network := mediaOn(t)
	offer := strings.ReplaceAll(chromium, "a=setup:actpass", "a=setup:passive")
	p, answer, err := m.NewPeer(t.Context(), offer, deaf{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if !strings.Contains(answer, "a=setup:active") {
		t.Fatal("who waits for a hello is answered that it is to begin")
	}
	client, err := network.Host(netip.MustParseAddr("10.0.0.2")).ListenPacket("udp4", "10.0.0.2:5000")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	name := valueOf(t, answer, "ice-ufrag") + ":" + valueOf(t, offer, "ice-ufrag")
	password := valueOf(t, answer, "ice-pwd")
	if got := afterChecks(t, client, name, "no"+password, 300*time.Millisecond); len(got) > 0 {
		t.Errorf("an address that has proved nothing is sent %d packets", len(got))
	}
	for _, packet := range afterChecks(t, client, name, password, 10*time.Second) {
		if len(packet) > 13 && packet[0] == 22 && packet[13] == 1 { // a handshake's first message (RFC 6347 §4.3.2)
			offersOneProtection(t, packet)
			return
		}
	}
	t.Error("no hello came behind the check")
}

// offersOneProtection: sound goes again under its own number with other header
// extensions, so AES-GCM would give away the key of its tags (docs/adr/0025).
func offersOneProtection(t *testing.T, hello []byte) {
	t.Helper()
	const headers = 13 + 12 // RFC 6347 §4.1, §4.2.2
	var m handshakes.MessageClientHello
	if err := m.Unmarshal(hello[headers:]); err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Extensions {
		if u, ok := e.(*extension.UseSRTP); ok {
			if len(u.ProtectionProfiles) != 1 || u.ProtectionProfiles[0] != dtls.SRTP_AES128_CM_HMAC_SHA1_80 {
				t.Errorf("SRTP is offered with profiles %v", u.ProtectionProfiles)
			}
			return
		}
	}
	t.Error("the hello offers no SRTP")
}

// afterChecks sends checks that nominate nothing until a packet of DTLS comes, or
// for so long, and answers what came but for refusals.
func afterChecks(t *testing.T, c net.PacketConn, name, password string, limit time.Duration) (came [][]byte) {
	t.Helper()
	for end := time.Now().Add(limit); time.Now().Before(end); {
		check, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(name), ice.AttrControlling(7),
			ice.PriorityAttr(1), stun.NewShortTermIntegrity(password), stun.Fingerprint)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.WriteTo(check.Raw, net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.1:7882"))); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		for {
			b := make([]byte, 1500)
			n, _, err := c.ReadFrom(b)
			if err != nil {
				break
			}
			if came = append(came, b[:n]); b[0] == 22 {
				return came
			}
		}
	}
	return came
}

// valueOf is the first value of an attribute of a description.
func valueOf(t *testing.T, sdp, attribute string) string {
	t.Helper()
	found := regexp.MustCompile(`a=` + attribute + `:(\S+)`).FindStringSubmatch(sdp)
	if found == nil {
		t.Fatalf("no a=%s", attribute)
	}
	return found[1]
}

// early is a handler whose client takes our hello from signalling.
type early struct{ deaf }

func (early) TakesHello() bool { return true }

// A client that takes our hello from the answer is sent nothing of DTLS before it
// answers that, and is answered as if it were to begin.
func TestHelloGoesWithTheAnswer(t *testing.T) {
	m, network := mediaOn(t)
	p, answer, err := m.NewPeer(t.Context(), chromium, early{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if len(p.Hello()) != profile.RandomSize {
		t.Fatalf("a random of %d bytes: has pion changed its hello? See profile.ShortClientHello", len(p.Hello()))
	}
	if strings.Contains(answer, "a=setup:active") {
		t.Error("the answer says that we begin")
	}
	client, err := network.Host(netip.MustParseAddr("10.0.0.2")).ListenPacket("udp4", "10.0.0.2:5000")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	name := valueOf(t, answer, "ice-ufrag") + ":" + valueOf(t, chromium, "ice-ufrag")
	came := afterChecks(t, client, name, valueOf(t, answer, "ice-pwd"), 300*time.Millisecond)
	if len(came) == 0 {
		t.Fatal("no check was answered")
	}
	for _, packet := range came {
		if isDTLS(packet) {
			t.Errorf("DTLS came before its hello was answered: %x", packet)
		}
	}
}

// Where the answer goes without our hello, it comes behind the answer to the first
// check, and not when pion repeats it.
func TestHelloThatIsLateComesBehindTheCheck(t *testing.T) {
	h := newHandshake(func(time.Duration) {})
	var sent [][]byte
	f := h.follow(fakeSocket{write: func(b []byte) { sent = append(sent, b) }}).(*followed)
	hello, check := []byte{22, 1}, []byte{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	there := netip.MustParseAddrPort("10.0.0.2:5000")
	for _, w := range []struct {
		b  []byte
		to netip.AddrPort
	}{{check, nowhere4}, {hello, nowhere4}, {hello, nowhere4}, {check, there}, {check, there}} {
		if _, err := f.WriteToAddrPort(w.b, w.to); err != nil {
			t.Fatal(err)
		}
	}
	if want := [][]byte{check, hello, check}; !reflect.DeepEqual(sent, want) {
		t.Errorf("sent %x, want %x", sent, want)
	}
}

// fakeSocket is a socket of an agent that only writes.
type fakeSocket struct {
	socket
	write func([]byte)
}

func (fakeSocket) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.1:1"))
}

func (s fakeSocket) WriteToAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	s.write(b)
	return len(b), nil
}
