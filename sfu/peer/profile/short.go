package profile

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/hash"
	"github.com/pion/dtls/v3/pkg/crypto/signature"
	"github.com/pion/dtls/v3/pkg/crypto/signaturehash"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/webrtc/v4"
)

// Protection is the only SRTP profile that is taken, the one that every browser must
// have (RFC 8827 §6.5). A packet that is sent twice under one number, as lost sound
// is, has other header extensions the second time: with AES-GCM the two would share a
// nonce, which gives the key of the tags away (RFC 7714 §8.4). And its tag is 10 bytes
// (RFC 3711 §5.2) where that of AES-GCM is 16, a twentieth of a voice.
const Protection = dtls.SRTP_AES128_CM_HMAC_SHA1_80

// certified is for how long a certificate is made out. Nobody looks: who holds its
// key is known by the fingerprint in the description (RFC 8122).
const certified = 30 * 24 * time.Hour

// ShortCertificate makes a certificate with a key of its own and without names, for a
// path between this project's own client and server: 237 bytes in place of pion's 287,
// which are 20 ms on a way of 20 kbit/s. Browsers are given the usual one.
func ShortCertificate(now time.Time) (*webrtc.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of a certificate: %w", err)
	}
	c, err := webrtc.NewCertificate(key, x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-certified), NotAfter: now.Add(certified),
	})
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return c, nil
}

// ecdsaSHA256 is how both ends of such a path sign: their certificates are of P-256.
var ecdsaSHA256 = []signaturehash.Algorithm{{Hash: hash.SHA256, Signature: signature.ECDSA}}

// helloBegin and helloEnd are what ShortClientHello leaves of the first packet of DTLS
// before and after its random. They are part of the protocol: Joined.hello has only
// the random.
const (
	helloBegin = "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x5e" +
		"\x01\x00\x00\x52\x00\x00\x00\x00\x00\x00\x00\x52" +
		"\xfe\xfd" // record, message (RFC 6347 §4.1, §4.2.2), version
	helloEnd = "\x00\x00" + // no session, no cookie
		"\x00\x02\xc0\x2b" + "\x01\x00" + // one suite, no compression
		"\x00\x26" +
		"\x00\x0d\x00\x04\x00\x02\x04\x03" + // signatures
		"\xff\x01\x00\x01\x00" + // secure renegotiation
		"\x00\x0a\x00\x08\x00\x06\x00\x1d\x00\x17\x00\x18" + // curves
		"\x00\x0e\x00\x05\x00\x02\x00\x01\x00" + // profile of SRTP
		"\x00\x17\x00\x00" // extended master secret
)

// RandomSize is that of a hello's random (RFC 5246 §7.4.1.2) in bytes.
const RandomSize = handshake.RandomLength

// Hello is the packet of DTLS with the hello of a random of RandomSize bytes.
func Hello(random []byte) []byte { return slices.Concat([]byte(helloBegin), random, []byte(helloEnd)) }

// HelloRandom is the random of a packet that Hello makes; false for any other.
func HelloRandom(packet []byte) ([]byte, bool) {
	if len(packet) != len(helloBegin)+RandomSize+len(helloEnd) {
		return nil, false
	}
	random := packet[len(helloBegin):][:RandomSize]
	if !bytes.Equal(packet, Hello(random)) {
		return nil, false
	}
	return random, true
}

// ShortClientHello leaves out of a hello what the other end of such a path does not
// choose: 107 bytes in place of 149 with the headers of DTLS.
func ShortClientHello(m handshake.MessageClientHello) handshake.Message {
	m.CipherSuiteIDs = []uint16{uint16(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)}
	m.Extensions = slices.Clone(m.Extensions)
	for i, e := range m.Extensions {
		if _, ok := e.(*extension.SupportedSignatureAlgorithms); ok {
			m.Extensions[i] = &extension.SupportedSignatureAlgorithms{SignatureHashAlgorithms: ecdsaSHA256}
		}
	}
	m.Extensions = slices.DeleteFunc(m.Extensions, isPointFormats)
	return &m
}

// ShortServerHello leaves out what needs no saying (RFC 8422 §5.1.2).
func ShortServerHello(m handshake.MessageServerHello) handshake.Message {
	m.Extensions = slices.DeleteFunc(slices.Clone(m.Extensions), isPointFormats)
	return &m
}

// ShortCertificateRequest asks for a signature of the one kind.
func ShortCertificateRequest(m handshake.MessageCertificateRequest) handshake.Message {
	m.SignatureHashAlgorithms = ecdsaSHA256
	return &m
}

func isPointFormats(e extension.Extension) bool {
	_, ok := e.(*extension.SupportedPointFormats)
	return ok
}
