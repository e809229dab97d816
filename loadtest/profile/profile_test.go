package profile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

func TestTableIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Table() {
		if seen[p.Name] || p.Name == "" || p.Title == "" || p.Source == "" {
			t.Errorf("profile %q: twice, or without a title or a source", p.Name)
		}
		seen[p.Name] = true
		if err := p.Down.Validate(); err != nil {
			t.Errorf("%s: down: %v", p.Name, err)
		}
		if err := p.Up.Validate(); err != nil {
			t.Errorf("%s: up: %v", p.Name, err)
		}
	}
	for _, name := range []string{"gprs", "2g-rural", "2g-urban", "edge", "edge-lossy", "edge-jitter", "3g", "3g-slow", "satellite", "policer", "slots", "bufferbloat"} {
		if _, ok := Find(name); !ok {
			t.Errorf("no profile %s", name)
		}
	}
	p, _ := Find("gprs")
	if p.Down.Capacity.Mean() != 50*units.Kbps || p.Up.Capacity.Mean() != 20*units.Kbps || p.Down.Delay != 300*time.Millisecond {
		t.Errorf("gprs is %+v", p)
	}
}

const whole = `
name: train
title: the train to work
down:
  steps:
    - {at: 0s, rate: 2.5M}
    - {at: 30s, rate: 600 kbit/s}
  repeat: 1m
  queue: {delay: 300ms, discipline: codel, ecn: true}
  delay: 50ms
  delays: [{at: 10s, delay: 90ms}]
  jitter: 5ms
  loss: 2%
  burst-loss: {enter: 0.0075, leave: 0.125, bad: 80%}
  lose-packets: [1, 2]
  reorder: {share: 1%, by: 20ms}
  duplicate: 0.5%
  outages: [{at: 40s, for: 2s, drop: true}]
  moves: [42s]
  policer: {rate: 2M, burst: 16kB}
  overhead: 4
up:
  trace: up.csv
  queue: {size: 25kB}
  delay: 50ms
`

func openers(files map[string]string) func(string) (io.ReadCloser, error) {
	return func(path string) (io.ReadCloser, error) {
		text, ok := files[path]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}
}

func TestReadEverything(t *testing.T) {
	p, err := Read("train.yaml", strings.NewReader(whole), openers(map[string]string{"up.csv": "0,100\n10,300\n"}))
	if err != nil {
		t.Fatal(err)
	}
	d := p.Down
	if p.Name != "train" || p.Source != "train.yaml" || d.Capacity.Mean() != 1550*units.Kbps || d.Loss.Random != 0.02 ||
		d.Queue.Discipline != link.CoDel || !d.Queue.ECN || d.Jitter.Deviation != 5*time.Millisecond || d.Loss.Bursts.Bad != 0.8 ||
		d.Policer.Burst != 16000 || len(d.Moves) != 1 || !d.Outages[0].Drop || d.Duplicate != 0.005 || d.Delays[0].Delay != 90*time.Millisecond {
		t.Errorf("read %+v", p)
	}
	if p.Up.Capacity.Mean() != 200*units.Kbps || p.Up.Queue.Size != 25_000 {
		t.Errorf("up %+v", p.Up)
	}
}

// TestLimitedLinkHasAQueue: 300 ms where the file names none, as with `rivulet
// emulate --down`; none where nothing limits.
func TestLimitedLinkHasAQueue(t *testing.T) {
	p, err := Read("f.yaml", strings.NewReader("name: x\ndown: {rate: 1M}\nup: {delay: 5ms}\n"), openers(nil))
	if err != nil || p.Down.Queue != (link.Queue{Delay: 300 * time.Millisecond}) || p.Up.Queue != (link.Queue{}) {
		t.Errorf("queues %+v and %+v, %v", p.Down.Queue, p.Up.Queue, err)
	}
}

