package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/config"
	"github.com/rivulet-rtc/rivulet/cmd/rivulet/node"
	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// serveCommand runs a server.
type serveCommand struct {
	settings
	Dev bool `help:"For development: anybody may join any room without a token, and loopback addresses are told to clients."`
}

// Run serves until ctx ends, then drains.
func (cmd *serveCommand) Run(ctx context.Context, c *console) (err error) {
	loaded, err := cmd.load(c)
	if err != nil {
		return err
	}
	if err := loaded.Validate(cmd.Dev); err != nil {
		return err
	}
	if cmd.Dev {
		if err := develop(loaded); err != nil {
			return err
		}
	}
	log := newLogger(c.err, loaded.Log)
	beside, closeBeside, err := adapters(loaded, cmd.Dev, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeBeside()) }()
	cfg, err := open(loaded, cmd.Dev, log)
	if err != nil {
		return err
	}
	cfg.Calls, cfg.Adapters = loaded.CallPlane(), beside
	if !cmd.Dev {
		tokens, err := loaded.Tokens(log)
		if err != nil {
			return err
		}
		verifier, err := token.NewVerifier(tokens)
		if err != nil {
			return err
		}
		cfg.Engine.Authorizer = verifier
		if cfg.Calls != nil {
			cfg.Calls.Authorizer = verifier
		}
	}
	cfg.Dev, cfg.Version, cfg.Grace, cfg.Logger = cmd.Dev, version(), loaded.Drain.Grace, log
	hints(log, cfg.Engine.Sockets[0], loaded.Media.ReceiveBuffer)
	n, err := node.New(cfg)
	if err != nil {
		return err
	}
	greet(c.out, loaded, cfg)
	if cmd.Dev {
		log.Warn("DEVELOPMENT SERVER: no tokens are asked for; anybody who reaches it may join any room")
	}
	context.AfterFunc(ctx, func() { log.Info("stopping; a second signal ends at once") })
	return n.Run(ctx)
}

// develop fills in what a server for development may lack.
func develop(l *config.Loaded) error {
	if l.TURN.Secret.IsZero() {
		var err error
		if l.TURN.Secret, err = secret.New(secret.Generate()); err != nil {
			return err
		}
	}
	if !l.Set("drain.grace") {
		l.Drain.Grace = 0
	}
	return nil
}

// newLogger writes as configured.
func newLogger(w io.Writer, cfg config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level = slog.LevelInfo // Not reached: the configuration lists the levels.
	}
	options := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// hints warns of what will hurt under load.
func hints(log *slog.Logger, socket *udp.Socket, wanted int) {
	granted, _ := socket.BufferSizes()
	if granted > 0 && granted < wanted {
		log.Warn("the kernel grants a small receive queue: bursts of media will be lost under load",
			"granted_bytes", granted, "wanted_bytes", wanted,
			"remedy", fmt.Sprintf("sysctl -w net.core.rmem_max=%d net.core.wmem_max=%d", wanted, wanted))
	}
}

// greet prints where the server is.
func greet(w io.Writer, l *config.Loaded, cfg node.Config) {
	scheme := "http"
	if l.HTTP.Certificate != "" {
		scheme = "https"
	}
	fmt.Fprintf(w, "Rivulet %s\n\n  open   %s\n", cfg.Version, linkTo(scheme, cfg.HTTP.Addr()))
	if !cfg.Dev {
		fmt.Fprintf(w, "         joining needs a token: rivulet token create --room ROOM --identity WHO\n")
	} else {
		fmt.Fprintf(w, "         DEVELOPMENT SERVER: anybody may join any room without a token\n")
	}
	fmt.Fprintf(w, "  media  %s\n", port(cfg.Engine.Sockets[0].LocalAddr().Port(), cfg.Engine.TCP != nil))
	if cfg.TURN != nil {
		fmt.Fprintf(w, "  relay  %s\n", port(portOf(cfg.TURN.UDP[0].LocalAddr()), len(cfg.TURN.TCP) > 0))
	}
	if cfg.Admin != nil {
		fmt.Fprintf(w, "  admin  %s\n", linkTo("http", cfg.Admin.Addr()))
	}
	fmt.Fprintln(w)
}

// linkTo is the address to open in a browser on this machine.
func linkTo(scheme string, at net.Addr) string {
	local, err := netip.ParseAddrPort(at.String())
	if err != nil {
		return scheme + "://" + at.String() + "/"
	}
	host := local.Addr().Unmap().String()
	if local.Addr().IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, fmt.Sprint(local.Port())) + "/"
}

func port(number uint16, tcp bool) string {
	if tcp {
		return fmt.Sprintf("UDP and TCP port %d", number)
	}
	return fmt.Sprintf("UDP port %d", number)
}

func portOf(a net.Addr) uint16 {
	if u, ok := a.(*net.UDPAddr); ok {
		return uint16(u.Port)
	}
	return 0
}
