package profile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

const (
	// maxFile bounds a description in bytes.
	maxFile = 1 << 20
	// Bounds of values; link.Config has narrower ones of its own.
	mostRate = 100 * units.Gbps
	mostTime = 7 * 24 * time.Hour
	mostSize = 1 << 30
	// usualQueue is the room before a limited link that names none.
	usualQueue = 300 * time.Millisecond
)

// file is a profile in YAML; docs/lab.md describes it.
type file struct {
	Name   string     `yaml:"name"`
	Title  string     `yaml:"title"`
	Source string     `yaml:"source"`
	Down   *direction `yaml:"down"`
	Up     *direction `yaml:"up"`
}

type direction struct {
	Rate       *rate      `yaml:"rate"`
	Steps      []step     `yaml:"steps"`
	Repeat     duration   `yaml:"repeat"`
	Trace      string     `yaml:"trace"`
	Slot       duration   `yaml:"slot"`
	Queue      queue      `yaml:"queue"`
	Delay      duration   `yaml:"delay"`
	Delays     []delay    `yaml:"delays"`
	Jitter     duration   `yaml:"jitter"`
	Loss       share      `yaml:"loss"`
	BurstLoss  *bursts    `yaml:"burst-loss"`
	LosePacket []uint64   `yaml:"lose-packets"`
	Reorder    reordering `yaml:"reorder"`
	Duplicate  share      `yaml:"duplicate"`
	Outages    []outage   `yaml:"outages"`
	Moves      []duration `yaml:"moves"`
	Policer    policer    `yaml:"policer"`
	Overhead   size       `yaml:"overhead"`
}

type step struct {
	At   duration `yaml:"at"`
	Rate rate     `yaml:"rate"`
}

type queue struct {
	Delay      duration `yaml:"delay"`
	Size       size     `yaml:"size"`
	Discipline string   `yaml:"discipline"`
	Target     duration `yaml:"target"`
	Interval   duration `yaml:"interval"`
	ECN        bool     `yaml:"ecn"`
	Mark       duration `yaml:"mark"`
}

type delay struct {
	At    duration `yaml:"at"`
	Delay duration `yaml:"delay"`
}

type bursts struct {
	Enter share `yaml:"enter"`
	Leave share `yaml:"leave"`
	Bad   share `yaml:"bad"`
	Good  share `yaml:"good"`
}

type reordering struct {
	Share share    `yaml:"share"`
	By    duration `yaml:"by"`
}

type outage struct {
	At   duration `yaml:"at"`
	For  duration `yaml:"for"`
	Drop bool     `yaml:"drop"`
}

type policer struct {
	Rate  rate `yaml:"rate"`
	Burst size `yaml:"burst"`
}

// scalars with units
type (
	rate     units.Rate
	size     units.Size
	duration time.Duration
	share    float64
)

// Read reads a profile in YAML. open opens the traces that it names. Errors
// begin with name and the line and column.
func Read(name string, r io.Reader, open func(path string) (io.ReadCloser, error)) (Profile, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return Profile{}, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxFile {
		return Profile{}, fmt.Errorf("%s: longer than %d bytes", name, maxFile)
	}
	var f file
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		return Profile{}, fmt.Errorf("%s:%w", name, place(err))
	}
	p := Profile{Name: f.Name, Title: f.Title, Source: f.Source}
	if p.Name == "" {
		return Profile{}, fmt.Errorf("%s:1:1: a profile needs a name", name)
	}
	if p.Source == "" {
		p.Source = name
	}
	for _, d := range []struct {
		key  string
		from *direction
		to   *link.Config
	}{{"down", f.Down, &p.Down}, {"up", f.Up, &p.Up}} {
		if d.from == nil {
			return Profile{}, fmt.Errorf("%s:1:1: a profile needs both down and up; %s is missing (%s: {delay: 50ms} is a path without limits)", name, d.key, d.key)
		}
		c, err := d.from.config(open)
		if err == nil {
			err = c.Validate()
		}
		if err != nil {
			return Profile{}, fmt.Errorf("%s:%s: %s: %w", name, position(text, d.key, err.Error()), d.key, err)
		}
		*d.to = c
	}
	return p, nil
}