// TestReadNamesThePlace checks that errors say where they are.
func TestReadNamesThePlace(t *testing.T) {
	rest := "up: {}\n"
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "name: x\ndown:\n  rate: 1M\n  colour: red\n" + rest, `f.yaml:4:3: unknown field "colour"`},
		{"unknown key at the top", "name: x\nupp: {}\n", `f.yaml:2:1: unknown field "upp"`},
		{"absurd rate", "name: x\ndown:\n  rate: 1000000G\n" + rest, "f.yaml:3:9: 1000000G is negative or absurdly large"},
		{"negative", "name: x\ndown:\n  delay: -5ms\n" + rest, "f.yaml:3:10: -5ms is negative"},
		{"no unit", "name: x\ndown:\n  delay: 5\n" + rest, "f.yaml:3:10: \"5\" has no unit that is known, want a time such as 50ms"},
		{"not a number", "name: x\ndown:\n  loss: much\n" + rest, `f.yaml:3:9: "much" is not a value`},
		{"more than all", "name: x\ndown:\n  loss: 120%\n" + rest, "f.yaml:3:9: 120% is negative or absurdly large"},
		{"not a number at all", "name: x\ndown:\n  rate: .nan\n" + rest, "f.yaml:3:9"},
		{"rate without a unit", "name: x\ndown:\n  rate: 700\n" + rest, "f.yaml:3:9: \"700\" has no unit that is known, want a rate such as 64k"},
		{"delay of hours", "name: x\n\ndown:\n  rate: 1M\n  delay: 5h\n" + rest, "f.yaml:5:3: down: link: delay 5h0m0s is outside"},
		{"the other direction", "name: x\ndown:\n  delay: 1s\nup:\n  # far\n  delay: 5h\n", "f.yaml:6:3: up: link: delay"},
		{"two capacities", "name: x\ndown:\n  rate: 1M\n  trace: x\n" + rest, "f.yaml:3:3: down: only one of"},
		{"no trace", "name: x\ndown:\n  slot: 5ms\n  trace: gone.csv\n" + rest, "f.yaml:4:3: down: trace: open gone.csv"},
		{"in one line", "name: x\ndown: {delay: 5h}\n" + rest, "f.yaml:2:1: down: link: delay"},
		{"bad trace", "name: x\ndown:\n  trace: bad.csv\n  queue: {delay: 1s}\n" + rest, "down: bad.csv: trace: line 2: rate: -1 is negative"},
		{"discipline", "name: x\ndown:\n  queue: {discipline: magic}\n" + rest, `"magic" is neither`},
		{"no name", "down: {}\nup: {}\n", "needs a name"},
		{"no direction", "name: x\ndown: {}\n", "up is missing"},
		{"not YAML", "name: [\n", "f.yaml:"},
		{"two names", "name: x\nname: y\ndown: {}\nup: {}\n", "f.yaml:2:1"},
		{"too long", "name: " + strings.Repeat("x", maxFile), "longer than"},
	} {
		_, err := Read("f.yaml", strings.NewReader(c.text), openers(map[string]string{"bad.csv": "0,1\n1,-1\n"}))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(whole)
	f.Add("name: x\ndown: {rate: 1M, queue: {delay: 1s}}\nup: {}\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Read("f.yaml", strings.NewReader(text), openers(nil))
		if err != nil {
			return
		}
		if err := p.Down.Validate(); err != nil {
			t.Fatal(fmt.Errorf("what was read is refused: %w", err))
		}
	})
}

// TestDocumentedExampleIsRead keeps docs/lab.md right.
func TestDocumentedExampleIsRead(t *testing.T) {
	text, err := os.ReadFile("../../docs/lab.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "```yaml\n")
	example, _, closed := strings.Cut(after, "```")
	if !found || !closed {
		t.Fatal("no example in docs/lab.md")
	}
	// What is commented out there as another way has to be right as well.
	other := strings.NewReplacer("  trace: train.csv", "  # trace", "  # steps:", "  steps:", "  # repeat:", "  repeat:").Replace(example)
	for _, text := range []string{example, other} {
		p, err := Read("example.yaml", strings.NewReader(text), openers(map[string]string{"train.csv": "0,100\n10,300\n"}))
		if err != nil || !p.Down.Capacity.Limited() {
			t.Errorf("%v", err)
		}
	}
}
