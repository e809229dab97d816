package codec

import (
	"encoding/hex"
	"slices"
	"testing"
)

// The first packet of a stream of mode L3T3 as Chromium 156 sent it: 720p, VP9
// and AV1 alike.
const l3t3 = "81001080081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e082b04a0941b820ac1282503157f974000ca864330e222222eca8655304224230eca87753013f00b3027f016704ff02cf"

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestStructure: A.8.2, template_dependency_structure().
func TestStructure(t *testing.T) {
	var d Descriptors
	p, spatial, temporal, ok := d.Read(unhex(t, l3t3), true)
	if !ok || !p.Known() || spatial != 0 || temporal != 0 {
		t.Fatalf("read: %v, known %v, layer %d %d", ok, p.Known(), spatial, temporal)
	}
	s := p.Structure
	if s.Spatials() != 3 || s.Chains() != 3 || len(s.Targets()) != 9 {
		t.Fatalf("%d spatial layers, %d chains, %d targets; want 3, 3, 9", s.Spatials(), s.Chains(), len(s.Targets()))
	}
	for i, target := range s.Targets() {
		if want := (Target{Spatial: uint8(i / 3), Temporal: uint8(i % 3), Chain: uint8(i / 3)}); target != want {
			t.Errorf("target %d is %+v, want %+v", i, target, want)
		}
	}
	for i, want := range []Size{{320, 180}, {640, 360}, {1280, 720}, {}} {
		if got := s.SizeOf(uint8(i)); got != want {
			t.Errorf("layer %d is %v, want %v", i, got, want)
		}
	}
	if p.Number != 0x10 || len(p.References()) != 0 || p.Active != 0x1ff {
		t.Errorf("the key frame is %d, has references %v, targets %b", p.Number, p.References(), p.Active)
	}
	for target := range 9 {
		if got := p.Indication(target); got != SwitchPoint {
			t.Errorf("a key frame is %d to target %d, want a switch point", got, target)
		}
	}
}

// The rest of that picture and the two following ones.
func TestPlacement(t *testing.T) {
	var d Descriptors
	d.Read(unhex(t, l3t3), true)
	for _, c := range []struct {
		descriptor        string
		spatial, temporal uint8
		references        []uint16
		highest           Indication // to the highest target
		chain             uint8      // distance to the last frame of the highest chain
	}{
		{"860011", 1, 0, []uint16{1}, SwitchPoint, 1},
		{"8b0012", 2, 0, []uint16{1}, SwitchPoint, 1},
		{"c30013", 0, 2, []uint16{3}, Required, 1},
		{"c80014", 1, 2, []uint16{3, 1}, Required, 2},
		{"8d0015", 2, 2, []uint16{3, 1}, DiscardOnly, 3},
		{"c20016", 0, 1, []uint16{6}, Required, 4},
	} {
		p, spatial, temporal, ok := d.Read(unhex(t, c.descriptor), true)
		if !ok || !p.Known() {
			t.Fatalf("%s: ok %v, known %v", c.descriptor, ok, p.Known())
		}
		if spatial != c.spatial || temporal != c.temporal || !slices.Equal(p.References(), c.references) ||
			p.Indication(8) != c.highest || p.ChainDistance(2) != c.chain {
			t.Errorf("%s: layer %d %d, references %v, indication %d, chain %d; want %+v",
				c.descriptor, spatial, temporal, p.References(), p.Indication(8), p.ChainDistance(2), c)
		}
	}
}

// A frame's own references, indications and chains come before the template's.
func TestCustomFields(t *testing.T) {
	var d Descriptors
	d.Read(unhex(t, l3t3), true)
	b := make([]byte, 32)
	w := bitWriter{bytes: b}
	w.write(0b11<<6|1, 8)
	w.write(0x1234, 16)
	w.write(0b01111, 5)
	w.write(0b000000111, 9) // active
	for range 9 {
		w.write(uint32(DiscardOnly), 2)
	}
	w.write(1, 2)
	w.write(6, 4)
	w.write(3, 2)
	w.write(4095, 12)
	w.write(0, 2)
	for _, c := range []uint32{0, 5, 255} {
		w.write(c, 8)
	}
	p, _, _, ok := d.Read(b, true)
	if !ok || p.Active != 7 || p.Indication(8) != DiscardOnly || !slices.Equal(p.References(), []uint16{7, 4096}) ||
		p.ChainDistance(0) != 0 || p.ChainDistance(1) != 5 || p.ChainDistance(2) != 255 || p.ChainDistance(200) != 0 {
		t.Fatalf("ok %v: %+v", ok, p)
	}
	if next, _, _, _ := d.Read(unhex(t, "c21235"), true); next.Active != 7 {
		t.Errorf("targets %b after a mask of 111", next.Active)
	}
	// An older packet that comes late takes nothing back.
	if late, _, _, _ := d.Read(unhex(t, "c21233"), false); late.Active != 7 {
		t.Errorf("targets %b", late.Active)
	}
}

