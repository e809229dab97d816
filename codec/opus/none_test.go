//go:build !(cgo && opus)

package opus

import (
	"errors"
	"testing"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// A program without the codec says so, and does not crash.
func TestUnavailable(t *testing.T) {
	if Available() {
		t.Error("it says that it has one")
	}
	if _, err := NewEncoder(DefaultEncoderConfig()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("encoder: %v", err)
	}
	if _, err := NewDecoder(16000); !errors.Is(err, ErrUnavailable) {
		t.Errorf("decoder: %v", err)
	}
	var e Encoder
	var d Decoder
	_, encoded := e.Encode(make([]int16, 320), nil)
	_, decoded := d.Decode([]byte{8, 0}, nil)
	_, concealed := d.Conceal(320, nil)
	_, repaired := d.Repair([]byte{8, 0}, 320, nil)
	for name, err := range map[string]error{"encode": encoded, "decode": decoded, "conceal": concealed, "repair": repaired, "rate": e.SetRate(8 * units.Kbps), "reset": e.Reset()} {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
