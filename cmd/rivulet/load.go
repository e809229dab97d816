package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// loadCommand loads a server with clients and says what it measured.
type loadCommand struct {
	URL            string        `name:"url" default:"http://localhost:8080" help:"The server's URL."`
	Room           string        `default:"load" help:"Beginning of the rooms' names."`
	Rooms          int           `default:"1" help:"How many rooms."`
	Publishers     int           `default:"1" help:"Publishers in each room."`
	Subscribers    int           `default:"10" help:"Clients in each room that only receive."`
	Video          string        `enum:"vp8,none" default:"vp8" help:"Video of each publisher beside its voice: vp8 or none."`
	Layers         int           `default:"1" help:"Simulcast layers, 1 to 3 (640x360 with up to two, 1280x720 with three)."`
	VideoRate      int           `placeholder:"KBITS" help:"Most that video is sent at, in kbit/s; default 500, 650 or 3000 by layers."`
	Duration       time.Duration `default:"30s" help:"How long to measure once everybody is there."`
	JoinRate       float64       `default:"15" help:"Clients that join each second."`
	RelayOnly      bool          `help:"Carry media over the server's relay alone."`
	RelayTransport string        `enum:"udp,tcp,any" default:"any" help:"How to reach the relay: udp, tcp or any."`
	TCP            bool          `name:"tcp" help:"Carry media over ICE-TCP alone."`
	Admin          string        `placeholder:"URL" help:"The server's metrics, such as http://127.0.0.1:9090/metrics: what each forwarded packet costs."`
	JSON           string        `name:"json" placeholder:"FILE" help:"Write the result as JSON; - for standard output, and the table goes to standard error."`
	Token          string        `env:"RIVULET_TOKEN" help:"One token for all clients; they need a room and identities of their own, so --secret-file is better."`
	Key            string        `placeholder:"ID" help:"Which key signs the clients' tokens."`
	SecretFile     string        `placeholder:"FILE" help:"File with the secret of that key: each client gets a token of its own."`
	Config         string        `short:"c" placeholder:"FILE" help:"Configuration file of the server, whose auth.keys sign the clients' tokens."`
}

var errNothingReceived = errors.New("nothing was received")

// Run carries the load out. It fails when nothing was received.
func (cmd *loadCommand) Run(ctx context.Context, c *console) error {
	cfg, err := cmd.config(c)
	if err != nil {
		return err
	}
	progress := &progressLine{w: c.err}
	cfg.Progress = progress.tell
	result, err := loadtest.Run(ctx, cfg)
	progress.end()
	if err != nil {
		return err
	}
	table := c.out
	if cmd.JSON == "-" {
		table = c.err
		err = result.WriteJSON(c.out)
	} else if cmd.JSON != "" {
		err = writeFile(cmd.JSON, result.WriteJSON)
	}
	if err = errors.Join(err, result.WriteTable(table)); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if result.Packets.Received == 0 {
		return errNothingReceived
	}
	return nil
}

func (cmd *loadCommand) config(c *console) (loadtest.Config, error) {
	cfg := loadtest.DefaultConfig()
	cfg.URL, cfg.Room = cmd.URL, cmd.Room
	cfg.Rooms, cfg.Publishers, cfg.Subscribers = cmd.Rooms, cmd.Publishers, cmd.Subscribers
	cfg.Video, cfg.Layers = loadtest.Video(cmd.Video), cmd.Layers
	cfg.VideoRate = units.Rate(cmd.VideoRate) * units.Kbps
	cfg.Duration, cfg.JoinRate = cmd.Duration, cmd.JoinRate
	cfg.RelayOnly, cfg.TCPOnly, cfg.Metrics = cmd.RelayOnly, cmd.TCP, cmd.Admin
	if cmd.RelayTransport != "any" {
		cfg.RelayTransport = cmd.RelayTransport
	}
	switch {
	case cmd.Token != "":
		cfg.Token = func(string, string) (string, error) { return cmd.Token, nil }
	case cmd.SecretFile != "" || cmd.Config != "":
		keys, err := (&tokenCreate{Key: cmd.Key, SecretFile: cmd.SecretFile, Config: cmd.Config}).keys(c)
		if err != nil {
			return cfg, err
		}
		signer, err := token.NewVerifier(keys)
		if err != nil {
			return cfg, err
		}
		cfg.Token = func(room, identity string) (string, error) {
			grants := token.Grants{Identity: identity, Name: identity, Room: room, Join: true, Publish: true, Subscribe: true}
			return signer.Sign(time.Now(), grants, cmd.Duration+time.Hour)
		}
	}
	return cfg, cfg.Validate()
}

// writeFile writes a file by write, whole or with an error.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// progressLine is one line that is written over once a second.
type progressLine struct {
	w     io.Writer
	mu    sync.Mutex
	width int
}

func (l *progressLine) tell(p loadtest.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := p.String()
	// A failing terminal is no reason to stop measuring.
	_, _ = fmt.Fprintf(l.w, "\r%s%s", line, strings.Repeat(" ", max(l.width-len(line), 0)))
	l.width = len(line)
}

// end leaves the line.
func (l *progressLine) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.width > 0 {
		_, _ = fmt.Fprintln(l.w)
	}
}
