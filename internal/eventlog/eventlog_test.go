package eventlog_test

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/internal/eventlog"
)

func TestAfter(t *testing.T) {
	l := eventlog.New[string](3, 10)
	for _, v := range []string{"a", "b", "c", "d"} {
		l.Append(v)
	}
	for _, c := range []struct {
		after uint64
		limit int
		want  string
		lost  bool
	}{
		{10, 9, "", true}, {11, 9, "bcd", false}, {11, 2, "bc", false}, {13, 9, "d", false}, {14, 9, "", false}, {15, 9, "", true}, {0, 9, "", true},
	} {
		entries, _, closed, lost := l.After(c.after, c.limit)
		got := ""
		for i, e := range entries {
			got += e.Value
			if e.Sequence != c.after+uint64(i)+1 {
				t.Errorf("after %d: entry %d has the number %d", c.after, i, e.Sequence)
			}
		}
		if got != c.want || lost != c.lost || closed {
			t.Errorf("after %d: %q, lost %v, closed %v; want %q, %v", c.after, got, lost, closed, c.want, c.lost)
		}
	}
}

func TestReadersAreWoken(t *testing.T) {
	l := eventlog.New[int](8, 0)
	_, more, _, _ := l.After(0, 1)
	l.Append(1)
	<-more
	_, more, _, _ = l.After(1, 1)
	l.Close()
	<-more
	if _, _, closed, _ := l.After(0, 0); closed {
		t.Error("closed is said before everything was read")
	}
	if entries, _, closed, _ := l.After(0, 1); !closed || len(entries) != 1 {
		t.Error("a closed log cannot be read to its end")
	}
	if l.Append(2) != 0 || l.Last() != 1 {
		t.Error("a closed log was appended to")
	}
}
