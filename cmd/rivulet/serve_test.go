package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/config"
	"github.com/rivulet-rtc/rivulet/cmd/rivulet/node"
	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/turn"
)

// growing is output that is read while it is written.
type growing struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newGrowing() *growing { return &growing{more: make(chan struct{}, 1)} }

func (g *growing) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case g.more <- struct{}{}:
	default:
	}
	return g.text.Write(b)
}

func (g *growing) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}

// until waits for output that matches and answers its groups.
func (g *growing) until(t *testing.T, pattern string) []string {
	t.Helper()
	expression := regexp.MustCompile(pattern)
	deadline := time.After(20 * time.Second)
	for {
		if found := expression.FindStringSubmatch(g.String()); found != nil {
			return found
		}
		select {
		case <-g.more:
		case <-deadline:
			t.Fatalf("no %q in\n%s", pattern, g)
		}
	}
}

// serving is `rivulet serve` with real sockets on ports of the kernel's choice.
type serving struct {
	out, err *growing
	stop     context.CancelFunc
	status   chan int
}

func serve(t *testing.T, environ []string, args ...string) *serving {
	t.Helper()
	testenv.Sockets(t)
	ctx, stop := context.WithCancel(t.Context())
	s := &serving{out: newGrowing(), err: newGrowing(), stop: stop, status: make(chan int, 1)}
	args = append([]string{"serve", "--udp", "0", "--turn", "0", "--admin", "127.0.0.1:0"}, args...)
	go func() { s.status <- run(ctx, &console{out: s.out, err: s.err, environ: environ}, args) }()
	t.Cleanup(stop)
	return s
}

