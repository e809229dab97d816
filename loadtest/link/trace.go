package link

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// maxLine bounds one line of a trace in bytes.
const maxLine = 200

// Format is a way to write a trace down.
type Format uint8

// Formats of traces. All of them begin anew at their end.
const (
	// Mahimahi has one delivery opportunity of 1500 bytes a line, in whole
	// milliseconds that do not fall.
	Mahimahi Format = iota + 1
	// Cooked has "seconds<blank>Mbit/s" a line; the rate holds until the next.
	Cooked
	// CSV has "seconds,kbit/s" a line, after an optional heading
	// "time,kbit/s"; the rate holds until the next.
	CSV
)

// String answers the format's name.
func (f Format) String() string {
	switch f {
	case Mahimahi:
		return "mahimahi"
	case Cooked:
		return "cooked"
	case CSV:
		return "csv"
	}
	return "unknown"
}

// csvHeading is the one heading that a CSV trace may have.
const csvHeading = "time,kbit/s"

// ReadTrace reads a trace in any Format, recognised by its first line. Errors
// name the line: a trace that is empty, negative, not sorted, not text, carries
// nothing or does not end (more than ten million lines, or a week) is refused.
func ReadTrace(r io.Reader) (Capacity, Format, error) {
	t := trace{}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	for lines.Scan() {
		t.line++
		if err := t.read(lines.Bytes()); err != nil {
			return Capacity{}, t.format, fmt.Errorf("trace: line %d: %w", t.line, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return Capacity{}, t.format, fmt.Errorf("trace: line %d: longer than %d bytes, this is no trace", t.line+1, maxLine)
	} else if err != nil {
		return Capacity{}, t.format, fmt.Errorf("trace: after line %d: %w", t.line, err)
	}
	c, err := t.finish()
	if err != nil {
		return Capacity{}, t.format, fmt.Errorf("trace: line %d: %w", max(1, t.line), err)
	}
	return c, t.format, nil
}

// trace is one that is being read.
type trace struct {
	format  Format
	line    int
	chances []uint32
	steps   []Step
}

func (t *trace) read(line []byte) error {
	for _, b := range line {
		if b < ' ' && b != '\t' && b != '\r' || b == 0x7f {
			return fmt.Errorf("byte 0x%02x is not text", b)
		}
	}
	if !utf8.Valid(line) {
		return errors.New("not text")
	}
	text := string(bytes.TrimSpace(line))
	if text == "" {
		return errors.New("empty")
	}
	if t.line == 1 && strings.EqualFold(text, csvHeading) {
		t.format = CSV
		return nil
	}
	fields := strings.Fields(text)
	if strings.Contains(text, ",") {
		fields = strings.Split(text, ",")
	}
	if t.format == 0 {
		t.format = recognise(text, fields)
	}
	if len(t.chances) >= maxPoints || len(t.steps) >= maxPoints {
		return fmt.Errorf("more than %d points: this trace does not end", maxPoints)
	}
	switch {
	case t.format == Mahimahi && len(fields) == 1:
		return t.readChance(fields[0])
	case t.format == Cooked && len(fields) == 2 && !strings.Contains(text, ","):
		return t.readStep(fields, units.Mbps)
	case t.format == CSV && len(fields) == 2:
		return t.readStep(fields, units.Kbps)
	}
	return fmt.Errorf("%q is not a line of a %v trace", text, t.format)
}

// recognise tells formats apart by the first line.
func recognise(text string, fields []string) Format {
	switch {
	case strings.Contains(text, ","):
		return CSV
	case len(fields) == 1:
		return Mahimahi
	}
	return Cooked
}

func (t *trace) readChance(text string) error {
	ms, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a whole number of milliseconds", text)
	case ms < 0:
		return fmt.Errorf("%d ms is negative", ms)
	case ms > maxTime.Milliseconds():
		return fmt.Errorf("%d ms is more than %v", ms, maxTime)
	}
	if n := len(t.chances); n > 0 && uint32(ms) < t.chances[n-1] {
		return fmt.Errorf("%d ms comes after %d ms: not sorted", ms, t.chances[n-1])
	}
	t.chances = append(t.chances, uint32(ms))
	return nil
}

func (t *trace) readStep(fields []string, unit units.Rate) error {
	at, err := number(fields[0])
	if err != nil {
		return fmt.Errorf("time: %w", err)
	}
	rate, err := number(fields[1])
	if err != nil {
		return fmt.Errorf("rate: %w", err)
	}
	if at > maxTime.Seconds() {
		return fmt.Errorf("time: %v s is more than %v", at, maxTime)
	}
	if rate*float64(unit) > float64(maxRate) {
		return fmt.Errorf("rate: more than %v", maxRate)
	}
	s := Step{time.Duration(math.Round(at * 1e9)), units.Rate(math.Round(rate * float64(unit)))}
	switch n := len(t.steps); {
	case n == 0 && s.At != 0:
		return fmt.Errorf("the trace begins at %v s, not at 0", at)
	case n > 0 && s.At <= t.steps[n-1].At:
		return fmt.Errorf("%v s does not come after %v s: not sorted", at, t.steps[n-1].At.Seconds())
	}
	t.steps = append(t.steps, s)
	return nil
}

// number reads a decimal number that is not negative and not absurd.
func number(text string) (float64, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	switch {
	case err != nil || math.IsNaN(f) || math.IsInf(f, 0):
		return 0, fmt.Errorf("%q is not a number", text)
	case f < 0:
		return 0, fmt.Errorf("%v is negative", f)
	}
	return f, nil
}

// finish makes a capacity of what was read.
func (t *trace) finish() (Capacity, error) {
	switch {
	case len(t.chances) > 0:
		last := time.Duration(t.chances[len(t.chances)-1]) * time.Millisecond
		if last == 0 {
			return Capacity{}, errors.New("the trace lasts no time")
		}
		return Capacity{chances: t.chances, period: last}, nil
	case len(t.steps) > 1:
		// The last rate holds as long as the one before it.
		last := t.steps[len(t.steps)-1].At
		return Steps(2*last-t.steps[len(t.steps)-2].At, t.steps...)
	case len(t.steps) == 1:
		return Steps(time.Second, t.steps...)
	}
	return Capacity{}, errors.New("the trace is empty")
}
