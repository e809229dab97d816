// Command rivulet is the server and its tools in one binary: serve runs a node,
// config checks and prints what it would run with, token makes tokens and
// secrets, load measures a server, lab tries networks in virtual time, emulate
// puts one between two ends in real time.
//
// It decides nothing about calls: it reads the configuration, opens sockets,
// and hands both to the packages that do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands is the command line.
type commands struct {
	Serve   serveCommand   `cmd:"" help:"Run a server."`
	Config  configCommand  `cmd:"" help:"Check and print the configuration."`
	Token   tokenCommand   `cmd:"" help:"Make tokens and secrets."`
	Load    loadCommand    `cmd:"" help:"Load a server with clients and measure it."`
	Lab     labCommand     `cmd:"" help:"Try networks in virtual time."`
	Emulate emulateCommand `cmd:"" help:"Put an emulated network between two ends in real time."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// console is what a command has of its surroundings.
type console struct {
	out, err io.Writer
	environ  []string
	args     []string // of the command line
}

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	go obey(cancel)
	c := &console{out: os.Stdout, err: os.Stderr, environ: os.Environ(), args: os.Args[1:]}
	os.Exit(run(ctx, c, os.Args[1:]))
}

// obey ends gently at the first signal and at once at the second, with the
// status that a shell expects of a process ended by a signal. It keeps hold of
// both: giving the signal back to the system after the first would lose one
// that comes in between.
func obey(cancel context.CancelFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	<-signals
	cancel()
	if s, ok := (<-signals).(syscall.Signal); ok {
		os.Exit(128 + int(s))
	}
	os.Exit(1)
}

// exitEarly carries an exit status that kong asks for (after --help).
type exitEarly int

// run carries out one command line and answers the exit status: 0, 1 for a
// command that failed, 2 for a command line that makes no sense.
func run(ctx context.Context, c *console, args []string) (status int) {
	defer func() {
		if early, ok := recover().(exitEarly); ok {
			status = int(early)
		} else if p := recover(); p != nil {
			panic(p)
		}
	}()
	var line commands
	parser, err := kong.New(&line,
		kong.Name("rivulet"),
		kong.Description("Calls over thin, lossy, far-away links: a selective forwarding unit with a relay beside it."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(c.out, c.err),
		kong.Exit(func(status int) { panic(exitEarly(status)) }),
		kong.Bind(c),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		panic(err) // A command line of ours that kong does not understand: tests parse it.
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(c.err, "rivulet: %v\nTry: rivulet --help\n", err)
		return 2
	}
	if err := parsed.Run(); err != nil {
		complain(c.err, err)
		var exit kong.ExitCoder // an invalid measurement, or the status of a program that was run
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		return 1
	}
	return 0
}

// complain prints each of joined errors on lines of its own.
func complain(w io.Writer, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			complain(w, e)
		}
		return
	}
	fmt.Fprintf(w, "rivulet: %v\n", err)
}
