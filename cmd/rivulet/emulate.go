package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/emulate"
)

// statusInvalid is the exit status of a run that may not be believed.
const statusInvalid = 3

// emulateCommand groups what puts an emulated link between real programs.
type emulateCommand struct {
	UDP emulateUDP `cmd:"" name:"udp" help:"A UDP proxy with the link in between. Needs no rights."`
	TUN emulateTUN `cmd:"" name:"tun" help:"Run any program behind the link, in a network namespace of its own."`
}

// exitError is an error with an exit status of its own (kong.ExitCoder).
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// ExitCode answers the exit status.
func (e *exitError) ExitCode() int { return e.status }

var errInvalid = errors.New("the run is INVALID: the machine could not keep the link's promises")

// emulateRun is what both kinds of run have in common.
type emulateRun struct {
	emulateNetwork
	Duration time.Duration `placeholder:"TIME" help:"End the run after a time."`
	JSON     string        `name:"json" placeholder:"FILE" help:"Write the result as JSON; - for standard output."`
	Quiet    bool          `short:"q" help:"No line each second."`
}

// progress prints a line each second.
func (cmd *emulateRun) progress(w io.Writer) func(emulate.Progress) {
	if cmd.Quiet {
		return nil
	}
	return func(p emulate.Progress) { fmt.Fprintln(w, p) }
}

// network answers the plan; a result that cannot be written is said before the
// run.
func (cmd *emulateRun) network() (emulate.Links, error) {
	if cmd.JSON != "-" {
		if err := foldersExist(cmd.JSON); err != nil {
			return emulate.Links{}, err
		}
	}
	return cmd.links()
}

// show prints the report and says whether it may be believed.
func (cmd *emulateRun) show(c *console, table io.Writer, r emulate.Report) (err error) {
	switch cmd.JSON {
	case "":
	case "-":
		table = c.err
		err = r.WriteJSON(c.out)
	default:
		err = writeFile(cmd.JSON, r.WriteJSON)
	}
	if err = errors.Join(err, r.WriteTable(table)); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if !r.Valid {
		return &exitError{statusInvalid, errInvalid}
	}
	return nil
}

// ready gives the runtime processors that other goroutines do not fill, so that
// the emulator need not wait for one when it wakes up: with as many as there are
// cores it was 3 ms late at the 99th percentile beside a busy goroutine, with
// two more 0.1 ms.
func ready() { runtime.GOMAXPROCS(runtime.NumCPU() + 2) }

// emulateUDP is the proxy.
type emulateUDP struct {
	emulateRun
	Listen  string        `default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Where clients send to; port 0 is chosen by the system."`
	To      string        `required:"" placeholder:"HOST:PORT" help:"The server behind the link."`
	Shared  bool          `help:"All clients share one link, instead of having one each."`
	Clients int           `default:"64" help:"Most clients (addresses) at once."`
	Idle    time.Duration `default:"2m" help:"How long a silent client is kept when others need its place."`
}

// Run carries packets until ctx ends. SIGUSR1 changes the clients' addresses as
// the server sees them.
func (cmd *emulateUDP) Run(ctx context.Context, c *console) error {
	cfg, err := cmd.config()
	if err != nil {
		return err
	}
	cfg.Progress = cmd.progress(c.err)
	ready()
	proxy, err := emulate.OpenUDP(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.err, "%v <-> %v over %s\n", proxy.Addr(), cfg.To, cmd.describe())
	changes := make(chan os.Signal, 1)
	notifyRebind(changes)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-changes:
				proxy.Rebind()
			case <-done:
				return
			}
		}
	}()
	r, err := proxy.Run(ctx)
	close(done)
	signal.Stop(changes)
	if err != nil {
		return err
	}
	return cmd.show(c, c.out, r)
}

func (cmd *emulateUDP) config() (cfg emulate.UDPConfig, err error) {
	cfg = emulate.DefaultUDPConfig()
	if cfg.Links, err = cmd.network(); err != nil {
		return cfg, err
	}
	if cfg.Listen, err = resolve(cmd.Listen); err != nil {
		return cfg, fmt.Errorf("--listen: %w", err)
	}
	if cfg.To, err = resolve(cmd.To); err != nil {
		return cfg, fmt.Errorf("--to: %w", err)
	}
	cfg.Shared, cfg.MaxClients, cfg.Idle, cfg.Duration = cmd.Shared, cmd.Clients, cmd.Idle, cmd.Duration
	return cfg, cfg.Validate()
}