func (s *serving) ends(t *testing.T, want int) {
	t.Helper()
	select {
	case got := <-s.status:
		if got != want {
			t.Errorf("exit status %d, want %d:\n%s", got, want, s.err)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("it does not end:\n%s", s.err)
	}
}

func fetch(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestServeForDevelopment(t *testing.T) {
	s := serve(t, nil, "--dev", "--http", ":0")
	page := s.out.until(t, `open   (http://localhost:\d+/)\n`)[1]
	s.out.until(t, `DEVELOPMENT SERVER`)
	s.out.until(t, `media  UDP and TCP port \d+\n`)
	s.out.until(t, `relay  UDP and TCP port \d+\n`)
	admin := s.out.until(t, `admin  (http://127.0.0.1:\d+/)\n`)[1]
	client := &http.Client{}
	defer client.CloseIdleConnections()
	if status, body := fetch(t, client, page); status != http.StatusOK || !strings.Contains(body, "<!doctype html>") {
		t.Errorf("the page answers %d", status)
	}
	if _, body := fetch(t, client, page+"v1/info"); !strings.Contains(body, `"tokens":false`) {
		t.Errorf("info is %s", body)
	}
	if status, _ := fetch(t, client, admin+"readyz"); status != http.StatusOK {
		t.Errorf("readyz answers %d", status)
	}
	s.err.until(t, `DEVELOPMENT SERVER: no tokens`)
	began := time.Now()
	s.stop()
	s.ends(t, 0)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("ending took %v", took)
	}
	mentionsInOrder(t, s.err.String(), "draining", "closed")
}

func mentionsInOrder(t *testing.T, text string, all ...string) {
	t.Helper()
	rest := text
	for _, want := range all {
		i := strings.Index(rest, want)
		if i < 0 {
			t.Fatalf("no %q, in this order, in\n%s", want, text)
		}
		rest = rest[i:]
	}
}

func TestServeOverTLSWithTokens(t *testing.T) {
	testenv.Sockets(t)
	certificate, key := keyPair(t, t.TempDir(), "first")
	strong := secret.Generate()
	s := serve(t, []string{"RIVULET_AUTH_KEYS=backend:" + strong, "RIVULET_TURN_SECRET=" + strong, "RIVULET_DRAIN_GRACE=0s"},
		"--http", "127.0.0.1:0", "--set", "http.certificate="+certificate, "--set", "http.key="+key, "--log-format", "json")
	page := s.out.until(t, `open   (https://127.0.0.1:\d+/)\n`)[1]
	s.out.until(t, `joining needs a token`)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	answer, err := client.Get(page + "v1/info")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.Header.Get("Strict-Transport-Security") == "" {
		t.Error("over TLS there is no Strict-Transport-Security")
	}
	if body, _ := io.ReadAll(answer.Body); !strings.Contains(string(body), `"tokens":true`) {
		t.Errorf("info is %s", body)
	}
	s.stop()
	s.ends(t, 0)
	if strings.Contains(s.err.String()+s.out.String(), strong) {
		t.Error("the secret was printed")
	}
	s.err.until(t, `"msg":"draining`)
}

func TestServeSaysWhichPortIsTaken(t *testing.T) {
	testenv.Sockets(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := serve(t, nil, "--dev", "--http", taken.Addr().String())
	s.ends(t, 1)
	complaint := s.err.until(t, `rivulet: .*\n`)[0]
	for _, want := range []string{"listen for the page", "address already in use", "--http", "http.address"} {
		if !strings.Contains(complaint, want) {
			t.Errorf("no %q in %q", want, complaint)
		}
	}
}

// forTests is a configuration with ports of the system's choice.
func forTests(t *testing.T) *config.Loaded {
	t.Helper()
	loaded := &config.Loaded{Config: config.Default()}
	loaded.Media.Port, loaded.TURN.Port, loaded.HTTP.Address, loaded.Admin.Address = 0, 0, "127.0.0.1:0", ""
	if err := develop(loaded); err != nil {
		t.Fatal(err)
	}
	return loaded
}

// closeAll closes what open opened.
func closeAll(cfg node.Config) {
	for _, s := range cfg.Engine.Sockets {
		s.Close()
	}
	for _, c := range cfg.TURN.UDP {
		c.Close()
	}
	for _, l := range append(cfg.TURN.TCP, cfg.HTTP, cfg.Engine.TCP) {
		l.Close()
	}
}

func TestEveryAddressHasItsOwnSocket(t *testing.T) {
	testenv.Sockets(t)
	cfg, err := open(forTests(t), true, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(cfg)
	number := cfg.Engine.Sockets[0].LocalAddr().Port()
	relay := cfg.TURN.UDP[0].LocalAddr().(*net.UDPAddr).Port
	var hosts []netip.Addr
	for i, s := range cfg.Engine.Sockets {
		local := s.LocalAddr()
		hosts = append(hosts, local.Addr())
		if local.Addr().IsUnspecified() || local.Port() != number {
			t.Errorf("media has a socket on %v, want port %d of one address", local, number)
		}
		if at := cfg.TURN.UDP[i].LocalAddr().(*net.UDPAddr).AddrPort(); at.Addr().Unmap() != local.Addr() || int(at.Port()) != relay {
			t.Errorf("the relay has a socket on %v, want port %d of %v", at, relay, local.Addr())
		}
	}
	if !slices.Contains(hosts, netip.MustParseAddr("127.0.0.1")) {
		t.Errorf("for development the addresses are %v, want loopback among them", hosts)
	}
	if tcp := cfg.Engine.TCP.Addr().(*net.TCPAddr).Port; tcp != int(number) {
		t.Errorf("media over TCP on port %d, over UDP on %d", tcp, number)
	}
	if tcp := cfg.TURN.TCP[0].Addr().(*net.TCPAddr).Port; tcp != relay {
		t.Errorf("the relay over TCP on port %d, over UDP on %d", tcp, relay)
	}
	for _, ipv6 := range []bool{false, true} {
		if ipv6 && !slices.ContainsFunc(hosts, netip.Addr.Is6) {
			continue
		}
		conn, told, err := cfg.TURN.Relay(turn.RelayRequest{IPv6: ipv6})
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if told.Addr().Is6() != ipv6 || told.Addr().IsUnspecified() || told.Port() == 0 {
			t.Errorf("a relay is told as %v", told)
		}
	}
}

func TestOneAddressCanBeChosen(t *testing.T) {
	testenv.Sockets(t)
	loopback := netip.MustParseAddr("127.0.0.1")
	for name, choose := range map[string]func(*config.Loaded){
		"by bind":      func(l *config.Loaded) { l.Media.Bind = loopback },
		"by addresses": func(l *config.Loaded) { l.Media.Addresses = []netip.Addr{loopback} },
	} {
		loaded := forTests(t)
		choose(loaded)
		cfg, err := open(loaded, false, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(cfg.Engine.Sockets) != 1 || cfg.Engine.Sockets[0].LocalAddr().Addr() != loopback || len(cfg.TURN.UDP) != 1 {
			t.Errorf("%s: %d sockets", name, len(cfg.Engine.Sockets))
		}
		closeAll(cfg)
	}
	loaded := forTests(t)
	loaded.Media.Addresses = []netip.Addr{netip.MustParseAddr("198.51.100.77")}
	if _, err := open(loaded, false, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "does not have that address") {
		t.Errorf("an address that is not here: %v", err)
	}
}

func TestRelayHosts(t *testing.T) {
	one, two, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1")
	for _, test := range []struct {
		bind      netip.Addr
		addresses []netip.Addr
		want      []turn.RelayHost
	}{
		{one, []netip.Addr{one}, []turn.RelayHost{{Bind: one}}},
		{netip.IPv6Unspecified(), []netip.Addr{one, two, six}, []turn.RelayHost{{Bind: netip.IPv4Unspecified(), Told: one}, {Bind: netip.IPv6Unspecified(), Told: six}}},
		{netip.IPv4Unspecified(), []netip.Addr{two}, []turn.RelayHost{{Bind: netip.IPv4Unspecified(), Told: two}}},
	} {
		got := relayHosts(test.bind, test.addresses)
		if len(got) != len(test.want) {
			t.Errorf("bound to %v: %v, want %v", test.bind, got, test.want)
			continue
		}
		for i := range got {
			if got[i] != test.want[i] {
				t.Errorf("bound to %v: %v, want %v", test.bind, got, test.want)
			}
		}
	}
}

func TestBusySaysWhatToDo(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EADDRINUSE: "another server", syscall.EACCES: "below 1024", syscall.EADDRNOTAVAIL: "does not have that address", syscall.EMFILE: "http.address",
	} {
		err := busy(&net.OpError{Op: "listen", Err: errno}, "the page", "http.address", "--http")
		if !strings.Contains(err.Error(), want) || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

// keyPair writes a certificate for name and its key.
func keyPair(t *testing.T, dir, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

func TestRenewedCertificateIsTaken(t *testing.T) {
	dir := t.TempDir()
	certificate, key := keyPair(t, dir, "first")
	var complaints []error
	c, err := loadCertificate(certificate, key, func(err error) { complaints = append(complaints, err) })
	if err != nil {
		t.Fatal(err)
	}
	name := func() string {
		t.Helper()
		c.looked = time.Time{} // as if the last look were long ago
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.Subject.CommonName
	}
	if name() != "first" {
		t.Error("the certificate is not the one in the file")
	}
	keyPair(t, dir, "second")
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(certificate, later, later); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "second" {
		t.Errorf("after renewal it is %q", got)
	}
	if err := os.WriteFile(certificate, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "second" || len(complaints) != 1 {
		t.Errorf("with a torn file it is %q, complaints %v", got, complaints)
	}
	if _, err := loadCertificate(certificate, key, nil); err == nil {
		t.Error("a torn file was accepted at the start")
	}
}
