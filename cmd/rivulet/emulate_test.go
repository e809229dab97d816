package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/loadtest/emulate"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// parseEmulate reads a command line of emulate.
func parseEmulate(args ...string) (cmd emulateCommand, err error) {
	parser, err := kong.New(&cmd)
	if err != nil {
		return cmd, err
	}
	_, err = parser.Parse(args)
	return cmd, err
}

func TestEmulateNetwork(t *testing.T) {
	const k = units.Kbps
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	profile := write(t, "mine.yaml", "name: mine\ndown: {rate: 99k, queue: {size: 9kB}, loss: 1%}\nup: {delay: 7ms}\n")
	tests := []struct {
		args     string
		down, up link.Config
	}{
		{"", link.Config{Seed: 1}, link.Config{Seed: 1}},
		{"--profile gprs --seed 7",
			link.Config{Capacity: link.Constant(50 * k), Queue: link.Queue{Delay: ms(2000)}, Delay: ms(300), Seed: 7},
			link.Config{Capacity: link.Constant(20 * k), Queue: link.Queue{Delay: ms(2000)}, Delay: ms(300), Seed: 7}},
		{"--profile gprs --down 1.5M --delay 10ms --loss 5%",
			link.Config{Capacity: link.Constant(1500 * k), Queue: link.Queue{Delay: ms(2000)}, Delay: ms(10), Loss: link.Loss{Random: 0.05}, Seed: 1},
			link.Config{Capacity: link.Constant(20 * k), Queue: link.Queue{Delay: ms(2000)}, Delay: ms(10), Loss: link.Loss{Random: 0.05}, Seed: 1}},
		{"--up 64000 --jitter 3ms",
			link.Config{Jitter: link.Jitter{Deviation: ms(3)}, Seed: 1},
			link.Config{Capacity: link.Constant(64 * k), Queue: link.Queue{Delay: defaultQueue}, Jitter: link.Jitter{Deviation: ms(3)}, Seed: 1}},
		{"--file " + profile + " --queue 1s",
			link.Config{Capacity: link.Constant(99 * k), Queue: link.Queue{Delay: ms(1000)}, Loss: link.Loss{Random: 0.01}, Seed: 1},
			link.Config{Queue: link.Queue{Delay: ms(1000)}, Delay: ms(7), Seed: 1}},
	}
	for _, test := range tests {
		cmd, err := parseEmulate(append(strings.Fields("udp --to 127.0.0.1:9"), strings.Fields(test.args)...)...)
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
			continue
		}
		l, err := cmd.UDP.links()
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
			continue
		}
		for name, c := range map[string][2]link.Config{"down": {l.Down, test.down}, "up": {l.Up, test.up}} {
			got, want := c[0], c[1]
			if got.Capacity.Limited() != want.Capacity.Limited() || got.Capacity.Mean() != want.Capacity.Mean() || got.Queue != want.Queue ||
				got.Delay != want.Delay || got.Loss.Random != want.Loss.Random || got.Jitter != want.Jitter || got.Seed != want.Seed {
				t.Errorf("%s: %s is\n%+v, want\n%+v", test.args, name, got, want)
			}
		}
	}
}

