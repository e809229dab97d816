package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/rivulet-rtc/rivulet/loadtest/lab"
)

// csvHeading names the columns of WriteCSV: time in seconds, rates in kbit/s,
// queues and delays in milliseconds, loss and holes in per cent. From person on
// they are those of whole calls.
var csvHeading = []string{
	"scenario", "cc", "seed", "time", "capacity", "target", "sent", "received", "other", "queue", "loss", "flows",
	"person", "down_capacity", "down_target", "down_rate", "down_voice", "down_queue",
	"up_capacity", "up_target", "up_rate", "up_voice", "up_queue", "hole", "delay", "fps", "height", "mode", "layers",
}

// flowColumns are those before a person's, what a run is called excluded.
const flowColumns = 8

// WriteCSV writes how each drawn run went, so that people can draw and count
// what they like: of flows a line for every 200 ms (RFC 8868 §3), the rates of
// several in one column, with blanks between; of whole calls a line for each
// person and 500 ms. What a run does not have is left empty.
func WriteCSV(w io.Writer, outcomes []lab.Outcome) error {
	table := csv.NewWriter(w)
	if err := table.Write(csvHeading); err != nil {
		return err
	}
	for _, o := range outcomes {
		if o.Series == nil {
			continue
		}
		for _, line := range csvLines(o.Series) {
			called := []string{o.Result.Scenario, o.Result.CC, strconv.FormatUint(o.Result.Seed, 10)}
			if err := table.Write(append(called, line...)); err != nil {
				return err
			}
		}
	}
	table.Flush()
	return table.Error()
}

// csvLines are the lines of one run, from the time on.
func csvLines(s *lab.Series) (lines [][]string) {
	for i := range s.Capacity {
		var flows []string
		for _, f := range s.Flows {
			flows = append(flows, cell(f, i))
		}
		line := []string{csvTime(s, i)}
		for _, column := range [][]float64{s.Capacity, s.Target, s.Sent, s.Rate, s.Other, s.Queue, s.Loss} {
			line = append(line, cell(column, i))
		}
		line = append(line, strings.Join(flows, " "))
		lines = append(lines, append(line, make([]string, len(csvHeading)-3-len(line))...))
	}
	for _, p := range s.People {
		for i := range p.Down.Rate {
			line := append([]string{csvTime(s, i)}, make([]string, flowColumns)...)
			line = append(line, p.Name)
			for _, d := range []lab.Direction{p.Down, p.Up} {
				for _, column := range [][]float64{d.Capacity, d.Target, d.Rate, d.Voice, d.Queue} {
					line = append(line, cell(column, i))
				}
			}
			for _, column := range [][]float64{p.Hole, p.Delay, p.FPS, p.Height} {
				line = append(line, cell(column, i))
			}
			lines = append(lines, append(line, word(p.Modes, i), word(p.Layers, i)))
		}
	}
	return lines
}

// csvTime is when a step begins.
func csvTime(s *lab.Series, i int) string {
	return strconv.FormatFloat(float64(i)*s.Step, 'f', 1, 64)
}

// cell is the value at i, empty if there is none; to no more digits than mean
// something.
func cell(values []float64, i int) string {
	if i >= len(values) {
		return ""
	}
	text := strconv.FormatFloat(values[i], 'f', 3, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// word is the word at i, empty if there is none.
func word(words []string, i int) string {
	if i >= len(words) {
		return ""
	}
	return words[i]
}
