package call

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

var update = flag.Bool("update", false, "write the transcripts in testdata anew")

// A transcript holds comments (#), commands (>) and what follows from them.
//
//	> 1.5s alice/phone ring x bob/phone,tablet early for=30s "offer"
//
// is sent 1.5 s after the command before; "> 45s" lets time pass.
func TestTranscripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := transcribe(t, string(want))
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s\n(write anew with -update)", got, want)
			}
		})
	}
}

func transcribe(t *testing.T, script string) string {
	r := newRig(t)
	var out strings.Builder
	for line := range strings.Lines(script) {
		command, found := strings.CutPrefix(line, "> ")
		if !found {
			if strings.HasPrefix(line, "#") {
				out.WriteString(line)
			}
			continue
		}
		out.WriteString(line)
		wait, rest, _ := strings.Cut(strings.TrimSpace(command), " ")
		d, err := time.ParseDuration(wait)
		if err != nil {
			t.Fatal(err)
		}
		r.events = nil
		code := Code("")
		if rest == "" {
			for until := r.now.Add(d); r.now.Before(until); {
				step := until.Sub(r.now)
				if next := r.e.Next(); !next.IsZero() && next.Before(until) {
					step = next.Sub(r.now)
				}
				r.wait(step)
			}
		} else {
			r.now = r.now.Add(d)
			code = r.send(r.parse(rest))
		}
		for _, v := range r.events {
			fmt.Fprintf(&out, "    %s\n", v.line())
		}
		if code != "" {
			fmt.Fprintf(&out, "    refused: %s\n", code)
		}
	}
	return out.String()
}

func (r *rig) parse(text string) Command {
	text, payload, _ := strings.Cut(text, ` "`)
	fields := strings.Fields(text)
	r.serial++
	m := Command{ID: fmt.Sprint("c", r.serial), Verb: Verb(fields[1]), Call: fields[2], Payload: []byte(strings.TrimSuffix(payload, `"`))}
	if fields[0] != "backend" {
		m.From = device(fields[0])
	}
	for _, f := range fields[3:] {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "early":
			m.Early = true
		case "id":
			m.ID = value
		case "for":
			m.Lifetime, _ = time.ParseDuration(value)
		case "reason":
			m.Reason = Reason(value)
		case "usage":
			var sent, received units.Size
			var mos float64
			if _, err := fmt.Sscanf(value, "%d/%d/%f", &sent, &received, &mos); err != nil {
				r.t.Fatal(err)
			}
			m.Usage = &Usage{Sent: sent, Received: received, MOS: mos}
		default:
			user, devices, _ := strings.Cut(f, "/")
			target := Target{User: user}
			if devices != "" {
				target.Devices = strings.Split(devices, ",")
			}
			m.Targets = append(m.Targets, target)
		}
	}
	return m
}

func (v Event) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%7.1fs  %s %-2d %-9s", v.At.Sub(start).Seconds(), v.Call, v.Sequence, v.Kind)
	if !v.From.Backend() {
		fmt.Fprintf(&b, " from %s", v.From)
	}
	if v.Kind == OnGate {
		fmt.Fprintf(&b, " %s", v.Gate)
	} else if v.User != "" && v.User != v.From.User {
		fmt.Fprintf(&b, " of %s", v.User)
	}
	if v.Reason != "" {
		fmt.Fprintf(&b, " (%s)", v.Reason)
	}
	if v.Into != "" {
		fmt.Fprintf(&b, " into %s", v.Into)
	}
	if v.Early {
		b.WriteString(" early")
	}
	if len(v.Payload) > 0 {
		fmt.Fprintf(&b, " %q", v.Payload)
	}
	b.WriteString(" ->")
	for _, d := range v.To {
		fmt.Fprintf(&b, " %s", d)
	}
	if s := v.Summary; s != nil {
		fmt.Fprintf(&b, "\n              talked %v, sent %d, received %d, MOS %.2f, worst %.2f, group %v:", s.Duration, s.Sent, s.Received, s.MOS, s.Worst, s.Group)
		for _, u := range s.Users {
			fmt.Fprintf(&b, " %s %s %v;", u.User, u.State, u.Talked)
		}
	}
	return b.String()
}
