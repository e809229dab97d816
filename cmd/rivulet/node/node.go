// Package node puts one server together: the engine, the relay beside it, the
// adapters, the call page and the operators' listener.
//
// It decides which addresses the relay may speak with, which relay servers a
// client is told, and the order in which everything ends. Input are a
// configuration and open sockets, so that a whole node also runs over an
// in-memory network in virtual time; output is a running server.
//
//	HTTP ──► page, /v1/ws, /whip, /whep ──► sfu.Engine ◄── media sockets ◄─┐
//	admin ─► health, metrics, profiles, rooms ──┘                          │
//	relay sockets ──► turn.Server ── this node's media addresses only ─────┘
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
	"github.com/rivulet-rtc/rivulet/turn"
)

// Config is what a node is made of. New takes over all sockets and listeners.
type Config struct {
	// Engine is the engine with its media sockets. Its ICEServers and Logger
	// are set by New; Addresses must be set if a socket listens on all
	// addresses and there is a relay.
	Engine sfu.Config
	// Calls is the call plane; nil for media only. Its Media and Logger are set
	// by New.
	Calls *switchboard.Config
	// Adapters are served beside the HTTP ones: webhooks, a bus. They need the
	// call plane.
	Adapters []signal.Adapter
	// TURN is the relay with its sockets; nil for none. Its Peers are set by
	// New: this node's own media addresses and nothing else.
	TURN *turn.Config
	// TURNHost names the relay to clients; empty for the name by which each
	// client reached this node.
	TURNHost string
	// CredentialTTL is how long relay passwords are good for; 0 for 12 hours.
	// A refresh needs them, so a call longer than this gets new ones with its
	// next ICE restart.
	CredentialTTL time.Duration
	// HTTP serves the page and the adapters.
	HTTP net.Listener
	// Admin serves what only operators may see; nil for none.
	Admin net.Listener
	// AdminRemote lets Admin be asked by any host name, not only as localhost
	// or by address.
	AdminRemote bool
	// Origins are the hosts of other pages that may use the adapters.
	Origins []string
	// TrustedProxies are the networks of reverse proxies whose
	// X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Dev marks a server that needs no tokens: the page says so.
	Dev bool
	// Version of the program, for metrics and /v1/info.
	Version string
	// Grace is how long running calls may go on while the node drains.
	Grace  time.Duration
	Logger *slog.Logger
}

// defaultCredentialTTL is longer than nearly any call.
const defaultCredentialTTL = 12 * time.Hour

// Node is one running server. Its goroutines are one for each HTTP server, and
// those of its parts.
type Node struct {
	cfg    Config
	log    *slog.Logger
	engine *sfu.Engine
	board  *switchboard.Board // nil for media only
	relay  *turn.Server
	public *server
	admin  *server

	adapters sync.WaitGroup
	detach   context.CancelFunc // ends the adapters

	failed  chan error
	closing sync.Once
	closed  error
}

