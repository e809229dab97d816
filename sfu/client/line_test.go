package client

import (
	"testing"
	"time"
)

// A handshake that had to begin again tells no round trip.
func TestTripOfAHandshake(t *testing.T) {
	for _, c := range []struct {
		took   time.Duration
		secure bool
		want   time.Duration
	}{
		{20 * time.Millisecond, false, 20 * time.Millisecond},
		{1330 * time.Millisecond, false, 1330 * time.Millisecond},
		{2700 * time.Millisecond, true, 1350 * time.Millisecond},
		{3010 * time.Millisecond, false, unknownTrip}, // begun at 0, 1 and 3 s
		{7020 * time.Millisecond, false, unknownTrip},
		{7040 * time.Millisecond, true, unknownTrip},
	} {
		if got := tripOf(c.took, c.secure); got != c.want {
			t.Errorf("a connection after %v, secure %v, is taken for a round trip of %v, want %v", c.took, c.secure, got, c.want)
		}
	}
	if got := flightWait(unknownTrip); got != usualFlightWait {
		t.Errorf("where nothing is known a flight is waited for %v", got)
	}
}
