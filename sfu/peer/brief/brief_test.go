package brief

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

// transport draws one.
func transport(t *rapid.T) (p Transport) {
	copy(p.Fragment[:], rapid.SliceOfN(rapid.Byte(), fragmentBytes, fragmentBytes).Draw(t, "fragment"))
	copy(p.Password[:], rapid.SliceOfN(rapid.Byte(), passwordBytes, passwordBytes).Draw(t, "password"))
	copy(p.Fingerprint[:], rapid.SliceOfN(rapid.Byte(), fingerprintBytes, fingerprintBytes).Draw(t, "fingerprint"))
	p.Streams = rapid.Uint32Range(1, 1<<31).Draw(t, "streams")
	return p
}

func offer(t *rapid.T) *Offer {
	o := &Offer{
		Transport: transport(t),
		Audio:     rapid.IntRange(0, maxSlots).Draw(t, "audio"),
		Video:     rapid.IntRange(1, maxSlots).Draw(t, "video"),
	}
	for range rapid.IntRange(0, maxSends).Draw(t, "sends") {
		s := Send{Source: Source(rapid.IntRange(0, 3).Draw(t, "source"))}
		if s.Source.Video() {
			s.Layers = rapid.SliceOfN(rapid.StringMatching(`[a-z0-9]{1,16}`), 1, maxLayers).Draw(t, "layers")
		}
		o.Sends = append(o.Sends, s)
	}
	if len(o.Sends) == 0 {
		o.Streams = 0
	}
	return o
}

func answer(t *rapid.T, o *Offer) *Answer {
	a := &Answer{Transport: transport(t)}
	for range rapid.IntRange(0, maxCandidates).Draw(t, "candidates") {
		address := netip.AddrFrom4([4]byte{192, 0, 2, rapid.Byte().Draw(t, "address")})
		if rapid.Bool().Draw(t, "six") {
			address = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: rapid.Byte().Draw(t, "address")})
		}
		a.Candidates = append(a.Candidates, Candidate{rapid.Bool().Draw(t, "tcp"), netip.AddrPortFrom(address, rapid.Uint16().Draw(t, "port"))})
	}
	if o.microphone() >= 0 && rapid.Bool().Draw(t, "asked") {
		a.Ask = &voice.Ask{
			MaxRate: units.Rate(rapid.IntRange(6000, 64_000).Draw(t, "rate")), Packet: time.Duration(rapid.IntRange(10, 120).Draw(t, "packet")) * time.Millisecond,
			DTX: rapid.Bool().Draw(t, "dtx"), FEC: rapid.Bool().Draw(t, "fec"), Redundancy: rapid.IntRange(0, 1).Draw(t, "red"),
		}
	}
	return a
}

// TestBriefFormsComeBack: what is built from bytes is read as the same bytes.
func TestBriefFormsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := offer(t)
		b := o.Append(nil)
		if len(b) > MaxSize {
			return // a description that is not sent in this form
		}
		if back, err := DecodeOffer(b); err != nil || !reflect.DeepEqual(&back, o) {
			t.Fatalf("%+v became %+v, %v", o, back, err)
		}
		if read, ok := ReadOffer(o.SDP()); ok && !reflect.DeepEqual(&read, o) {
			t.Fatalf("%+v was read as %+v", o, read)
		} else if !ok && len(o.Sends)+o.Audio+o.Video <= 80 {
			t.Fatalf("not read: %s", o.SDP())
		}
		a := answer(t, o)
		back, err := DecodeAnswer(a.Append(nil))
		if err != nil || !reflect.DeepEqual(&back, a) {
			t.Fatalf("%+v became %+v, %v", a, back, err)
		}
		read, ok := ReadAnswer(a.SDP(o), o)
		if o.Audio+o.Video == 0 {
			return // it names no stream
		}
		if !ok || !reflect.DeepEqual(&read, a) {
			t.Fatalf("%+v was read as %+v, %v", a, read, ok)
		}
	})
}

func example() (*Offer, *Answer) {
	o := &Offer{Transport: Transport{Streams: 7}, Sends: []Send{{Source: Microphone}, {Source: Camera, Layers: []string{"q", "h"}}}, Audio: 3, Video: 4}
	a := &Answer{
		Transport:  Transport{Streams: 9000},
		Candidates: []Candidate{{false, netip.MustParseAddrPort("192.0.2.1:7882")}},
		Ask:        &voice.Ask{MaxRate: 12_000, Packet: 60 * time.Millisecond, DTX: true},
	}
	return o, a
}

// TestSizes: an offer of a call takes 80 bytes or so, an answer 90.
func TestSizes(t *testing.T) {
	o, a := example()
	if up, down := len(o.Append(nil)), len(a.Append(nil)); up > 85 || down > 90 {
		t.Errorf("%d and %d bytes", up, down)
	}
}

