package svctest

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/codec"
)

// What the model writes is what package codec reads.
func TestReadBack(t *testing.T) {
	for _, mode := range []Mode{{1, 1, false}, {1, 2, false}, {1, 3, false}, {2, 1, false}, {2, 3, true}, {3, 3, false}, {3, 3, true}} {
		e := New(mode, 65530)
		var d codec.Descriptors
		var active uint32
		for picture := range 40 {
			if picture == 11 {
				e.Active = 1
			}
			if picture == 22 {
				e.Active = mode.Spatials
			}
			for _, f := range e.Next(picture == 30) {
				p, spatial, temporal, ok := d.Read(f.Descriptor(true, true), true)
				if !ok || !p.Known() {
					t.Fatalf("%v picture %d: read %v, known %v", mode, picture, ok, p.Known())
				}
				if int(spatial) != f.Spatial || int(temporal) != f.Temporal || p.Number != f.Number || len(p.References()) != len(f.References) {
					t.Fatalf("%v picture %d: %d %d %d, want %+v", mode, picture, spatial, temporal, p.Number, f)
				}
				for i, r := range f.References {
					if p.References()[i] != f.Number-r.Number {
						t.Fatalf("%v picture %d: references %v", mode, picture, p.References())
					}
				}
				for i, target := range p.Structure.Targets() {
					if needed := f.Needed>>(3*target.Spatial+target.Temporal)&1 != 0; needed != (p.Indication(i) != codec.NotPresent) {
						t.Fatalf("%v picture %d: target %+v is indicated as %d, needed %v", mode, picture, target, p.Indication(i), needed)
					}
				}
				active = p.Active
				info, ok := codec.Inspect(codec.VP9, f.VP9(true, true, 5), nil, true)
				if !ok || int(info.Spatial) != f.Spatial || int(info.Temporal) != f.Temporal || info.Keyframe != f.Key || !info.Flexible {
					t.Fatalf("%v picture %d as VP9: %v %+v", mode, picture, ok, info)
				}
			}
			if want := uint32(1)<<(e.was*mode.Temporals) - 1; active != want {
				t.Fatalf("%v picture %d: targets %b, want %b", mode, picture, active, want)
			}
		}
	}
}