// resolve answers the address of HOST:PORT.
func resolve(text string) (netip.AddrPort, error) {
	a, err := net.ResolveUDPAddr("udp", text)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if a.IP == nil {
		return netip.AddrPort{}, fmt.Errorf("%q has no host", text)
	}
	p := a.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), nil
}

// emulateTUN is the link between namespaces.
type emulateTUN struct {
	emulateRun
	Far     string   `placeholder:"COMMAND" help:"Run this on the far side, through the shell."`
	Forward []string `placeholder:"tcp:PORT[=HOST:PORT]" help:"Lead a port of the far side, 10.99.0.1, to an address outside; default that port of 127.0.0.1. Likewise udp."`
	MTU     int      `name:"mtu" default:"1500" help:"Largest packet of the link in bytes."`
	Check   bool     `help:"Only say whether a link is possible here, and what is missing."`
	Inside  bool     `hidden:"" help:"Started by itself in a user namespace."`
	Program []string `arg:"" optional:"" passthrough:"" help:"The program and its arguments, after --."`
}

// Run runs the program behind the link and answers its exit status. SIGUSR1
// changes the program's address.
func (cmd *emulateTUN) Run(ctx context.Context, c *console) error {
	cfg, err := cmd.config()
	if err != nil && !cmd.Check {
		return err
	}
	userNamespace, err := emulate.CheckTUN()
	if err != nil {
		return err
	}
	if cmd.Check {
		fmt.Fprintf(c.out, "a link is possible here (in a user namespace: %v)\n", userNamespace)
		return nil
	}
	notified := make(chan os.Signal, 1)
	notifyRebind(notified)
	defer signal.Stop(notified)
	cfg.Rebind = notified
	switch {
	case cmd.Inside:
		ctx, cfg.Rebind = emulate.Inside(ctx)
	case userNamespace:
		return again(ctx, notified)
	}
	cfg.Progress = cmd.progress(c.err)
	ready()
	r, err := emulate.RunTUN(ctx, cfg)
	if err != nil {
		return &exitError{max(1, r.ProgramStatus), err}
	}
	if err := cmd.show(c, c.err, r); err != nil {
		return err
	}
	if r.ProgramStatus != 0 {
		return &exitError{r.ProgramStatus, fmt.Errorf("the program ended with status %d", r.ProgramStatus)}
	}
	return nil
}

// again runs this command in a user namespace. It has said there all there is to
// say.
func again(ctx context.Context, rebind <-chan os.Signal) error {
	arguments := append([]string{}, os.Args[1:]...)
	for i := range arguments {
		if arguments[i] == "tun" {
			arguments = append(arguments[:i+1], append([]string{"--inside"}, arguments[i+1:]...)...)
			break
		}
	}
	status, err := emulate.InUserNamespace(ctx, arguments, rebind)
	if err == nil && status != 0 {
		err = &exitError{status, fmt.Errorf("the command in the user namespace ended with status %d", status)}
	}
	return err
}

func (cmd *emulateTUN) config() (cfg emulate.TUNConfig, err error) {
	cfg = emulate.DefaultTUNConfig()
	if cfg.Links, err = cmd.network(); err != nil {
		return cfg, err
	}
	cfg.Program = cmd.Program
	if len(cfg.Program) > 0 && cfg.Program[0] == "--" {
		cfg.Program = cfg.Program[1:]
	}
	if cmd.Far != "" {
		cfg.Far = []string{"sh", "-c", cmd.Far}
	}
	for _, text := range cmd.Forward {
		f, err := parseForward(text)
		if err != nil {
			return cfg, fmt.Errorf("--forward %s: %w", text, err)
		}
		cfg.Forwards = append(cfg.Forwards, f)
	}
	cfg.MTU, cfg.Duration = cmd.MTU, cmd.Duration
	return cfg, cfg.Validate()
}

// parseForward reads NETWORK:PORT[=HOST:PORT].
func parseForward(text string) (f emulate.Forward, err error) {
	far, to, outside := strings.Cut(text, "=")
	network, number, found := strings.Cut(far, ":")
	port, err := strconv.ParseUint(number, 10, 16)
	if !found || err != nil {
		return f, errors.New("want tcp:PORT or udp:PORT, and =HOST:PORT if it is not that port of 127.0.0.1")
	}
	f = emulate.Forward{Network: network, Port: uint16(port), To: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))}
	if outside {
		f.To, err = resolve(to)
	}
	return f, err
}
