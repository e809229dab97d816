package brief

import (
	"strconv"
	"strings"

	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// Source is what a section carries.
type Source uint8

// The sources, as numbers on the wire.
const (
	Microphone Source = iota
	Camera
	Screen
	ScreenAudio
)

var sourceNames = [...]string{"microphone", "camera", "screen", "screen_audio"}

// String answers the source's name in signalling.
func (s Source) String() string { return sourceNames[s] }

// Video says whether it is a picture.
func (s Source) Video() bool { return s == Camera || s == Screen }

// Send is a section on which the client sends.
type Send struct {
	Source Source
	// Layers are the names of simulcast layers (RFC 8851); none for a single stream.
	Layers []string
}

// Offer is an offer of the client's: first the sections on which it sends, then
// the audio slots, then the video slots, whose mids are their numbers in that order.
type Offer struct {
	Transport
	Sends []Send
	// Audio and Video are how many slots there are.
	Audio, Video int
}

// Append writes it:
//
//	byte      how many sends
//	byte      audio slots
//	byte      video slots
//	sends     byte: source | layers << 2; each layer: byte length, its name
//	transport 12 bytes fragment, 24 password, 32 fingerprint, 4 first stream (big endian)
func (o *Offer) Append(b []byte) []byte {
	b = append(b, byte(len(o.Sends)), byte(o.Audio), byte(o.Video))
	for _, s := range o.Sends {
		b = append(b, byte(s.Source)|byte(len(s.Layers)<<2))
		for _, rid := range s.Layers {
			b = append(append(b, byte(len(rid))), rid...)
		}
	}
	return o.append(b)
}

// DecodeOffer reads what Append wrote, or answers ErrDescription.
func DecodeOffer(b []byte) (Offer, error) {
	s := source{rest: b, short: len(b) > MaxSize}
	sends := int(s.byte())
	o := Offer{Audio: int(s.byte()), Video: int(s.byte())}
	if sends > maxSends || o.Audio > maxSlots || o.Video > maxSlots || sends+o.Audio+o.Video == 0 {
		return Offer{}, ErrDescription
	}
	for range sends {
		head := s.byte()
		send := Send{Source: Source(head & 3)}
		layers := int(head >> 2)
		if layers > maxLayers || layers > 0 && !send.Source.Video() {
			return Offer{}, ErrDescription
		}
		for range layers {
			rid := string(s.take(int(s.byte())))
			if !validRID(rid) {
				return Offer{}, ErrDescription
			}
			send.Layers = append(send.Layers, rid)
		}
		o.Sends = append(o.Sends, send)
	}
	if o.Transport = s.transport(); !s.done(o.Transport) {
		return Offer{}, ErrDescription
	}
	return o, nil
}

// validRID bounds a layer's name (RFC 8851 §10: letters and digits).
func validRID(rid string) bool {
	return len(rid) >= 1 && len(rid) <= maxRID && strings.Trim(rid, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// ReadOffer answers the brief form of an offer; false for one of another shape.
func ReadOffer(text string) (Offer, bool) {
	d, err := profile.Read(text)
	if err != nil {
		return Offer{}, false
	}
	var o Offer
	if !o.read(text) {
		return Offer{}, false
	}
	sections := strings.Split(text, "\r\nm=")
	for i, s := range d.Sections {
		switch {
		case s.Sends && i+1 < len(sections):
			_, name, _ := strings.Cut(value(sections[i+1], "a=msid:"), " ")
			source, ok := sourceOf(name)
			if !ok {
				return Offer{}, false
			}
			o.Sends = append(o.Sends, Send{Source: source, Layers: s.RIDs})
		case s.Video:
			o.Video++
		default:
			o.Audio++
		}
	}
	// What is out of bounds is not read back.
	if _, err := DecodeOffer(o.Append(nil)); err != nil || !alike(o.SDP(), text) {
		return Offer{}, false
	}
	return o, true
}

// Renewed answers an offer of the same sections with the transport of an ICE
// restart's: everything else was settled before. False when that is said in another
// form.
func (o Offer) Renewed(text string) (Offer, bool) {
	var t Transport
	if !t.read(text) {
		return Offer{}, false
	}
	t.Streams = o.Streams
	o.Transport = t
	return o, true
}

func sourceOf(name string) (Source, bool) {
	for i, n := range sourceNames {
		if n == name {
			return Source(i), true
		}
	}
	return 0, false
}

// SDP builds the offer.
func (o *Offer) SDP() string {
	var w writer
	w.head(&o.Transport, false, o.sections())
	n := 0
	for i, s := range o.Sends {
		w.offered(o, i, s.Source.Video())
		for range max(1, len(s.Layers)) {
			w.stream(o.Streams, n, s.Source.Video(), "main", s.Source.String())
			n++
		}
		for _, rid := range s.Layers {
			w.line("a=rid:" + rid + " send")
		}
		if len(s.Layers) > 0 {
			w.line("a=simulcast:send " + strings.Join(s.Layers, ";"))
		}
		w.line("a=sendonly")
	}
	for i := len(o.Sends); i < o.sections(); i++ {
		w.offered(o, i, o.video(i))
		w.line("a=recvonly")
	}
	return w.String()
}

// sections is how many there are.
func (o *Offer) sections() int { return len(o.Sends) + o.Audio + o.Video }

// Slot is a section on which the client receives.
type Slot struct {
	MID   string
	Video bool
}

// Slots are the slots of the offer in their order.
func (o *Offer) Slots() (slots []Slot) {
	for i := len(o.Sends); i < o.sections(); i++ {
		slots = append(slots, Slot{MID: strconv.Itoa(i), Video: o.video(i)})
	}
	return slots
}

// video says what section i carries.
func (o *Offer) video(i int) bool {
	if i < len(o.Sends) {
		return o.Sends[i].Source.Video()
	}
	return i >= len(o.Sends)+o.Audio
}

// writer builds a description.
type writer struct{ strings.Builder }

func (w *writer) line(s string) { w.WriteString(s + "\r\n") }

// head writes what holds for the whole session.
func (w *writer) head(t *Transport, lite bool, sections int) {
	w.line("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=msid-semantic:WMS *")
	w.line("a=fingerprint:sha-256 " + t.fingerprint())
	if lite {
		w.line("a=ice-lite")
	}
	w.WriteString("a=extmap-allow-mixed\r\na=cryptex\r\na=group:BUNDLE")
	for i := range sections {
		w.WriteString(" " + strconv.Itoa(i))
	}
	w.line("")
}

// offered writes a section of an offer up to its streams.
func (w *writer) offered(o *Offer, i int, video bool) {
	formats, body := offeredAudio, offeredAudioLines
	if video {
		formats, body = offeredVideo, offeredVideoLines
	}
	w.line(formats)
	w.transport(&o.Transport, "actpass", i)
	w.WriteString(body)
}

// transport writes the lines that all sections have.
func (w *writer) transport(t *Transport, setup string, mid int) {
	ufrag, pwd := t.credentials()
	w.line("c=IN IP4 0.0.0.0\r\na=setup:" + setup + "\r\na=mid:" + strconv.Itoa(mid) + "\r\na=rtcp-fb:* ack ccfb")
	w.line("a=ice-ufrag:" + ufrag + "\r\na=ice-pwd:" + pwd + "\r\na=rtcp-mux\r\na=rtcp-rsize")
}

// stream writes the n-th stream with what repairs it.
func (w *writer) stream(first uint32, n int, video bool, cname, track string) {
	number := func(after int) string {
		return strconv.FormatUint(uint64(profile.Stream(first, n))+uint64(after), 10)
	}
	if video {
		w.line("a=ssrc-group:FID " + number(0) + " " + number(profile.Retransmissions))
		w.line("a=ssrc-group:FEC-FR " + number(0) + " " + number(profile.Repairs))
	}
	w.line("a=ssrc:" + number(0) + " cname:" + cname)
	if video {
		w.line("a=ssrc:" + number(profile.Retransmissions) + " cname:" + cname)
		w.line("a=ssrc:" + number(profile.Repairs) + " cname:" + cname)
	}
	w.line("a=msid:" + cname + " " + track)
}

// number32 reads an SSRC.
func number32(text string) (uint32, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil
}
