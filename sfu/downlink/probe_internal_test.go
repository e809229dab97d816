package downlink

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/bwe"
)

// A train may grow by its first packet after it was begun (bwe.Probe): what is
// left of it does too, once, and another probe's size is nobody's.
func TestProbeGrows(t *testing.T) {
	p := probe{id: 7, asked: 800, left: 800}
	p.spend(1200)
	if p.active() {
		t.Fatal("goes on without having grown")
	}
	p.extend(bwe.Probe{ID: 7, Size: 2000})
	p.extend(bwe.Probe{ID: 7, Size: 2000})
	if p.left != 800 {
		t.Errorf("%v are left of 2000 bytes after 1200", p.left)
	}
	p.extend(bwe.Probe{ID: 8, Size: 9000})
	p.extend(bwe.Probe{})
	if p.left != 800 {
		t.Errorf("%v are left after a word of another probe", p.left)
	}
}