// place puts the line and column in front of an error of the YAML reader.
func place(err error) error {
	var at yaml.Error
	if errors.As(err, &at) {
		if t := at.GetToken(); t != nil && t.Position != nil {
			return fmt.Errorf("%d:%d: %s", t.Position.Line, t.Position.Column, at.GetMessage())
		}
		return fmt.Errorf(" %s", at.GetMessage())
	}
	return fmt.Errorf("%w", err)
}

// position is the line and column of what an error about a part of the file
// names: the first key of the part, on a line of its own, that is a word of the
// error, or else the part itself.
func position(text []byte, part, problem string) string {
	words := strings.FieldsFunc(problem, func(r rune) bool { return r == ' ' || r == ':' || r == ',' })
	at := ""
	for i, line := range strings.Split(string(text), "\n") {
		key, _, _ := strings.Cut(strings.TrimLeft(line, " "), ":")
		indent := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case at == "" && strings.HasPrefix(line, part+":"):
			at = fmt.Sprintf("%d:1", i+1)
		case at == "" || key == "" || strings.HasPrefix(key, "#"):
		case indent == 0:
			return at
		case slices.Contains(words, key):
			return fmt.Sprintf("%d:%d", i+1, indent+1)
		}
	}
	if at == "" {
		return "1:1"
	}
	return at
}

// config makes a link of a description.
func (d *direction) config(open func(string) (io.ReadCloser, error)) (link.Config, error) {
	capacity, err := d.capacity(open)
	if err != nil {
		return link.Config{}, err
	}
	c := link.Config{
		Capacity: capacity,
		Slot:     time.Duration(d.Slot),
		Queue: link.Queue{
			Delay: time.Duration(d.Queue.Delay), Size: units.Size(d.Queue.Size),
			Target: time.Duration(d.Queue.Target), Interval: time.Duration(d.Queue.Interval),
			ECN: d.Queue.ECN, Mark: time.Duration(d.Queue.Mark),
		},
		Policer:    link.Policer{Rate: units.Rate(d.Policer.Rate), Burst: units.Size(d.Policer.Burst)},
		Delay:      time.Duration(d.Delay),
		Jitter:     link.Jitter{Deviation: time.Duration(d.Jitter)},
		Reordering: link.Reordering{Share: float64(d.Reorder.Share), By: time.Duration(d.Reorder.By)},
		Loss:       link.Loss{Random: float64(d.Loss), Packets: d.LosePacket},
		Duplicate:  float64(d.Duplicate),
		Overhead:   units.Size(d.Overhead),
	}
	if c.Queue.Delay == 0 && c.Queue.Size == 0 && capacity.Limited() {
		c.Queue.Delay = usualQueue
	}
	switch d.Queue.Discipline {
	case "", "tail-drop":
	case "codel":
		c.Queue.Discipline = link.CoDel
	default:
		return c, fmt.Errorf("queue discipline %q is neither tail-drop nor codel", d.Queue.Discipline)
	}
	if b := d.BurstLoss; b != nil {
		c.Loss.Bursts = link.GilbertElliott{Enter: float64(b.Enter), Leave: float64(b.Leave), Bad: float64(b.Bad), Good: float64(b.Good)}
	}
	for _, s := range d.Delays {
		c.Delays = append(c.Delays, link.DelayStep{At: time.Duration(s.At), Delay: time.Duration(s.Delay)})
	}
	for _, o := range d.Outages {
		c.Outages = append(c.Outages, link.Outage{At: time.Duration(o.At), For: time.Duration(o.For), Drop: o.Drop})
	}
	for _, m := range d.Moves {
		c.Moves = append(c.Moves, time.Duration(m))
	}
	return c, nil
}

