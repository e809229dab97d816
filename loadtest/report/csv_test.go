package report

import (
	"bytes"
	"encoding/csv"
	"slices"
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
	want := [][]string{
		csvHeading,
		{"a, b", "rivulet", "1", "0.0", "1", "1", "1.5", "1", "", "0", "0", "1 0"},
		{"a, b", "rivulet", "1", "0.2", "2", "1", "2", "1", "", "5", "0", "0.5 0.5"},
		{"c", "rivulet", "1", "0.0", "1", "1", "", "1", "", "0", "0", ""},
		{"c", "rivulet", "1", "0.2", "2", "1", "", "1", "", "5", "0", ""},
	}
	if !slices.EqualFunc(lines, want, slices.Equal) {
		t.Errorf("written:\n%q\nwant:\n%q", lines, want)
	}
}