func TestEmulateRefuses(t *testing.T) {
	unknown := write(t, "unknown.yaml", "name: x\ndown:\n  quue: 3\nup: {}\n")
	endless := write(t, "endless.yaml", "name: x\ndown: {trace: /dev/zero}\nup: {}\n")
	for args, want := range map[string]string{
		"udp":                                           "--to",
		"udp --to 127.0.0.1:0":                          "no address and port",
		"udp --to :9":                                   "no host",
		"udp --to 127.0.0.1:9 --down fast":              "is not a rate",
		"udp --to 127.0.0.1:9 --down=-5k":               "is not a rate",
		"udp --to 127.0.0.1:9 --down 240":               "from 1k to 100G",
		"udp --to 127.0.0.1:9 --down NaN":               "is not a rate",
		"udp --to 127.0.0.1:9 --up 101G":                "is not a rate",
		"udp --to 127.0.0.1:9 --loss 101%":              "share of 0 to 1",
		"udp --to 127.0.0.1:9 --loss NaN":               "share of 0 to 1",
		"udp --to 127.0.0.1:9 --delay 2m":               "outside 0 to 1m",
		"udp --to 127.0.0.1:9 --profile nope":           "no profile",
		"udp --to 127.0.0.1:9 --file nope":              "no such file",
		"udp --to 127.0.0.1:9 --profile gprs --file x":  "can't be used together",
		"udp --to 127.0.0.1:9 --clients 0":              "0 clients",
		"udp --to 127.0.0.1:9 --json /none/such/a.json": "make the folder first",
		"udp --to 127.0.0.1:9 --profile " + unknown:     `:3:3: unknown field "quue"`,
		"udp --to 127.0.0.1:9 --profile " + endless:     "down: /dev/zero: trace: line 1: longer than 200 bytes",
		"tun":                                  "no program",
		"tun --mtu 100 -- true":                "MTU 100",
		"tun --forward tcp -- true":            "want tcp:PORT",
		"tun --forward tcp:99999 -- true":      "want tcp:PORT",
		"tun --forward sctp:1 -- true":         "want tcp or udp",
		"tun --forward tcp:80=nowhere -- true": "nowhere",
	} {
		cmd, err := parseEmulate(strings.Fields(args)...)
		if err == nil && strings.HasPrefix(args, "udp") {
			_, err = cmd.UDP.config()
		} else if err == nil {
			_, err = cmd.TUN.config()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestEmulateTUNConfig(t *testing.T) {
	cmd, err := parseEmulate("tun", "--far", "serve it", "--forward", "udp:7882", "--forward", "tcp:80=127.0.0.2:8080", "--", "chromium", "--headless", "--", "x")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := cmd.TUN.config()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(cfg.Program, " "); got != "chromium --headless -- x" {
		t.Errorf("program %q", got)
	}
	if got := strings.Join(cfg.Far, "|"); got != "sh|-c|serve it" {
		t.Errorf("far %q", got)
	}
	want := []emulate.Forward{
		{Network: "udp", Port: 7882, To: netip.MustParseAddrPort("127.0.0.1:7882")},
		{Network: "tcp", Port: 80, To: netip.MustParseAddrPort("127.0.0.2:8080")},
	}
	if len(cfg.Forwards) != 2 || cfg.Forwards[0] != want[0] || cfg.Forwards[1] != want[1] {
		t.Errorf("forwards %+v", cfg.Forwards)
	}
}

// TestEmulateShow: a run that may not be believed has the exit status 3.
func TestEmulateShow(t *testing.T) {
	for _, valid := range []bool{true, false} {
		var out, complaint bytes.Buffer
		cmd := emulateRun{JSON: "-"}
		err := cmd.show(&console{out: &out, err: &complaint}, &out, emulate.Report{Mode: "udp", Valid: valid})
		var exit kong.ExitCoder
		if failed := errors.As(err, &exit); failed == valid || failed && exit.ExitCode() != 3 {
			t.Errorf("valid %v: %v", valid, err)
		}
		var r emulate.Report
		if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Valid != valid || r.Mode != "udp" {
			t.Errorf("%v: %s", err, out.String())
		}
		if !strings.Contains(complaint.String(), "rate kbit/s") {
			t.Errorf("the table is not beside JSON: %q", complaint.String())
		}
	}
}

// TestEmulateUDPRuns opens the proxy and prints its report.
func TestEmulateUDPRuns(t *testing.T) {
	testenv.Sockets(t)
	cmd, err := parseEmulate("udp", "--to", "127.0.0.1:9", "--duration", "50ms", "--json", "-")
	if err != nil {
		t.Fatal(err)
	}
	var out, complaint bytes.Buffer
	err = cmd.UDP.Run(t.Context(), &console{out: &out, err: &complaint})
	var exit kong.ExitCoder
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var r emulate.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Seconds < 0.05 || r.Wake.Count == 0 {
		t.Errorf("%v: %s", err, out.String())
	}
	if !strings.Contains(complaint.String(), "<-> 127.0.0.1:9 over a link that carries everything") {
		t.Errorf("%q", complaint.String())
	}
}
