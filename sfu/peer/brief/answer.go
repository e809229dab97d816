package brief

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

// The priorities of host candidates as pion has them (RFC 8445 §5.1.2.1, RFC 6544 §4.2).
const (
	udpPriority = "2130706431"
	tcpPriority = "1671430143"
)

// Candidate is an address of the server's own.
type Candidate struct {
	TCP     bool
	Address netip.AddrPort
}

// Answer is the server's answer to an Offer.
type Answer struct {
	Transport
	Candidates []Candidate
	// Ask is how the microphone is to be encoded; nil for as it was offered.
	Ask *voice.Ask
}

// The bits of a candidate, and those of how voice is asked for.
const (
	candidateTCP = 1 << iota
	candidateV6
)

const (
	askDTX = 1 << iota
	askFEC
	askRED
)

// Append writes it:
//
//	byte       candidates | 0x10 if voice is asked for
//	candidates byte: 1 TCP, 2 IPv6; 4 or 16 bytes; 2 bytes port
//	voice      4 bytes bit/s; byte packet time in ms; byte: 1 DTX, 2 FEC, 4 RED
//	transport  as in Offer
func (a *Answer) Append(b []byte) []byte {
	head := byte(len(a.Candidates))
	if a.Ask != nil {
		head |= 0x10
	}
	b = append(b, head)
	for _, c := range a.Candidates {
		kind := byte(0)
		if c.TCP {
			kind |= candidateTCP
		}
		if c.Address.Addr().Is6() {
			kind |= candidateV6
		}
		b = append(append(b, kind), c.Address.Addr().AsSlice()...)
		b = binary.BigEndian.AppendUint16(b, c.Address.Port())
	}
	if k := a.Ask; k != nil {
		b = binary.BigEndian.AppendUint32(b, uint32(k.MaxRate))
		flags := byte(0)
		for bit, set := range map[byte]bool{askDTX: k.DTX, askFEC: k.FEC, askRED: k.Redundancy > 0} {
			if set {
				flags |= bit
			}
		}
		b = append(b, byte(k.Packet/time.Millisecond), flags)
	}
	return a.append(b)
}

// DecodeAnswer reads what Append wrote, or answers ErrDescription.
func DecodeAnswer(b []byte) (Answer, error) {
	s := source{rest: b, short: len(b) > MaxSize}
	head := s.byte()
	if head&^0x1f != 0 {
		return Answer{}, ErrDescription
	}
	var a Answer
	for range head & 0xf {
		kind := s.byte()
		size := 4
		if kind&candidateV6 != 0 {
			size = 16
		}
		ip, _ := netip.AddrFromSlice(s.take(size)) // 4 and 16 are sizes of addresses
		c := Candidate{TCP: kind&candidateTCP != 0, Address: netip.AddrPortFrom(ip, binary.BigEndian.Uint16(s.take(2)))}
		if kind&^(candidateTCP|candidateV6) != 0 || ip.Is4In6() {
			return Answer{}, ErrDescription
		}
		a.Candidates = append(a.Candidates, c)
	}
	if head&0x10 != 0 {
		rate := binary.BigEndian.Uint32(s.take(4))
		ask := voice.Ask{MaxRate: units.Rate(rate), Packet: time.Duration(s.byte()) * time.Millisecond}
		flags := s.byte()
		ask.DTX, ask.FEC = flags&askDTX != 0, flags&askFEC != 0
		if flags&askRED != 0 {
			ask.Redundancy = 1
		}
		if flags&^(askDTX|askFEC|askRED) != 0 || rate > 1<<30 {
			return Answer{}, ErrDescription
		}
		a.Ask = &ask
	}
	if a.Transport = s.transport(); !s.done(a.Transport) {
		return Answer{}, ErrDescription
	}
	return a, nil
}

