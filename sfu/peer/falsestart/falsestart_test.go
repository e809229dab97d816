package falsestart

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// wire is one end of a handshake, with what was written and read there.
type wire struct {
	net.PacketConn
	to net.Addr

	mu            sync.Mutex
	written, read [][]byte
}

func (w *wire) WriteTo(b []byte, _ net.Addr) (int, error) {
	w.mu.Lock()
	w.written = append(w.written, slices.Clone(b))
	w.mu.Unlock()
	return w.PacketConn.WriteTo(b, w.to)
}

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := w.PacketConn.ReadFrom(b)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read = append(w.read, slices.Clone(b[:n]))
	return n, from, err
}

func socket(t *testing.T) net.PacketConn {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shake makes a handshake, and answers the client's end with its key log and the
// server's connection.
func shake(t *testing.T, suite dtls.CipherSuiteID) (client *wire, log *bytes.Buffer, server *dtls.Conn) {
	t.Helper()
	a, b := socket(t), socket(t)
	client = &wire{PacketConn: a, to: b.LocalAddr()}
	log = &bytes.Buffer{}
	certificate, err := selfsign.GenerateSelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	shared := []dtls.Option{
		dtls.WithCertificates(certificate), dtls.WithInsecureSkipVerify(true),
		dtls.WithCipherSuites(suite), dtls.WithSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80),
	}
	ours, theirs := []dtls.ClientOption{dtls.WithKeyLogWriter(log)}, []dtls.ServerOption(nil)
	for _, o := range shared {
		ours, theirs = append(ours, o), append(theirs, o)
	}
	done := make(chan error, 1)
	server, err = dtls.ServerWithOptions(b, a.LocalAddr(), theirs...)
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- server.Handshake() }()
	c, err := dtls.ClientWithOptions(client, b.LocalAddr(), ours...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(); _ = server.Close() })
	if err := errors.Join(c.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return client, log, server
}

// What is protected with what is known at the client's Finished is read with the keys
// that the server has at the end.
func TestTheOtherSideReadsWhatIsSentEarly(t *testing.T) {
	client, log, server := shake(t, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	client.mu.Lock()
	defer client.mu.Unlock()
	var hello Hello
	found := errors.New("none was read")
	for _, b := range client.read {
		if h, err := ReadHello(b); err == nil {
			hello, found = h, nil
		}
	}
	if found != nil {
		t.Fatal(found)
	}
	finished := 0
	for _, b := range client.written {
		if HasFinished(b) {
			finished++
		}
	}
	if finished != 1 {
		t.Errorf("%d packets with a Finished of %d", finished, len(client.written))
	}
	ours, err := Protect(hello, log.String())
	if err != nil {
		t.Fatal(err)
	}
	state, ok := server.ConnectionState()
	if !ok {
		t.Fatal("the server has no state")
	}
	cfg := srtp.Config{Profile: srtp.ProtectionProfileAes128CmHmacSha1_80}
	if err := cfg.ExtractSessionKeysFromDTLS(&state, false); err != nil {
		t.Fatal(err)
	}
	theirs, err := srtp.CreateContext(cfg.Keys.RemoteMasterKey, cfg.Keys.RemoteMasterSalt, cfg.Profile)
	if err != nil {
		t.Fatal(err)
	}
	p := rtp.Packet{Header: rtp.Header{Version: 2, SSRC: 7, SequenceNumber: 9}, Payload: []byte("first words")}
	plain, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	protected, err := ours.EncryptRTP(nil, plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := theirs.DecryptRTP(nil, protected, nil)
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("read %q, %v", got, err)
	}
}

func TestOnlyAuthenticatedSuitesAreTaken(t *testing.T) {
	client, _, _ := shake(t, dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA)
	client.mu.Lock()
	defer client.mu.Unlock()
	for _, b := range client.read {
		if _, err := ReadHello(b); err == nil {
			t.Errorf("the hello of a suite of CBC is taken: %x", b)
		}
	}
}

func TestOtherPacketsAreNoHello(t *testing.T) {
	client, _, _ := shake(t, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	client.mu.Lock()
	defer client.mu.Unlock()
	i := slices.IndexFunc(client.read, func(b []byte) bool { _, err := ReadHello(b); return err == nil })
	whole := client.read[i]
	length := recordHeader + messageHeader + uint24(whole[recordHeader+1:])
	for n := range length {
		if _, err := ReadHello(whole[:n]); !errors.Is(err, ErrHello) {
			t.Fatalf("%d of %d bytes: %v", n, length, err)
		}
	}
	fragment := slices.Clone(whole)
	fragment[recordHeader+8] = 1 // its offset
	if _, err := ReadHello(fragment); !errors.Is(err, ErrHello) {
		t.Errorf("a fragment: %v", err)
	}
	for _, line := range []string{"", "CLIENT_RANDOM", "CLIENT_RANDOM 00 00", "OTHER " + string(make([]byte, 64)) + " 00", "CLIENT_RANDOM zz zz"} {
		if _, err := Protect(Hello{}, line); !errors.Is(err, ErrKeyLog) {
			t.Errorf("%q: %v", line, err)
		}
	}
}

func FuzzReadHello(f *testing.F) {
	f.Add([]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		began := time.Now()
		_, err := ReadHello(b)
		if err != nil && !errors.Is(err, ErrHello) {
			t.Error(err)
		}
		HasFinished(b)
		if took := time.Since(began); took > time.Second {
			t.Errorf("%d bytes took %v", len(b), took)
		}
	})
}
