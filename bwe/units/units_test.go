package units_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

func TestArithmetic(t *testing.T) {
	if got := (8 * units.Kbps).In(250 * time.Millisecond); got != 250 {
		t.Errorf("8 kbit/s carry %d bytes in 250 ms, want 250", got)
	}
	if got := units.Size(1200).At(50 * units.Kbps); got != 192*time.Millisecond {
		t.Errorf("1200 bytes at 50 kbit/s last %v, want 192ms", got)
	}
	if got := units.Size(1250).Over(10 * time.Millisecond); got != units.Mbps {
		t.Errorf("1250 bytes in 10 ms are %v, want 1 Mbit/s", got)
	}
	if got := units.Mbps.Scale(0.85); got != 850*units.Kbps {
		t.Errorf("85 %% of 1 Mbit/s is %v", got)
	}
}

func TestSaturates(t *testing.T) {
	for name, ok := range map[string]bool{
		"no rate never ends":    units.Size(1).At(0) == math.MaxInt64,
		"nothing takes no time": units.Size(0).At(0) == 0,
		"no time, no rate":      units.Size(5).Over(0) == 0,
		"time backwards":        units.Mbps.In(-time.Second) == 0,
		"scaled below zero":     units.Mbps.Scale(-1) == 0,
		"scaled by NaN":         units.Mbps.Scale(math.NaN()) == 0,
		"scaled too far":        units.MaxRate.Scale(2) == units.MaxRate,
		"much in little":        units.Size(math.MaxInt64).Over(1) == units.MaxRate,
		"for ever":              units.MaxRate.In(math.MaxInt64) == math.MaxInt64,
	} {
		if !ok {
			t.Error(name)
		}
	}
}

func TestPrints(t *testing.T) {
	for got, want := range map[string]string{
		units.Rate(12).String():    "12 bit/s",
		units.Rate(41300).String(): "41.3 kbit/s",
		(3 * units.Mbps).String():  "3.00 Mbit/s",
		units.MaxRate.String():     "unlimited",
		units.Size(7).String():     "7 B",
		units.Size(3200).String():  "3.2 kB",
		(5 * units.MB).String():    "5.0 MB",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// In and At are each other's inverse up to rounding.
func TestInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := units.Rate(rapid.Int64Range(1000, 1e10).Draw(t, "rate"))
		s := units.Size(rapid.Int64Range(1, 1e7).Draw(t, "size"))
		if back := r.In(s.At(r)); back < s-1-s/1000000-units.Size(r/8e9) || back > s {
			t.Fatalf("%v at %v last %v, which carries %v", s, r, s.At(r), back)
		}
	})
}