// Descriptors that lie, or are cut off, are refused or say that nothing is known.
func TestBadDescriptors(t *testing.T) {
	whole := unhex(t, l3t3)
	for n := range whole {
		var d Descriptors
		if p, _, _, ok := d.Read(whole[:n], true); ok && p.Known() {
			t.Errorf("the first %d bytes are enough", n)
		}
	}
	many := make([]byte, 200) // next_layer_idc 0 for ever: more templates than ids
	many[3] = 0x80
	deep := make([]byte, 200) // next_layer_idc 2 for ever: a hundred spatial layers
	copy(deep[3:], []byte{0x80, 0x00})
	for i := 5; i < len(deep); i++ {
		deep[i] = 0xaa
	}
	high := make([]byte, 200) // next_layer_idc 1 for ever
	copy(high[3:], []byte{0x80, 0x00})
	for i := 5; i < len(high); i++ {
		high[i] = 0x55
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "two bytes": {1, 2}, "too long": make([]byte, 256),
		"no end of templates": many, "a hundred spatial layers": deep, "a hundred temporal layers": high,
	} {
		var d Descriptors
		if _, _, _, ok := d.Read(b, true); ok {
			t.Errorf("%s is accepted", name)
		}
	}
	var d Descriptors
	d.Read(whole, true)
	if p, _, _, ok := d.Read(unhex(t, "ff0011"), true); !ok || p.Known() {
		t.Error("a template that does not exist is believed")
	}
	// Nine references are more than any codec keeps pictures.
	nine := make([]byte, 32)
	w := bitWriter{bytes: nine}
	w.write(0xc1, 8)
	w.write(0x11, 16)
	w.write(0b00010, 5)
	for range 9 {
		w.write(1, 2)
		w.write(0, 4)
	}
	if _, _, _, ok := d.Read(nine, true); ok {
		t.Error("nine references are accepted")
	}
}

// PatchDescriptor changes the number and the targets, and nothing else.
func TestPatchDescriptor(t *testing.T) {
	var d Descriptors
	first, _, _, _ := d.Read(unhex(t, l3t3), true)
	buffer := make([]byte, 0, maxDescriptor)
	for _, in := range []string{l3t3, "c30013", "c20013", "8d00134070", "860013" + "50" + "2aaaa800"} {
		b := unhex(t, in)
		if in != l3t3 && len(b) > 4 { // these have own fields
			b = append(b, make([]byte, 8)...)
		}
		var before Descriptors
		before.Read(unhex(t, l3t3), true)
		want, s, tl, ok := before.Read(b, true)
		if !ok {
			t.Fatalf("%s is bad itself", in)
		}
		for _, active := range []uint32{0, 0b000000111, 0x1ff} {
			got := PatchDescriptor(buffer, b, 0xbeef, active, first.Structure)
			if got == nil {
				t.Fatalf("%s: no descriptor for targets %b", in, active)
			}
			var after Descriptors
			if in != l3t3 {
				after.Read(unhex(t, l3t3), true)
			}
			p, s2, t2, ok := after.Read(got, true)
			if !ok || s != s2 || tl != t2 || p.Number != 0xbeef || p.references != want.references || p.distances != want.distances ||
				p.indications != want.indications || p.chains != want.chains {
				t.Errorf("%s became %x: %+v, want %+v", in, got, p, want)
			}
			if active != 0 && p.Active != active || active == 0 && p.Active != want.Active {
				t.Errorf("%s: targets %b, want %b", in, p.Active, active)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { PatchDescriptor(buffer, unhexed, 7, 7, first.Structure) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var unhexed = []byte{0xc3, 0x00, 0x13}

func TestDescriptorsAllocateNothing(t *testing.T) {
	var d Descriptors
	key, delta := unhex(t, l3t3), unhex(t, "c30013")
	d.Read(key, true)
	if n := testing.AllocsPerRun(100, func() {
		d.Read(key, true)
		d.Read(delta, true)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDescriptor(f *testing.F) {
	key := unhex(f, l3t3)
	f.Add(key, []byte{0xc3, 0x00, 0x13}, uint16(9), uint32(7))
	f.Add(key, []byte{0xc3, 0x00, 0x13, 0x78, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00}, uint16(9), uint32(7))
	f.Fuzz(func(t *testing.T, first, second []byte, number uint16, active uint32) {
		var d Descriptors
		for _, b := range [][]byte{first, second, first} {
			p, spatial, temporal, ok := d.Read(b, true)
			if !ok {
				continue
			}
			if spatial >= maxSpatial || temporal >= maxTemporal || len(p.References()) > MaxReferences {
				t.Fatalf("impossible: layer %d %d, %d references", spatial, temporal, len(p.References()))
			}
			if !p.Known() {
				continue
			}
			active &= uint32(uint64(1)<<len(p.Structure.targets) - 1)
			got := PatchDescriptor(nil, b, number, active, p.Structure)
			if got == nil {
				continue
			}
			again := Descriptors{structure: d.structure, active: d.active}
			q, _, _, ok := again.Read(got, true)
			if !ok || q.Number != number || q.references != p.references || q.indications != p.indications || q.chains != p.chains ||
				active != 0 && q.Active != active {
				t.Fatalf("%x became %x: %+v, was %+v", b, got, q, p)
			}
		}
	})
}

func BenchmarkDescriptor(b *testing.B) {
	var d Descriptors
	d.Read(unhex(b, l3t3), true)
	buffer := make([]byte, 0, maxDescriptor)
	b.ReportAllocs()
	for b.Loop() {
		p, _, _, ok := d.Read(unhexed, true)
		if !ok || PatchDescriptor(buffer, unhexed, 7, 7, p.Structure) == nil {
			b.Fatal("refused")
		}
	}
}
