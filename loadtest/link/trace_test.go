package link

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

func TestReadTraceFormats(t *testing.T) {
	for _, c := range []struct {
		name, text string
		format     Format
		mean       units.Rate
	}{
		{"mahimahi", "0\n10\n10\n20\n", Mahimahi, 2400 * units.Kbps},
		{"cooked", "0.0\t0.5\n2.0\t1.5\n", Cooked, units.Mbps},
		{"cooked with blanks and returns", "0 0.5\r\n2 1.5\r\n", Cooked, units.Mbps},
		{"one line", "0\t0.5\n", Cooked, 500 * units.Kbps},
		{"csv", "time,kbit/s\n0,500\n2.5,1500\n", CSV, units.Mbps},
		{"csv without heading", "0,500\n2.5,1500", CSV, units.Mbps},
	} {
		got, format, err := ReadTrace(strings.NewReader(c.text))
		if err != nil || format != c.format || got.Mean() != c.mean {
			t.Errorf("%s: %v at %v, %v; want %v at %v", c.name, format, got.Mean(), err, c.format, c.mean)
		}
	}
}

// endless is a reader without an end.
type endless string

func (e endless) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		n += copy(b[n:], e)
	}
	return n, nil
}

func TestReadTraceRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		from io.Reader
		want string
	}{
		{"empty", strings.NewReader(""), "line 1: the trace is empty"},
		{"only a heading", strings.NewReader("time,kbit/s\n"), "line 1: the trace is empty"},
		{"negative time", strings.NewReader("1\n-2\n"), "line 2: -2 ms is negative"},
		{"negative rate", strings.NewReader("0\t1\n1\t-1\n"), "line 2: rate: -1 is negative"},
		{"unsorted", strings.NewReader("5\n4\n"), "line 2: 4 ms comes after 5 ms: not sorted"},
		{"unsorted steps", strings.NewReader("0\t1\n2\t1\n2\t3\n"), "line 3: 2 s does not come after 2 s: not sorted"},
		{"binary", strings.NewReader("\x00\x01\x02\x03"), "line 1: byte 0x00 is not text"},
		{"broken text", strings.NewReader("1\n\xff\xfe\n"), "line 2: not text"},
		{"a long line", endless("1"), "line 1: longer than 200 bytes"},
		{"words", strings.NewReader("hello\n"), `line 1: "hello" is not a whole number`},
		{"not a number", strings.NewReader("0,NaN\n"), `line 1: rate: "NaN" is not a number`},
		{"infinite", strings.NewReader("0,1\nInf,3\n"), `line 2: time: "Inf" is not a number`},
		{"mixed", strings.NewReader("0\t1\n5\n"), `line 2: "5" is not a line of a cooked trace`},
		{"begins late", strings.NewReader("3\t1\n"), "line 1: the trace begins at 3 s, not at 0"},
		{"absurd rate", strings.NewReader("0,1\n1,1e300\n"), "line 2: rate: more than"},
		{"absurd time", strings.NewReader("0,1\n1e12,1\n"), "line 2: time: "},
		{"no time", strings.NewReader("0\n0\n"), "line 2: the trace lasts no time"},
		{"nothing carried", strings.NewReader("0,0\n1,0\n"), "carry nothing"},
		{"blank line", strings.NewReader("1\n\n2\n"), "line 2: empty"},
	} {
		_, _, err := ReadTrace(c.from)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestEndlessTraceIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("reads twenty megabytes")
	}
	_, _, err := ReadTrace(endless("7\n"))
	if err == nil || !strings.Contains(err.Error(), "line 10000001: more than 10000000 points: this trace does not end") {
		t.Errorf("error %v", err)
	}
}

func TestOpportunities(t *testing.T) {
	c, _, err := ReadTrace(strings.NewReader("10\n10\n20\n"))
	if err != nil {
		t.Fatal(err)
	}
	l := mustNew(t, Config{Capacity: c, Queue: Queue{Delay: 10 * s}})
	for i, want := range []time.Duration{10, 10, 10, 20, 30, 30, 30, 40} {
		// 1000 bytes: three share two opportunities.
		if got := l.Offer(epoch, Packet{Size: 1000}).Arrive.Sub(epoch); got != want*ms {
			t.Errorf("packet %d arrives at %v, want %v", i, got, want*ms)
		}
	}
	// What nobody waits for is lost; the trace begins anew.
	if got := l.Offer(epoch.Add(10_005*ms), Packet{Size: 100}).Arrive.Sub(epoch); got != 10_010*ms {
		t.Errorf("arrives at %v, want 10.01s", got)
	}
	if got := c.Carries(0, 20*ms); got != 4500 {
		t.Errorf("carries %v in one turn, want 4500", got)
	}
	if got := c.Carries(10*ms, 40*ms); got != 6000 {
		t.Errorf("carries %v after the first two to the second end, want 6000", got)
	}
}

func FuzzReadTrace(f *testing.F) {
	f.Add("0\n10\n")
	f.Add("0\t1.5\n3\t0\n")
	f.Add("time,kbit/s\n0,1\n")
	f.Add("1e400,1\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, _, err := ReadTrace(strings.NewReader(text))
		if err != nil {
			return
		}
		l, err := New(epoch, Config{Capacity: c, Queue: Queue{Delay: s}})
		if err != nil {
			t.Fatalf("a trace that was read is refused: %v", err)
		}
		before := epoch
		for i := range 20 {
			f := l.Offer(epoch.Add(time.Duration(i)*37*ms), Packet{Size: 1200})
			if f.Drop == None && f.Arrive.Before(before) {
				t.Fatal("arrivals out of order")
			}
			if f.Drop == None {
				before = f.Arrive
			}
		}
	})
}