// New starts a node. When it fails everything that it was given is closed.
func New(cfg Config) (*Node, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.CredentialTTL == 0 {
		cfg.CredentialTTL = defaultCredentialTTL
	}
	n := &Node{cfg: cfg, log: cfg.Logger, failed: make(chan error, 2)}
	if err := n.start(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Node) start() error {
	if n.cfg.HTTP == nil {
		return errors.New("node: no HTTP listener was given")
	}
	if err := n.startRelay(); err != nil {
		return err
	}
	engine := n.cfg.Engine
	engine.Logger = n.log
	if n.relay != nil {
		engine.ICEServers = n.iceServers
		engine.OverTCP = n.relay.OverTCP
	}
	var err error
	if n.cfg.Calls != nil {
		engine.Observer = func(o sfu.Observation) { n.board.Observe(o) } // there is no room before there is a board
	}
	if n.engine, err = sfu.New(engine); err != nil {
		return err
	}
	if n.cfg.Calls != nil {
		calls := *n.cfg.Calls
		calls.Media, calls.Logger = n.engine, n.log
		if n.relay != nil && calls.Direct.ICEServers == nil {
			calls.Direct.ICEServers = n.directServers
		}
		if n.board, err = switchboard.New(calls); err != nil {
			return err
		}
	}
	n.attach()
	public, err := n.publicRoutes()
	if err != nil {
		return err
	}
	n.public = newServer(public, publicTimeouts, n.log)
	n.public.serve(n.cfg.HTTP, n.failed)
	if n.cfg.Admin != nil {
		n.admin = newServer(n.adminRoutes(), adminTimeouts, n.log)
		n.admin.serve(n.cfg.Admin, n.failed)
	}
	return nil
}

// attach serves the adapters that have no listener of ours.
func (n *Node) attach() {
	ctx, cancel := context.WithCancel(context.Background())
	n.detach = cancel
	for _, a := range n.cfg.Adapters {
		if r, ok := a.(interface{ Remember(signal.Marks) }); ok && n.board != nil {
			r.Remember(n.board)
		}
		n.adapters.Go(func() {
			if err := a.Serve(ctx, n.port()); err != nil {
				n.log.Error("an adapter has ended", "adapter", a.Name(), "error", err)
				select {
				case n.failed <- fmt.Errorf("adapter %s: %w", a.Name(), err):
				default:
				}
			}
		})
	}
}

// port is what adapters serve: both planes, or the media plane alone.
func (n *Node) port() signal.Engine {
	if n.board != nil {
		return n.board
	}
	return n.engine
}

// Engine is the node's engine.
func (n *Node) Engine() *sfu.Engine { return n.engine }

// Run waits until ctx ends or a listener fails, then drains and closes.
func (n *Node) Run(ctx context.Context) error {
	var failure error
	select {
	case <-ctx.Done():
		n.Drain()
	case failure = <-n.failed:
	}
	return errors.Join(failure, n.Close())
}

// drainPoll is how often a draining node looks whether the last call has ended.
const drainPoll = 100 * time.Millisecond

// Drain refuses new joins, says so at /readyz, and returns when the last
// participant has left or the grace is over.
func (n *Node) Drain() {
	n.engine.Drain()
	n.log.Info("draining: no new joins", "grace", n.cfg.Grace, "participants", n.engine.Stats().Sessions)
	deadline := time.NewTimer(n.cfg.Grace)
	defer deadline.Stop()
	poll := time.NewTicker(drainPoll)
	defer poll.Stop()
	for n.engine.Stats().Sessions > 0 {
		select {
		case <-deadline.C:
			return
		case <-poll.C:
		}
	}
}

// Close ends everything at once: clients are told to join again. It waits for
// every goroutine, for a client that does not answer some seconds.
func (n *Node) Close() error {
	n.closing.Do(func() { n.closed = n.close() })
	return n.closed
}

func (n *Node) close() error {
	var errs []error
	// The engine first: it tells every client why, over connections that the
	// servers still hold.
	if n.board != nil {
		errs = append(errs, n.board.Close())
	}
	n.leaveAdapters()
	if n.engine != nil {
		errs = append(errs, n.engine.Close())
	} else {
		errs = append(errs, n.closeMediaSockets())
	}
	if n.relay != nil {
		errs = append(errs, n.relay.Close())
	} else if n.cfg.TURN != nil {
		errs = append(errs, closeRelaySockets(n.cfg.TURN))
	}
	errs = append(errs, end(n.public, n.cfg.HTTP), end(n.admin, n.cfg.Admin))
	n.log.Info("closed")
	return errors.Join(errs...)
}

// leaveAdapters lets the adapters tell the end of all calls for some seconds, and
// ends them.
func (n *Node) leaveAdapters() {
	if n.detach == nil {
		return
	}
	ended := make(chan struct{})
	go func() { n.adapters.Wait(); close(ended) }()
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	if n.board != nil { // they end by themselves when the feed does
		select {
		case <-ended:
		case <-timer.C:
		}
	}
	n.detach()
	<-ended
}

// closeMediaSockets closes what no engine has taken over.
func (n *Node) closeMediaSockets() error {
	var errs []error
	for _, s := range n.cfg.Engine.Sockets {
		errs = append(errs, s.Close())
	}
	if n.cfg.Engine.TCP != nil {
		errs = append(errs, n.cfg.Engine.TCP.Close())
	}
	return ignoreClosed(errors.Join(errs...))
}

// closeRelaySockets closes what no relay has taken over.
func closeRelaySockets(cfg *turn.Config) error {
	var errs []error
	for _, c := range cfg.UDP {
		errs = append(errs, c.Close())
	}
	for _, l := range cfg.TCP {
		errs = append(errs, l.Close())
	}
	return ignoreClosed(errors.Join(errs...))
}

// end closes a server, or its listener if there is no server yet.
func end(s *server, l net.Listener) error {
	if s != nil {
		return s.close()
	}
	if l != nil {
		return ignoreClosed(l.Close())
	}
	return nil
}

// ignoreClosed drops the error of closing twice.
func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// failure is why a server ended by itself, nil when it was closed.
func failure(what net.Addr, err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve HTTP on %s: %w", what, err)
}