// TestOtherDescriptionsAreNotBrief: one line that is not known, and it stays SDP.
func TestOtherDescriptionsAreNotBrief(t *testing.T) {
	o, a := example()
	offered, answered := o.SDP(), a.SDP(o)
	for name, change := range map[string][2]string{
		"a codec":         {"VP8", "VP7"},
		"a line":          {"a=sendonly\r\n", "a=sendonly\r\na=x\r\n"},
		"fewer lines":     {"a=rtcp-mux\r\n", ""},
		"a mid":           {"a=mid:1\r\n", "a=mid:9\r\n"},
		"a short ufrag":   {"a=ice-ufrag:AAAA", "a=ice-ufrag:"},
		"another hash":    {"a=fingerprint:sha-256", "a=fingerprint:sha-512"},
		"another number":  {"a=ssrc:", "a=ssrc:1"},
		"other feedback":  {"a=rtcp-fb:* ack ccfb\r\n", ""},
		"not the profile": {"SAVPF 111", "SAVPF 112"},
	} {
		if text := strings.Replace(offered, change[0], change[1], 1); text == offered {
			t.Errorf("%s changes nothing", name)
		} else if _, ok := ReadOffer(text); ok {
			t.Errorf("an offer with %s is brief", name)
		}
		if text := strings.Replace(answered, change[0], change[1], 1); text == answered {
			t.Errorf("%s changes nothing in an answer", name)
		} else if _, ok := ReadAnswer(text, o); ok {
			t.Errorf("an answer with %s is brief", name)
		}
	}
	for _, candidate := range []string{"192.0.2.1 7882 typ srflx", "name.local 7882 typ host", "fe80::1%eth0 7882 typ host", "192.0.2.1 7882 typ host generation 0"} {
		if _, ok := ReadAnswer(strings.Replace(answered, "192.0.2.1 7882 typ host", candidate, 1), o); ok {
			t.Errorf("an answer with the candidate %s is brief", candidate)
		}
	}
	if _, ok := ReadOffer("v=0"); ok {
		t.Error("nothing is an offer")
	}
}

// TestRestart: an offer of the same sections with other credentials.
func TestRestart(t *testing.T) {
	o, _ := example()
	other := *o
	other.Fragment[0], other.Streams = 9, 1234
	got, ok := o.Renewed(other.SDP())
	if !ok || got.Fragment != other.Fragment || got.Streams != o.Streams || len(got.Sends) != 2 {
		t.Errorf("%+v, %v", got, ok)
	}
	if _, ok := o.Renewed("v=0"); ok {
		t.Error("renewed by nothing")
	}
}

func TestBadForms(t *testing.T) {
	o, a := example()
	up, down := o.Append(nil), a.Append(nil)
	change := func(b []byte, at int, to byte) []byte {
		b = append([]byte(nil), b...)
		b[at] = to
		return b
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "cut off": up[:len(up)-1], "more": append(up[:len(up):len(up)], 0), "too long": make([]byte, MaxSize+1),
		"many sends": change(up, 0, 9), "many slots": change(up, 1, 33), "many pictures": change(up, 2, 255),
		"a voice with layers": change(up, 3, 4), "five layers": change(up, 4, 1|5<<2), "an empty name": change(up, 5, 0), "a long name": change(up, 5, 200), "a bad name": change(up, 6, '\n'),
		"numbers that run over": change(up, len(up)-4, 255),
	} {
		if name == "numbers that run over" {
			b[len(b)-3], b[len(b)-2] = 255, 255
		}
		if got, err := DecodeOffer(b); !errors.Is(err, ErrDescription) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, err := DecodeOffer(append(make([]byte, 3), up[len(up)-72:]...)); !errors.Is(err, ErrDescription) {
		t.Error("an offer without sections")
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "cut off": down[:len(down)-1], "more": append(down[:len(down):len(down)], 0),
		"an unknown bit": change(down, 0, 0x31), "an unknown kind": change(down, 1, 4), "a rate beyond sense": change(down, 8, 255), "an unknown wish": change(down, 13, 8),
	} {
		if got, err := DecodeAnswer(b); !errors.Is(err, ErrDescription) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// FuzzDecodeOffer: what is taken comes back, and is an offer that can be read.
func FuzzDecodeOffer(f *testing.F) {
	o, _ := example()
	f.Add(o.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := DecodeOffer(b)
		if err != nil {
			return
		}
		if again := o.Append(nil); string(again) != string(b) {
			t.Fatalf("%x became %x", b, again)
		}
		if _, err := profile.Read(o.SDP()); err != nil && len(o.Sends)+o.Audio+o.Video <= 80 {
			t.Fatal(err)
		}
	})
}

// FuzzDecodeAnswer: the same of answers.
func FuzzDecodeAnswer(f *testing.F) {
	o, a := example()
	f.Add(a.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := DecodeAnswer(b)
		if err != nil {
			return
		}
		if again := a.Append(nil); string(again) != string(b) {
			t.Fatalf("%x became %x", b, again)
		}
		if _, err := profile.Read(a.SDP(o)); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzRead: whatever text comes, it is read only if it can be built anew.
func FuzzRead(f *testing.F) {
	o, a := example()
	f.Add(o.SDP())
	f.Add(a.SDP(o))
	f.Fuzz(func(t *testing.T, text string) {
		if read, ok := ReadOffer(text); ok && !alike(read.SDP(), text) {
			t.Fatalf("%q was read as %q", text, read.SDP())
		}
		if read, ok := ReadAnswer(text, o); ok && !alike(read.SDP(o), text) {
			t.Fatalf("%q was read as %q", text, read.SDP(o))
		}
	})
}
