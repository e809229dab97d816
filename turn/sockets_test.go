package turn

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	pion "github.com/pion/turn/v5"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
)

// realServer is a server on loopback sockets, with an echo as its only peer.
type realServer struct {
	*Server
	udp, tcp, tls string // where clients connect
	echo          *net.UDPAddr
}

func newRealServer(t *testing.T, host string) *realServer {
	t.Helper()
	testenv.Sockets(t)
	loopback := netip.MustParseAddr(host)
	at := net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0))
	echo := newEcho(t, loopback)
	udp, err := net.ListenUDP("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	secure, err := tls.Listen("tcp", net.JoinHostPort(host, "0"), &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}})
	if err != nil {
		t.Fatal(err)
	}
	config := DefaultConfig()
	config.UDP = []net.PacketConn{udp}
	config.TCP = []net.Listener{tcp, secure}
	config.Relay = HostRelay(RelayHost{Bind: loopback})
	config.Peers.Addresses = []netip.AddrPort{echo, netip.AddrPortFrom(loopback, echo.Port()+1)}
	config.Secret = testKey(t)
	server, err := New(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if now := server.Stats(); now.AllocationsNow != 0 || now.TCP.Now != 0 {
			t.Errorf("left over after Close: %+v", now)
		}
	})
	return &realServer{
		Server: server, udp: udp.LocalAddr().String(), tcp: tcp.Addr().String(), tls: secure.Addr().String(),
		echo: net.UDPAddrFromAddrPort(echo),
	}
}

// newEcho answers a port that returns every packet, as does the next one: coturn's
// client uses both, as RTP and RTCP once did.
func newEcho(t *testing.T, host netip.Addr) netip.AddrPort {
	t.Helper()
	for range 50 {
		first, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, 0)))
		if err != nil {
			t.Fatal(err)
		}
		addr := first.LocalAddr().(*net.UDPAddr).AddrPort()
		second, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, addr.Port()+1)))
		if err != nil { // taken by another
			_ = first.Close()
			continue
		}
		for _, conn := range []*net.UDPConn{first, second} {
			t.Cleanup(func() { _ = conn.Close() })
			go func() {
				buf := make([]byte, 2048)
				for {
					n, from, err := conn.ReadFromUDPAddrPort(buf)
					if err != nil {
						return
					}
					_, _ = conn.WriteToUDPAddrPort(buf[:n], from)
				}
			}()
		}
		return addr
	}
	t.Fatal("no two free ports in a row")
	return netip.AddrPort{}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// relayOver makes an allocation over conn and sends packets to the echo and back.
func relayOver(t *testing.T, s *realServer, conn net.PacketConn, server string) {
	t.Helper()
	creds, err := s.IssueCredentials(time.Now(), "real", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	client, err := pion.NewClient(&pion.ClientConfig{
		TURNServerAddr: server, Conn: conn, Username: creds.Username, Password: creds.Password,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relay, err := client.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = relay.Close() }()
	for i := range 50 {
		roundTrip(t, relay, s.echo, bytes.Repeat([]byte{byte(i)}, 20*(i+1)))
	}
	stranger := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9}
	if s.echo.IP.To4() == nil {
		stranger.IP = net.ParseIP("2001:db8::1")
	}
	if err := client.CreatePermission(stranger); err == nil {
		t.Error("a permission for a stranger was granted")
	}
}

// roundTrip sends out to the echo until it comes back. Once is enough unless the
// machine is so busy that the packet grows stale on the way.
func roundTrip(t *testing.T, relay net.PacketConn, echo net.Addr, out []byte) {
	t.Helper()
	buf := make([]byte, 2048)
	for range 10 {
		if _, err := relay.WriteTo(out, echo); err != nil {
			t.Fatal(err)
		}
		if err := relay.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, from, err := relay.ReadFrom(buf)
		if err != nil || !bytes.Equal(buf[:n], out) {
			continue // nothing, or the late answer to an earlier try
		}
		if from.String() != echo.String() {
			t.Fatalf("packet from %v, want %v", from, echo)
		}
		return
	}
	t.Fatalf("a packet of %d bytes did not come back in ten tries", len(out))
}

func TestRealSockets(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			s := newRealServer(t, host)
			t.Run("UDP", func(t *testing.T) {
				conn, err := net.ListenPacket("udp", net.JoinHostPort(host, "0"))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				relayOver(t, s, conn, s.udp)
			})
			t.Run("TCP", func(t *testing.T) {
				conn, err := net.Dial("tcp", s.tcp)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				relayOver(t, s, pion.NewSTUNConn(conn), s.tcp)
			})
			t.Run("TLS", func(t *testing.T) {
				conn, err := tls.Dial("tcp", s.tls, &tls.Config{InsecureSkipVerify: true})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				relayOver(t, s, pion.NewSTUNConn(conn), s.tls)
			})
			if stats := s.Stats(); stats.AllocationsTotal != 3 || stats.ToPeers.Packets < 150 || stats.FromPeers.Packets < 150 || stats.Refused.Peer == 0 {
				t.Errorf("stats %+v", stats)
			}
		})
	}
}

// A client of another make: coturn's. It ends with a count of what it lost.
func TestCoturnClient(t *testing.T) {
	s := newRealServer(t, "127.0.0.1")
	path, err := exec.LookPath("turnutils_uclient")
	if err != nil {
		t.Skip("needs turnutils_uclient, from the package coturn")
	}
	t.Run("client", func(t *testing.T) {
		for name, c := range map[string]struct {
			flags  []string
			server string
		}{
			"UDP channels":    {nil, s.udp},
			"UDP indications": {[]string{"-s"}, s.udp},
			"TCP channels":    {[]string{"-t"}, s.tcp},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // it mostly waits
				runCoturnClient(t, path, s, c.server, c.flags)
			})
		}
	})
	if stats := s.Stats(); stats.ToPeers.Packets < 3*coturnPackets*9/10 || stats.FromPeers.Packets < 3*coturnPackets*9/10 {
		t.Errorf("stats %+v, want %d packets each way", stats, 3*coturnPackets)
	}
}

const coturnPackets = 50

var coturnLost = regexp.MustCompile(`Total lost packets (\d+)`)

func runCoturnClient(t *testing.T, path string, s *realServer, server string, flags []string) {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// -c: no second stream; -W: the shared secret, so it makes its own
	// credentials; -n -l -z: packets, bytes, milliseconds between them.
	args := append([]string{"-c", "-u", "alien", "-W", testSecret, "-e", "127.0.0.1", "-r", strconv.Itoa(s.echo.Port),
		"-p", port, "-n", strconv.Itoa(coturnPackets), "-l", "170", "-z", "10", "-m", "1"}, flags...)
	out, err := exec.CommandContext(ctx, path, append(args, host)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := coturnLost.FindSubmatch(out)
	if found == nil {
		t.Fatalf("the client does not say what it lost:\n%s", out)
	}
	// A busy machine may lose some.
	if lost, err := strconv.Atoi(string(found[1])); err != nil || lost > coturnPackets/10 {
		t.Errorf("%s of %d packets lost:\n%s", found[1], coturnPackets, out)
	}
}
