package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// csvHeading names the columns of WriteCSV: time in seconds, rates in kbit/s,
// the queue in milliseconds, loss in per cent of the packets sent.
var csvHeading = []string{"scenario", "cc", "seed", "time", "capacity", "target", "sent", "received", "other", "queue", "loss", "flows"}

// WriteCSV writes how each drawn run went, a line for every 200 ms (RFC 8868
// §3), so that people can draw and count what they like. What a run does not
// have is left empty; the rates of several flows stand in one column, with
// blanks between.
func WriteCSV(w io.Writer, outcomes []lab.Outcome) error {
	table := csv.NewWriter(w)
	if err := table.Write(csvHeading); err != nil {
		return err
	}
	for _, o := range outcomes {
		s := o.Series
		if s == nil {
			continue
		}
		for i := range s.Capacity {
			flows := ""
			for n, f := range s.Flows {
				if n > 0 {
					flows += " "
				}
				flows += cell(f, i)
			}
			at := strconv.FormatFloat(float64(i)*s.Step, 'f', 1, 64)
			if err := table.Write([]string{
				o.Result.Scenario, o.Result.CC, strconv.FormatUint(o.Result.Seed, 10), at,
				cell(s.Capacity, i), cell(s.Target, i), cell(s.Sent, i), cell(s.Rate, i), cell(s.Other, i), cell(s.Queue, i), cell(s.Loss, i), flows,
			}); err != nil {
				return err
			}
		}
	}
	table.Flush()
	return table.Error()
}

// cell is the value at i, empty if there is none.
func cell(values []float64, i int) string {
	if i >= len(values) {
		return ""
	}
	return strconv.FormatFloat(values[i], 'f', -1, 64)
}
