package report

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

func TestCSVHasALineForEachStep(t *testing.T) {
	one, two, undrawn := outcome("a, b", 1, 98, 40), outcome("c", 1, 97, 60), outcome("c", 2, 97, 60)
	one.Series.Sent, one.Series.Flows = []float64{1.5, 2}, [][]float64{{1, 0.5}, {0, 0.5}}
	undrawn.Series = nil
	var b bytes.Buffer
	if err := WriteCSV(&b, []lab.Outcome{one, two, undrawn}); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	none := make([]string, 17) // of calls
	want := [][]string{
		csvHeading,
		append([]string{"a, b", "rivulet", "1", "0.0", "1", "1", "1.5", "1", "", "0", "0", "1 0"}, none...),
		append([]string{"a, b", "rivulet", "1", "0.2", "2", "1", "2", "1", "", "5", "0", "0.5 0.5"}, none...),
		append([]string{"c", "rivulet", "1", "0.0", "1", "1", "", "1", "", "0", "0", ""}, none...),
		append([]string{"c", "rivulet", "1", "0.2", "2", "1", "", "1", "", "5", "0", ""}, none...),
	}
	if !slices.EqualFunc(lines, want, slices.Equal) {
		t.Errorf("written:\n%q\nwant:\n%q", lines, want)
	}
}

// TestCSVOfACall: a line for each person and step, with what the person's links
// carried and what was heard and seen.
func TestCSVOfACall(t *testing.T) {
	o := outcome("voice-x", 3, 0, 0)
	o.Series = &lab.Series{Step: 0.5, People: []lab.PersonSeries{
		{
			Name: "ann", Hole: []float64{0, 12.5}, Delay: []float64{210.12345, 220}, FPS: []float64{15, 14}, Height: []float64{180, 360},
			Down:  lab.Direction{Capacity: []float64{50, 50}, Target: []float64{48, 47}, Rate: []float64{40, 41}, Voice: []float64{20, 21}, Queue: []float64{9, 8}},
			Up:    lab.Direction{Target: []float64{18, 17}, Rate: []float64{10, 11}, Voice: []float64{5, 6}, Queue: []float64{1, 2}},
			Modes: []string{"plain", "thin"}, Layers: []string{"q", "h"},
		},
		{Name: "bob", Down: lab.Direction{Rate: []float64{3, 4}}, Up: lab.Direction{Rate: []float64{5, 6}}},
	}}
	var b bytes.Buffer
	if err := WriteCSV(&b, []lab.Outcome{o}); err != nil {
		t.Fatal(err)
	}
	want := strings.Join(csvHeading, ",") + `
voice-x,rivulet,3,0.0,,,,,,,,,ann,50,48,40,20,9,,18,10,5,1,0,210.123,15,180,plain,q
voice-x,rivulet,3,0.5,,,,,,,,,ann,50,47,41,21,8,,17,11,6,2,12.5,220,14,360,thin,h
voice-x,rivulet,3,0.0,,,,,,,,,bob,,,3,,,,,5,,,,,,,,
voice-x,rivulet,3,0.5,,,,,,,,,bob,,,4,,,,,6,,,,,,,,
`
	if b.String() != want {
		t.Errorf("written:\n%s\nwant:\n%s", b.String(), want)
	}
}
