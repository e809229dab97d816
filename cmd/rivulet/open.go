package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"syscall"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/config"
	"github.com/rivulet-rtc/rivulet/cmd/rivulet/node"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu/peer/icemux"
	"github.com/rivulet-rtc/rivulet/turn"
)

// opening is a node while its sockets are opened. On failure all are closed.
type opening struct {
	cfg    *config.Loaded
	dev    bool
	log    *slog.Logger
	opened []io.Closer
	node   node.Config
	// hosts are the addresses on which UDP is served; chosen says that the
	// operator named them, so that each must be there.
	hosts  []netip.Addr
	chosen bool
}

// open opens everything that a node needs.
func open(cfg *config.Loaded, dev bool, log *slog.Logger) (node.Config, error) {
	o := &opening{cfg: cfg, dev: dev, log: log}
	for _, step := range []func() error{o.addresses, o.media, o.relay, o.http, o.admin} {
		if err := step(); err != nil {
			for _, c := range o.opened {
				_ = c.Close() // The error that matters is the one before.
			}
			return node.Config{}, err
		}
	}
	return o.node, nil
}

// addresses decides on which addresses UDP is served: each has a socket of its
// own. A socket for all of them would answer from whichever address the kernel
// prefers, and a client drops what does not come from where it sent to (ICE,
// RFC 8445 §7.2.5.2.1; TURN likewise).
func (o *opening) addresses() error {
	m := o.cfg.Media
	if !m.Bind.IsUnspecified() {
		o.hosts, o.chosen = []netip.Addr{m.Bind}, true
		return nil
	}
	all := m.Addresses
	o.chosen = len(all) > 0
	if !o.chosen {
		var err error
		if all, err = icemux.HostAddresses(m.Loopback || o.dev); err != nil {
			return err
		}
	}
	if o.hosts = node.OfFamilies(all, true, m.Bind.Is6()); len(o.hosts) == 0 {
		return errors.New("this machine has no address that clients could be told: set media.addresses or media.bind")
	}
	return nil
}

// media opens the media port for UDP, and for TCP on the same number.
func (o *opening) media() error {
	o.node.Engine = o.cfg.Engine()
	p := &portOpening{
		opening: o, what: "media", key: "media.port", flag: "--udp", number: o.cfg.Media.Port, tcp: o.cfg.Media.TCP,
		udp: func(at netip.AddrPort) (io.Closer, netip.AddrPort, error) {
			socket, err := udp.Listen(at, o.cfg.UDP())
			if err != nil {
				return nil, netip.AddrPort{}, err
			}
			return socket, socket.LocalAddr(), nil
		},
	}
	if err := p.open(); err != nil {
		return err
	}
	for _, s := range p.sockets {
		o.node.Engine.Sockets = append(o.node.Engine.Sockets, s.(*udp.Socket))
	}
	o.node.Engine.Addresses = o.hosts
	if p.listener != nil {
		o.node.Engine.TCP = p.listener
	}
	return nil
}

// relay opens the relay's port.
func (o *opening) relay() error {
	if !o.cfg.TURN.Enabled {
		return nil
	}
	p := &portOpening{
		opening: o, what: "the relay", key: "turn.port", flag: "--turn", number: o.cfg.TURN.Port, tcp: o.cfg.TURN.TCP,
		udp: func(at netip.AddrPort) (io.Closer, netip.AddrPort, error) {
			conn, err := net.ListenPacket("udp", at.String())
			if err != nil {
				return nil, netip.AddrPort{}, err
			}
			return conn, conn.LocalAddr().(*net.UDPAddr).AddrPort(), nil
		},
	}
	if err := p.open(); err != nil {
		return err
	}
	cfg := o.cfg.Relay()
	for _, s := range p.sockets {
		cfg.UDP = append(cfg.UDP, s.(net.PacketConn))
	}
	if p.listener != nil {
		cfg.TCP = []net.Listener{p.listener}
	}
	cfg.Relay = turn.HostRelay(relayHosts(o.cfg.Media.Bind, o.hosts)...)
	o.node.TURN = &cfg
	o.node.TURNHost = o.cfg.RelayHost()
	o.node.CredentialTTL = o.cfg.TURN.CredentialTTL
	return nil
}

// relayHosts binds relays to one address, or to all as configured: then the
// kernel gives each packet from a relay the source that fits the media address
// it goes to, whichever of this machine's addresses a client chose.
func relayHosts(bind netip.Addr, addresses []netip.Addr) (hosts []turn.RelayHost) {
	var v4, v6 bool
	for _, a := range addresses {
		if a.Is4() && v4 || a.Is6() && v6 {
			continue
		}
		host := turn.RelayHost{Bind: a}
		if bind.IsUnspecified() {
			host = turn.RelayHost{Bind: netip.IPv4Unspecified(), Told: a}
			if a.Is6() {
				host.Bind = netip.IPv6Unspecified()
			}
		}
		v4, v6 = v4 || a.Is4(), v6 || a.Is6()
		hosts = append(hosts, host)
	}
	return hosts
}

// http opens the public listener.
func (o *opening) http() error {
	h := o.cfg.HTTP
	listener, err := net.Listen("tcp", h.Address)
	if err != nil {
		return busy(err, "the page", "http.address", "--http")
	}
	o.opened = append(o.opened, listener)
	if h.Certificate != "" {
		pair, err := loadCertificate(h.Certificate, h.Key, func(err error) {
			o.log.Error("the renewed certificate cannot be read; the old one stays", "error", err)
		})
		if err != nil {
			return err
		}
		listener = tls.NewListener(listener, pair.config())
	}
	o.node.HTTP, o.node.Origins, o.node.TrustedProxies = listener, h.Origins, h.TrustedProxies
	return nil
}

// admin opens the operators' listener.
func (o *opening) admin() error {
	if o.cfg.Admin.Address == "" {
		return nil
	}
	listener, err := net.Listen("tcp", o.cfg.Admin.Address)
	if err != nil {
		return busy(err, "health and metrics", "admin.address", "--admin")
	}
	o.opened = append(o.opened, listener)
	o.node.Admin, o.node.AdminRemote = listener, o.cfg.Admin.AllowRemote
	return nil
}

// busy says what to do about a port that cannot be had.
func busy(err error, what, key, flag string) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen for %s: %w: is another server running? End it, or choose another with %s (%s)", what, err, flag, key)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen for %s: %w: ports below 1024 need privileges; choose another with %s (%s)", what, err, flag, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen for %s (%s): %w: this machine does not have that address; one that leads here although no interface has it belongs in media.advertise (--advertise)", what, key, err)
	}
	return fmt.Errorf("listen for %s (%s): %w", what, key, err)
}
