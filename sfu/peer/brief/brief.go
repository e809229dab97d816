// Package brief writes the descriptions of this project's own client, and of the
// server's answers to it, in a hundred bytes each: only what differs from call to
// call crosses the wire, and both ends build the same SDP from it for pion.
//
//	client: pion's offer -> ReadOffer -> Offer.Append ~~> DecodeOffer -> Offer.SDP -> server's pion
//	server: pion's answer -> ReadAnswer -> Answer.Append ~~> DecodeAnswer -> Answer.SDP(offer) -> client's pion
//
// Reading proves itself: it answers a description only if building it anew gives
// the text back (see alike), so that nothing is lost without notice. What it does
// not know (a browser's offer, another set of codecs, a relay's candidate) is sent
// as SDP, in the form of package compact.
//
// The texts that are built are part of the protocol: they are frozen under
// compact.Three, and others need another number. Sizes and numbers are bounded
// before anything is built.
//
// Specifications: RFC 8866 (SDP), RFC 8839 (ICE), RFC 8842 (fingerprint), RFC 8853
// (simulcast), RFC 5576 (SSRC).
package brief

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

const (
	// MaxSize bounds a description on the wire in bytes.
	MaxSize = 512

	maxSends      = 8 // as many as signalling takes
	maxLayers     = 4
	maxRID        = 16 // characters
	maxSlots      = 32 // of one kind
	maxCandidates = 15

	fragmentBytes    = 12 // 16 characters of base64
	passwordBytes    = 24 // 32
	fingerprintBytes = 32
)

// ErrDescription says that bytes are no brief description.
var ErrDescription = errors.New("brief: the description is cut off, too long or out of bounds")

// Transport is what one end of a path is known by.
type Transport struct {
	// Fragment and Password are ICE's (RFC 8839 §5.4), as bytes whose base64 they are.
	Fragment [fragmentBytes]byte
	Password [passwordBytes]byte
	// Fingerprint is the SHA-256 of the certificate (RFC 8122 §5).
	Fingerprint [fingerprintBytes]byte
	// Streams is the number of the first stream that this end sends (profile.Stream).
	Streams uint32
}

// append writes it.
func (t *Transport) append(b []byte) []byte {
	b = append(b, t.Fragment[:]...)
	b = append(b, t.Password[:]...)
	b = append(b, t.Fingerprint[:]...)
	return append(b, byte(t.Streams>>24), byte(t.Streams>>16), byte(t.Streams>>8), byte(t.Streams))
}

// credentials answers ufrag and pwd as text.
func (t *Transport) credentials() (ufrag, pwd string) {
	return base64.StdEncoding.EncodeToString(t.Fragment[:]), base64.StdEncoding.EncodeToString(t.Password[:])
}

// fingerprint answers it as SDP has it.
func (t *Transport) fingerprint() string {
	digits := strings.ToUpper(hex.EncodeToString(t.Fingerprint[:]))
	pairs := make([]string, 0, fingerprintBytes)
	for pair := range slices.Chunk([]byte(digits), 2) {
		pairs = append(pairs, string(pair))
	}
	return strings.Join(pairs, ":")
}

// read takes what a description says of it; false where it is said in another form.
func (t *Transport) read(text string) bool {
	ufrag, err1 := base64.StdEncoding.DecodeString(value(text, "a=ice-ufrag:"))
	pwd, err2 := base64.StdEncoding.DecodeString(value(text, "a=ice-pwd:"))
	print, err3 := hex.DecodeString(strings.ReplaceAll(value(text, "a=fingerprint:sha-256 "), ":", ""))
	if err1 != nil || err2 != nil || err3 != nil ||
		len(ufrag) != fragmentBytes || len(pwd) != passwordBytes || len(print) != fingerprintBytes {
		return false
	}
	copy(t.Fragment[:], ufrag)
	copy(t.Password[:], pwd)
	copy(t.Fingerprint[:], print)
	number, _, _ := strings.Cut(value(text, "a=ssrc:"), " ")
	first, ok := number32(number)
	t.Streams = first
	return ok || number == ""
}

// value answers what stands behind the first line that begins with a name.
func value(text, name string) string {
	_, rest, found := strings.Cut("\r\n"+text, "\r\n"+name)
	if !found {
		return ""
	}
	line, _, _ := strings.Cut(rest, "\r\n")
	return line
}

// alike says whether two descriptions say the same: all lines of each section, in
// any order, with the first line of each where it is. What says nothing may differ:
// who wrote it (o=) and the names of candidates (RFC 8839 §5.1, foundation), which
// an ICE-lite server's peer does not need.
func alike(a, b string) bool {
	return slices.Equal(normal(a), normal(b))
}

func normal(text string) []string {
	lines := strings.Split(text, "\r\n")
	begin := 0
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "o="):
			lines[i] = "o="
		case strings.HasPrefix(line, "a=candidate:"):
			_, rest, _ := strings.Cut(line, " ")
			lines[i] = "a=candidate: " + rest
		case strings.HasPrefix(line, "m="):
			slices.Sort(lines[begin:i])
			begin = i + 1
		}
	}
	slices.Sort(lines[begin:])
	return lines
}

// source reads bytes; once they are out, everything it answers is 0 and short is set.
type source struct {
	rest  []byte
	short bool
}

func (s *source) take(n int) []byte {
	if len(s.rest) < n {
		s.short, s.rest = true, nil
		return make([]byte, n)
	}
	b := s.rest[:n]
	s.rest = s.rest[n:]
	return b
}

func (s *source) byte() byte { return s.take(1)[0] }

func (s *source) transport() (t Transport) {
	copy(t.Fragment[:], s.take(fragmentBytes))
	copy(t.Password[:], s.take(passwordBytes))
	copy(t.Fingerprint[:], s.take(fingerprintBytes))
	b := s.take(4)
	t.Streams = uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	return t
}

// done says whether everything was there, nothing is left, and numbers do not run over.
func (s *source) done(t Transport) bool {
	last := profile.Stream(t.Streams, maxSends*maxLayers+2*maxSlots)
	return !s.short && len(s.rest) == 0 && last > t.Streams
}