// ReadAnswer answers the brief form of an answer to an offer; false for one of
// another shape.
func ReadAnswer(text string, o *Offer) (Answer, bool) {
	var a Answer
	if !a.read(text) {
		return Answer{}, false
	}
	for line := range strings.SplitSeq(text, "\r\n") {
		if !strings.HasPrefix(line, "a=candidate:") {
			continue
		}
		c, ok := readCandidate(line)
		if !ok || len(a.Candidates) == maxCandidates {
			return Answer{}, false
		}
		a.Candidates = append(a.Candidates, c)
	}
	if i := o.microphone(); i >= 0 {
		if sections := strings.Split(text, "\r\nm="); i+1 < len(sections) {
			a.Ask = readAsk(sections[i+1])
		}
	}
	if !alike(a.SDP(o), text) {
		return Answer{}, false
	}
	return a, true
}

// readCandidate reads "a=candidate:x 1 udp 2130706431 192.0.2.1 7882 typ host".
func readCandidate(line string) (Candidate, bool) {
	f := strings.Fields(line)
	if len(f) < 6 {
		return Candidate{}, false
	}
	address, err := netip.ParseAddr(f[4])
	port, err2 := strconv.ParseUint(f[5], 10, 16)
	return Candidate{TCP: f[2] == "tcp", Address: netip.AddrPortFrom(address, uint16(port))}, err == nil && err2 == nil && !address.Is4In6() && address.Zone() == ""
}

// readAsk finds how a section asks for voice; nil where it does not.
func readAsk(section string) *voice.Ask {
	packet, err := strconv.ParseUint(value(section, "a=ptime:"), 10, 8)
	if err != nil {
		return nil
	}
	ask := &voice.Ask{Packet: time.Duration(packet) * time.Millisecond}
	for p := range strings.SplitSeq(value(section, "a=fmtp:111 "), ";") {
		name, number, _ := strings.Cut(p, "=")
		switch n, _ := number32(number); name { // one that is none differs when it is built
		case "maxaveragebitrate":
			ask.MaxRate = units.Rate(n)
		case "usedtx":
			ask.DTX = n == 1
		case "useinbandfec":
			ask.FEC = n == 1
		}
	}
	if first, _, _ := strings.Cut(section, "\r\n"); strings.HasSuffix(first, " 63 111") {
		ask.Redundancy = 1
	}
	return ask
}

// microphone answers the number of its section, -1 for none.
func (o *Offer) microphone() int {
	return slices.IndexFunc(o.Sends, func(s Send) bool { return s.Source == Microphone })
}

// SDP builds the answer to an offer.
func (a *Answer) SDP(o *Offer) string {
	var w writer
	w.head(&a.Transport, true, o.sections())
	mains := [2]bool{}
	for i := range o.sections() {
		video, slot := o.video(i), i-len(o.Sends)
		formats, body, kind := answeredAudio, answeredAudioLines, 0
		if video {
			formats, body, kind = answeredVideo, answeredVideoLines, 1
		}
		if video && slot >= 0 {
			formats = slotVideo
		}
		w.line(formats)
		w.transport(&a.Transport, "passive", i)
		w.WriteString(body)
		if slot >= 0 {
			track := "slot-" + strconv.Itoa(slot)
			cname := track
			if !mains[kind] { // see peer.slotTrack.StreamID
				mains[kind], cname = true, "main"
			}
			w.stream(a.Streams, slot, video, cname, track)
			w.line("a=sendonly")
		} else {
			w.received(o.Sends[i].Layers)
		}
		if i == 0 {
			w.candidates(a.Candidates)
		}
	}
	text := w.String()
	if i := o.microphone(); i >= 0 && a.Ask != nil {
		text = profile.AskVoice(text, strconv.Itoa(i), *a.Ask)
	}
	return text
}

// received ends a section on which the client sends.
func (w *writer) received(layers []string) {
	for _, rid := range layers {
		w.line("a=rid:" + rid + " recv")
	}
	if len(layers) > 0 {
		w.line("a=simulcast:recv " + strings.Join(layers, ";"))
	}
	w.line("a=recvonly")
}

func (w *writer) candidates(all []Candidate) {
	for i, c := range all {
		head, tail := " 1 udp "+udpPriority+" ", " typ host"
		if c.TCP {
			head, tail = " 1 tcp "+tcpPriority+" ", " typ host tcptype passive"
		}
		w.line("a=candidate:" + strconv.Itoa(i+1) + head + c.Address.Addr().String() + " " + strconv.Itoa(int(c.Address.Port())) + tail)
	}
	w.line("a=end-of-candidates")
}