// capacity is one of rate, steps and trace; none is no limit.
func (d *direction) capacity(open func(string) (io.ReadCloser, error)) (link.Capacity, error) {
	given := 0
	for _, is := range []bool{d.Rate != nil, len(d.Steps) > 0, d.Trace != ""} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return link.Capacity{}, errors.New("only one of rate, steps and trace may be given")
	case d.Repeat != 0 && len(d.Steps) == 0:
		return link.Capacity{}, errors.New("repeat belongs to steps")
	case d.Rate != nil:
		return link.Constant(units.Rate(*d.Rate)), nil
	case len(d.Steps) > 0:
		steps := make([]link.Step, len(d.Steps))
		for i, s := range d.Steps {
			steps[i] = link.Step{At: time.Duration(s.At), Rate: units.Rate(s.Rate)}
		}
		return link.Steps(time.Duration(d.Repeat), steps...)
	case d.Trace != "":
		return ReadTrace(d.Trace, open)
	}
	return link.Capacity{}, nil
}

// ReadTrace reads a trace by its path.
func ReadTrace(path string, open func(string) (io.ReadCloser, error)) (link.Capacity, error) {
	r, err := open(path)
	if err != nil {
		return link.Capacity{}, fmt.Errorf("trace: %w", err)
	}
	defer r.Close()
	c, _, err := link.ReadTrace(r)
	if err != nil {
		return link.Capacity{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// scalar reads a node as a number and its unit, naming the place of errors.
func scalar(n ast.Node, most float64, want string, table map[string]float64) (float64, error) {
	token := n.GetToken()
	fail := func(format string, args ...any) error {
		return &yaml.SyntaxError{Message: fmt.Sprintf(format, args...) + ", want " + want, Token: token}
	}
	text := strings.TrimSpace(n.String())
	text = strings.Trim(text, `"'`)
	cut := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune("+-0123456789.eE", r) })
	if cut < 0 {
		cut = len(text)
	}
	f, err := strconv.ParseFloat(text[:cut], 64)
	if err != nil {
		return 0, fail("%q is not a value", text)
	}
	factor, ok := table[strings.TrimSpace(text[cut:])]
	if !ok {
		return 0, fail("%q has no unit that is known", text)
	}
	if f *= factor; !(f >= 0 && f <= most) {
		return 0, fail("%s is negative or absurdly large", text)
	}
	return f, nil
}

// UnmarshalYAML reads a rate.
func (r *rate) UnmarshalYAML(n ast.Node) error {
	f, err := scalar(n, float64(mostRate), "a rate such as 64k, 1.5M or 64kbit/s", map[string]float64{
		"k": 1e3, "M": 1e6, "G": 1e9, "bit/s": 1, "kbit/s": 1e3, "Mbit/s": 1e6, "Gbit/s": 1e9,
	})
	if n.String() == "0" {
		f, err = 0, nil
	}
	*r = rate(f)
	return err
}

// UnmarshalYAML reads a size.
func (s *size) UnmarshalYAML(n ast.Node) error {
	f, err := scalar(n, mostSize, "bytes such as 16000 or 16kB", map[string]float64{"": 1, "B": 1, "kB": 1e3, "MB": 1e6})
	*s = size(f)
	return err
}

// UnmarshalYAML reads a duration.
func (d *duration) UnmarshalYAML(n ast.Node) error {
	f, err := scalar(n, float64(mostTime), "a time such as 50ms or 30s", map[string]float64{
		"us": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9,
	})
	if n.String() == "0" {
		f, err = 0, nil
	}
	*d = duration(f)
	return err
}

// UnmarshalYAML reads a share.
func (s *share) UnmarshalYAML(n ast.Node) error {
	f, err := scalar(n, 1, "a share such as 0.02 or 2%", map[string]float64{"": 1, "%": 0.01})
	*s = share(f)
	return err
}
