package voice

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

func shape(payload units.Rate) Shape {
	return Shape{Payload: payload, Published: 20 * ms, Overhead: 50}
}

// The wire rates that were measured with 50 bytes a packet, in kbit/s.
func TestRates(t *testing.T) {
	for _, c := range []struct {
		payload units.Rate
		packet  time.Duration
		want    float64
	}{
		{6_000, 0, 26.0}, {6_000, 40 * ms, 16.0}, {6_000, 60 * ms, 12.7}, {6_000, 120 * ms, 9.3},
		{12_000, 0, 32.0}, {12_000, 60 * ms, 18.7}, {12_000, 120 * ms, 15.3},
		{24_000, 0, 44.0}, {24_000, 60 * ms, 30.7}, {24_000, 120 * ms, 27.3},
	} {
		got := float64(Mode{Packet: c.packet}.Rate(shape(c.payload))) / 1000
		if got < c.want-0.1 || got > c.want+0.4 { // the sizes of merged frames come to it
			t.Errorf("%v in packets of %v cost %.1f kbit/s, want %.1f", c.payload, c.packet, got, c.want)
		}
	}
	if got := (Mode{60 * ms, 1}).Rate(shape(12_000)); got < 31_300 || got > 32_100 {
		t.Errorf("12 kbit/s in packets of 60 ms with a copy cost %v", got)
	}
}

func modes(c Conditions) (all []string) {
	for _, s := range AppendLadder(nil, c) {
		all = append(all, s.Mode.String())
	}
	return all
}

func TestLadder(t *testing.T) {
	for _, c := range []struct {
		name string
		c    Conditions
		want []string
	}{
		{"no loss", Conditions{Shape: shape(12_000), Redundant: true}, []string{"120ms", "60ms", "40ms", "published"}},
		{"no RED", Conditions{Shape: shape(12_000), Loss: 0.2}, []string{"120ms", "60ms", "40ms", "published"}},
		{"2 %", Conditions{Shape: shape(12_000), Loss: 0.02, Redundant: true}, []string{"120ms", "60ms", "40ms", "60ms+1", "40ms+1"}},
		{"20 %", Conditions{Shape: shape(12_000), Loss: 0.2, Redundant: true}, []string{"120ms", "60ms", "40ms", "120ms+1", "60ms+1", "40ms+1"}},
		{"20 %, asked again", Conditions{Shape: shape(12_000), Loss: 0.2, Redundant: true, Repair: true}, []string{"120ms", "60ms", "40ms", "120ms+1", "60ms+1", "40ms+1"}},
		{"a thin voice at 20 %", Conditions{Shape: shape(6_000), Loss: 0.2, Redundant: true}, []string{"120ms", "60ms", "120ms+1", "60ms+1", "40ms+1", "60ms+2", "40ms+2", "published+2"}},
		{"published in 60 ms", Conditions{Shape: Shape{Payload: 12_000, Published: 60 * ms, Overhead: 50}}, []string{"120ms", "published"}},
		{"encrypted", Conditions{Shape: shape(12_000), Loss: 0.2, Redundant: true, Opaque: true}, []string{"published"}},
	} {
		if diff := cmp.Diff(c.want, modes(c.c)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// A ladder rises in rate and falls in impairment, and costs no more than its
// best step where nothing is lost: the publisher's own packets.
func TestLadderRises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Conditions{
			Shape: Shape{
				Payload:   units.Rate(rapid.IntRange(0, 200_000).Draw(t, "payload")),
				Published: time.Duration(rapid.SampledFrom([]int{0, 3, 10, 20, 40, 60, 120}).Draw(t, "published")) * ms,
				Overhead:  units.Size(rapid.IntRange(0, 200).Draw(t, "overhead")),
			},
			Loss:   rapid.Float64Range(0, 1).Draw(t, "loss"),
			Repair: rapid.Bool().Draw(t, "repair"), Redundant: rapid.Bool().Draw(t, "RED"),
		}
		steps := AppendLadder(make([]Step, 0, MaxSteps), c)
		if len(steps) == 0 || len(steps) > MaxSteps {
			t.Fatalf("%d steps", len(steps))
		}
		for i := 1; i < len(steps); i++ {
			if a, b := steps[i-1], steps[i]; b.Rate <= a.Rate || b.Impairment >= a.Impairment {
				t.Fatalf("%+v follows %+v", b, a)
			}
		}
		c.Loss = 0
		steps = AppendLadder(steps, c)
		if last := steps[len(steps)-1]; last.Mode != (Mode{}) && last.Rate > (Mode{}).Rate(c.Shape) {
			t.Fatalf("without loss the best is %v at %v", last.Mode, last.Rate)
		}
	})
}

// A source that follows its room fits.
func TestRoom(t *testing.T) {
	for _, share := range []units.Rate{12_000, 20_000, 35_000, 50_000} {
		for _, c := range []Conditions{{Redundant: true}, {Redundant: true, Loss: 0.1}, {Opaque: true}} {
			c.Shape = Shape{Overhead: 74}
			room := c.Room(share)
			if room == 0 {
				t.Errorf("no bound on %v", share)
			}
			if room < 6_000 { // thinner than there is
				continue
			}
			c.Payload = room
			if steps := AppendLadder(nil, c); steps[0].Rate > share {
				t.Errorf("%v has room for %v, which costs %v", share, room, steps[0].Rate)
			}
		}
	}
	if room := (Conditions{Shape: shape(0)}).Room(units.Mbps); room != 0 {
		t.Errorf("1 Mbit/s has room for %v only", room)
	}
	for loss, want := range map[float64]units.Rate{0.05: 12_000, 0.2: 8_000} { // once and twice more
		room := Conditions{Shape: Shape{Overhead: 74}, Redundant: true, Loss: loss}.Room(units.Mbps)
		if room < want || room > want*3/2 {
			t.Errorf("with a loss of %v there is room for %v, want %v and more", loss, room, want)
		}
	}
}
