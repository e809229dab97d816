package fec

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/pion/rtp"
	"pgregory.net/rapid"
)

const ssrc = 0x12345678

// nearWrap is a number shortly before the wrap of sequence numbers.
var nearWrap uint16 = 65530

// draw makes one RTP packet.
func draw(t *rapid.T, sequence uint16) []byte {
	h := rtp.Header{
		Version: 2, Marker: rapid.Bool().Draw(t, "marker"), PayloadType: uint8(rapid.IntRange(0, 127).Draw(t, "type")),
		SequenceNumber: sequence, Timestamp: rapid.Uint32().Draw(t, "timestamp"), SSRC: ssrc,
	}
	if rapid.Bool().Draw(t, "source") {
		h.CSRC = []uint32{rapid.Uint32().Draw(t, "csrc")}
	}
	if rapid.Bool().Draw(t, "extension") {
		if err := h.SetExtension(5, []byte{0, 0}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := h.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append(b, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "payload")...)
}

func add(e *Encoder, b []byte) bool {
	cut := min(len(b), Fixed+4)
	return e.Add(&Packet{
		First: b[0], Second: b[1], Sequence: binary.BigEndian.Uint16(b[2:]), Timestamp: binary.BigEndian.Uint32(b[4:]),
		Extension: b[Fixed:cut], Payload: b[cut:],
	})
}

// Any one packet of a group that is lost comes back as it was, wherever in the
// group and whenever the repair packet comes; two do not, and then nothing does.
func TestRecover(t *testing.T) {
	t.Run("FlexFEC", func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { recoverAll(t, flex) }) })
	t.Run("ULPFEC", func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { recoverAll(t, ulp) }) })
}

// form is one of the two that repair packets have.
type form struct {
	size    func(*Encoder) int
	payload func(*Encoder) []byte
	protect func(*Decoder, []byte)
}

var (
	flex = form{(*Encoder).Size, func(e *Encoder) []byte { return e.Append(nil, ssrc) }, (*Decoder).Protect}
	ulp  = form{(*Encoder).SizeULP, func(e *Encoder) []byte { return e.AppendULP(nil) }, (*Decoder).ProtectULP}
)

func recoverAll(t *rapid.T, f form) {
	var e Encoder
	d := NewDecoder(ssrc)
	sequence := rapid.Uint16().Draw(t, "first")
	for range rapid.IntRange(1, 10).Draw(t, "groups") {
		var group [][]byte
		for range rapid.IntRange(1, 8).Draw(t, "packets") {
			sequence += uint16(rapid.IntRange(1, 5).Draw(t, "step"))
			b := draw(t, sequence)
			if !add(&e, b) {
				t.Fatalf("packet %d does not fit", sequence)
			}
			group = append(group, b)
		}
		if e.Count() != len(group) {
			t.Fatalf("%d packets wait, want %d", e.Count(), len(group))
		}
		size := f.size(&e)
		payload := f.payload(&e)
		if len(payload) != size || e.Count() != 0 || f.size(&e) != 0 {
			t.Fatalf("%d bytes, promised %d", len(payload), size)
		}
		lost := rapid.IntRange(-1, len(group)-1).Draw(t, "lost")
		second := lost
		if rapid.IntRange(0, 3).Draw(t, "two") == 0 {
			second = rapid.IntRange(0, len(group)-1).Draw(t, "second")
		}
		early := rapid.Bool().Draw(t, "early")
		if early {
			f.protect(d, payload)
		}
		var got []byte
		look := func() {
			if b := d.Recover(); b != nil {
				if got != nil {
					t.Fatal("two packets out of one")
				}
				got = bytes.Clone(b)
			}
		}
		for i, b := range group {
			if i != lost && i != second {
				d.Add(b, 0)
				if !early || len(group) > 1 && i < len(group)-1 && lost > i {
					continue
				}
				look()
			}
		}
		if !early {
			f.protect(d, payload)
		}
		look()
		switch {
		case lost >= 0 && second == lost:
			if !bytes.Equal(got, group[lost]) {
				t.Fatalf("got %x, want %x", got, group[lost])
			}
		case lost < 0 && second >= 0 && got != nil && !bytes.Equal(got, group[second]):
			t.Fatalf("got %x", got)
		case lost >= 0 && second != lost && got != nil:
			t.Fatalf("%x out of two losses", got)
		}
		for _, b := range group { // retransmitted meanwhile
			d.Add(b, 0)
		}
		d.Recover()
	}
}

// The mask of a group may need the long form, and a packet beyond it waits for
// the next group.
func TestSpan(t *testing.T) {
	var e Encoder
	packet := func(sequence uint16) *Packet {
		return &Packet{First: 0x80, Second: 96, Sequence: sequence, Payload: []byte{byte(sequence), 1, 2}}
	}
	for _, step := range []uint16{0, 14, 15, 45} {
		if !e.Add(packet(nearWrap + step)) {
			t.Fatalf("packet %d does not fit", step)
		}
	}
	if e.Add(packet(nearWrap+46)) || e.Fits(nearWrap-1) {
		t.Error("a packet beyond the mask fits")
	}
	if e.Add(&Packet{Payload: make([]byte, 1500)}) {
		t.Error("a packet of 1512 bytes fits")
	}
	payload := e.Append(nil, ssrc)
	var r repair
	if !r.parse(payload, ssrc) || r.mask != 1|1<<14|1<<15|1<<45 || r.base != nearWrap {
		t.Fatalf("read %+v", r)
	}
	if r.parse(payload, ssrc+1) {
		t.Error("a repair packet for another stream is taken")
	}
}

