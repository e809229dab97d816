// Package falsestart protects what a DTLS client sends between its own Finished
// and the other's, a round trip before a library says that the handshake is done:
//
//	ClientHello ──►
//	             ◄── ServerHello, Certificate, ServerKeyExchange ...
//	Certificate, ... Finished ──►
//	SRTP ──►                         from here on, in place of ...
//	             ◄── Finished
//	SRTP ──►                         ... from here on
//
// RFC 7918 says under what conditions that is safe (it is written for TLS, whose
// handshake DTLS 1.2 shares): forward secret key exchange, authenticated encryption,
// and a server that is authenticated before anything is sent. Only suites of that
// kind are taken here, and pion writes its key log only after it has checked the
// other's certificate against the fingerprint and its signature of the key exchange.
// Somebody between who changes the hellos makes the two sides' keys differ (RFC 7627),
// so that nobody can read what was sent.
//
// Keys are those of RFC 5764 §4.2. What is sent with them must not be sent once more
// with other content by who takes over: that is RTP with numbers that go on. RTCP,
// whose index begins anew, must wait.
//
// Everything here is pure: bytes in, keys out.
package falsestart

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/srtp/v3"
)

// The form of records and handshake messages (RFC 6347 §4.1, §4.2.2).
const (
	recordHeader    = 13
	messageHeader   = 12
	typeHandshake   = 22
	typeServerHello = 2
)

var (
	// ErrHello says that a packet begins with no ServerHello, or with one of a
	// suite or profile with which nothing may be sent early.
	ErrHello = errors.New("falsestart: no ServerHello of a suite with forward secrecy and authenticated encryption")
	// ErrKeyLog says that a line is not that of a master secret.
	ErrKeyLog = errors.New("falsestart: no line of a key log with CLIENT_RANDOM")
)

// Hello is what a ServerHello says that keys depend on.
type Hello struct {
	random  [handshake.RandomLength]byte
	profile srtp.ProtectionProfile
}

// The suites that are taken (RFC 5289, RFC 7905): ephemeral keys, authenticated
// encryption, and SHA-256 in the derivation of keys.
const (
	ecdsaAES128   = 0xc02b
	rsaAES128     = 0xc02f
	rsaChaCha20   = 0xcca8
	ecdsaChaCha20 = 0xcca9
)

// ReadHello reads a packet of DTLS that begins with a whole ServerHello; ErrHello
// for all others.
func ReadHello(packet []byte) (h Hello, err error) {
	const headers = recordHeader + messageHeader
	if len(packet) < headers || packet[0] != typeHandshake || packet[recordHeader] != typeServerHello {
		return h, ErrHello
	}
	message := packet[recordHeader:]
	length := uint24(message[1:])
	if uint24(message[6:]) != 0 || uint24(message[9:]) != length || len(message) < messageHeader+length {
		return h, ErrHello // a fragment
	}
	var m handshake.MessageServerHello
	if err := m.Unmarshal(message[messageHeader : messageHeader+length]); err != nil {
		return h, fmt.Errorf("%w: %w", ErrHello, err)
	}
	if m.CipherSuiteID == nil {
		return h, ErrHello
	}
	switch *m.CipherSuiteID {
	case ecdsaAES128, rsaAES128, rsaChaCha20, ecdsaChaCha20:
	default:
		return h, ErrHello
	}
	bound := false // the keys to the whole handshake, RFC 7627
	for _, e := range m.Extensions {
		switch e := e.(type) {
		case *extension.UseExtendedMasterSecret:
			bound = true
		case *extension.UseSRTP:
			if len(e.ProtectionProfiles) == 1 {
				h.profile = srtp.ProtectionProfile(e.ProtectionProfiles[0])
			}
		}
	}
	h.random = m.Random.MarshalFixed()
	if !bound || h.profile != srtp.ProtectionProfileAes128CmHmacSha1_80 { // no other is offered, docs/adr/0025
		return h, ErrHello
	}
	return h, nil
}

func uint24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// HasFinished says whether a packet of DTLS has an encrypted message of a handshake,
// as its last message is.
func HasFinished(packet []byte) bool {
	for len(packet) >= recordHeader {
		if packet[0] == typeHandshake && binary.BigEndian.Uint16(packet[3:]) > 0 {
			return true
		}
		packet = packet[min(len(packet), recordHeader+int(binary.BigEndian.Uint16(packet[11:]))):]
	}
	return false
}

// Protect answers what protects the RTP that the DTLS client sends, from the line
// that pion writes to its key log (NSS key log format) when it has derived the keys.
func Protect(h Hello, line string) (*srtp.Context, error) {
	f := strings.Fields(line)
	if len(f) != 3 || f[0] != "CLIENT_RANDOM" {
		return nil, ErrKeyLog
	}
	client, err1 := hex.DecodeString(f[1])
	secret, err2 := hex.DecodeString(f[2])
	if err1 != nil || err2 != nil || len(client) != handshake.RandomLength {
		return nil, ErrKeyLog
	}
	cfg := srtp.Config{Profile: h.profile}
	if err := cfg.ExtractSessionKeysFromDTLS(exporter{secret, append(client, h.random[:]...)}, true); err != nil {
		return nil, fmt.Errorf("falsestart: derive keys: %w", err)
	}
	return srtp.CreateContext(cfg.Keys.LocalMasterKey, cfg.Keys.LocalMasterSalt, h.profile)
}

// exporter exports keying material (RFC 5705) from a secret and both randoms.
type exporter struct{ secret, randoms []byte }

// ExportKeyingMaterial is srtp.KeyingMaterialExporter.
func (e exporter) ExportKeyingMaterial(label string, _ []byte, length int) ([]byte, error) {
	return prf.PHash(e.secret, append([]byte(label), e.randoms...), length, func() hash.Hash { return sha256.New() })
}
