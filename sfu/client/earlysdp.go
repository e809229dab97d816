package client

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pion/sdp/v3"

	"github.com/rivulet-rtc/rivulet/sfu/peer/icemux"
)

// armFor arms for an offer of ours and its answer, if the server is ICE-lite and
// tells addresses.
func (e *early) armFor(offer, answer string, hello []byte) error {
	local, err := readTransport(offer)
	if err != nil {
		return fmt.Errorf("read our own offer: %w", err)
	}
	remote, err := readTransport(answer)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if remote.lite && local.Password != "" && remote.Password != "" {
		e.arm(local.Credentials, remote.Credentials, remote.candidates, hello)
	}
	return nil
}

// farTrip is from what round trip on the server's hello of DTLS is taken from its
// answer. On nearer paths the client begins: it knows better than the server when
// what is lost is to be repeated.
const farTrip = 400 * time.Millisecond

// takesHello says whether to ask for the server's hello.
func (c *Call) takesHello() bool {
	o := &c.opts
	return !c.pair && !o.RelayOnly && !o.TCPOnly && o.Line.trip >= farTrip
}

// transportOf is what a description says of its one transport.
type transportOf struct {
	icemux.Credentials
	lite       bool
	candidates []netip.AddrPort // by UDP, at most mostEarly
}

// readTransport reads the session's and the first section's attributes
// (RFC 8839 §5), which with one bundle are those of the transport.
func readTransport(text string) (t transportOf, err error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return t, err
	}
	attributes := d.Attributes
	if len(d.MediaDescriptions) > 0 {
		attributes = append(attributes, d.MediaDescriptions[0].Attributes...)
	}
	for _, a := range attributes {
		switch a.Key {
		case "ice-lite":
			t.lite = true
		case "ice-ufrag":
			t.Fragment = a.Value
		case "ice-pwd":
			t.Password = a.Value
		case "candidate":
			if c, ok := readCandidate(a.Value); ok && len(t.candidates) < mostEarly {
				t.candidates = append(t.candidates, c)
			}
		}
	}
	return t, nil
}

// readCandidate answers the address of a candidate by UDP (RFC 8839 §5.1).
func readCandidate(value string) (netip.AddrPort, bool) {
	f := strings.Fields(value)
	if len(f) < 6 || !strings.EqualFold(f[2], "udp") {
		return netip.AddrPort{}, false
	}
	ip, err := netip.ParseAddr(f[4])
	port, err2 := strconv.ParseUint(f[5], 10, 16)
	if err != nil || err2 != nil || f[1] != "1" {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), true
}

// hurry looks after the early path until it has answered: it tries all others,
// and at last has ICE begin anew.
func (m *media) hurry(trip time.Duration) {
	wait := trip + earlyOthers
	for range earlyTries {
		if !m.waitEarly(wait) {
			return
		}
		m.early.tryAll()
		wait = trip/2 + earlyOthers
	}
	if m.waitEarly(wait) {
		m.early.abandon()
		m.call.wishRestart(true)
	}
}

// waitEarly waits; false when there is nothing to wait for any more.
func (m *media) waitEarly(d time.Duration) bool {
	select {
	case <-time.After(d):
		return !m.early.proven()
	case <-m.call.done:
		return false
	}
}