// Headers by hand (RFC 5109 §7.3 and §7.4):
// masks of 16 and of 48 packets, and headers that lie.
func TestULPHeader(t *testing.T) {
	short := []byte{0x10, 0x80 | 96, 0xff, 0xfa, 1, 2, 3, 4, 0, 3, 0, 3, 0xc0, 0x01, 7, 8, 9}
	long := []byte{0x50, 96, 0, 5, 1, 2, 3, 4, 0, 2, 0, 3, 0x80, 0, 0, 0, 0, 1, 7, 8, 9, 99}
	var r repair
	if !r.parseULP(short) || r.base != nearWrap || r.mask != 0x8003 || r.first != 0x10 || r.second != 0xe0 || r.timestamp != 0x01020304 || r.length != 3 || !bytes.Equal(r.body, []byte{7, 8, 9}) {
		t.Errorf("read %+v", r)
	}
	if !r.parseULP(long) || r.base != 5 || r.mask != 1|1<<47 || r.first != 0x10 || r.length != 2 || !bytes.Equal(r.body, []byte{7, 8, 9}) {
		t.Errorf("read %+v", r)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "a short header": short[:13], "a short long header": long[:17], "an extension": append([]byte{0x90}, short[1:]...),
		"more protected than there is": short[:16], "no mask": append(append(bytes.Clone(short[:12]), 0, 0), short[14:]...),
	} {
		if r.parseULP(b) {
			t.Errorf("%s is taken for a repair packet: %+v", name, r)
		}
	}
	var e Encoder
	for _, sequence := range []uint16{5, 20, 21, 50} {
		if !e.Add(&Packet{First: 0x80, Second: 96, Sequence: sequence, Payload: []byte{byte(sequence)}}) {
			t.Fatalf("packet %d does not fit", sequence)
		}
	}
	if b := e.AppendULP(nil); !r.parseULP(b) || r.mask != 1|1<<15|1<<16|1<<45 || b[0]&0xc0 != 0x40 {
		t.Errorf("wrote %x", b)
	}
}

// The transport-wide number, which is given last, does not matter.
func TestTransportNumber(t *testing.T) {
	one := []byte{0x90, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x51, 0, 0, 0, 7}
	two := []byte{0x90, 96, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x51, 0, 0, 0, 8, 9}
	var e Encoder
	add(&e, one)
	add(&e, two)
	d := NewDecoder(9)
	sent := bytes.Clone(two)
	sent[17], sent[18] = 0x12, 0x34
	d.Add(sent, 17)
	d.Protect(e.Append(nil, 9))
	if got := d.Recover(); !bytes.Equal(got, one) {
		t.Errorf("got %x, want %x", got, one)
	}
}

// Repair packets may be anything.
func FuzzDecoder(f *testing.F) {
	var e Encoder
	e.Add(&Packet{First: 0x80, Second: 96, Sequence: 7, Payload: []byte{1, 2, 3}})
	e.Add(&Packet{First: 0x80, Second: 96, Sequence: 9, Payload: []byte{1, 2, 3, 4}})
	f.Add(e.Append(nil, ssrc), uint16(9), 12)
	e.Add(&Packet{First: 0x80, Second: 96, Sequence: 7, Payload: []byte{1, 2, 3}})
	e.Add(&Packet{First: 0x80, Second: 96, Sequence: 40, Payload: []byte{1, 2, 3, 4}})
	f.Add(e.AppendULP(nil), uint16(39), 12)
	f.Add([]byte{0, 0, 0xff, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0, 1, 0, 1, 0x80, 0, 0, 0}, uint16(1), 0)
	f.Fuzz(func(t *testing.T, payload []byte, sequence uint16, from int) {
		d := NewDecoder(ssrc)
		b := make([]byte, Fixed+20)
		for i := range uint16(20) {
			binary.BigEndian.PutUint16(b[2:], sequence+i)
			d.Add(b, from)
			d.Protect(payload)
			d.ProtectULP(payload)
			for range waiting + 1 {
				got := d.Recover()
				if got == nil {
					break
				}
				if len(got) < Fixed || len(got) > 1500 || got[0]>>6 != 2 {
					t.Fatalf("recovered %x", got)
				}
			}
			if d.Recover() != nil {
				t.Fatal("there is no end of recovered packets")
			}
		}
	})
}

func TestAllocatesNothing(t *testing.T) {
	var e Encoder
	d := NewDecoder(ssrc)
	buffer := make([]byte, 0, 1500)
	b := make([]byte, 1000)
	sequence := uint16(0)
	if n := testing.AllocsPerRun(500, func() {
		for i := range 4 {
			sequence++
			binary.BigEndian.PutUint16(b[2:], sequence)
			add(&e, b)
			if i > 0 {
				d.Add(b, 0)
			}
		}
		if sequence%8 == 0 {
			d.ProtectULP(e.AppendULP(buffer[:0]))
		} else {
			d.Protect(e.Append(buffer[:0], ssrc))
		}
		if d.Recover() == nil {
			t.Fatal("nothing came back")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkEncoder(b *testing.B) {
	var e Encoder
	buffer := make([]byte, 0, 1500)
	packet := make([]byte, 1100)
	sequence := uint16(0)
	b.ReportAllocs()
	for b.Loop() {
		sequence++
		binary.BigEndian.PutUint16(packet[2:], sequence)
		add(&e, packet)
		if e.Count() == 4 {
			e.Append(buffer[:0], ssrc)
		}
	}
}
