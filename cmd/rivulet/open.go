package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/config"
	"github.com/rivulet-rtc/rivulet/cmd/rivulet/node"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/turn"
)

// opening is a node while its sockets are opened. On failure all are closed.
type opening struct {
	cfg    *config.Loaded
	dev    bool
	log    *slog.Logger
	opened []interface{ Close() error }
	node   node.Config
}

// open opens everything that a node needs.
func open(cfg *config.Loaded, dev bool, log *slog.Logger) (node.Config, error) {
	o := &opening{cfg: cfg, dev: dev, log: log}
	for _, step := range []func() error{o.media, o.addresses, o.relay, o.http, o.admin} {
		if err := step(); err != nil {
			for _, c := range o.opened {
				_ = c.Close() // The error that matters is the one before.
			}
			return node.Config{}, err
		}
	}
	return o.node, nil
}

// media opens the media port for UDP, and for TCP on the same number.
func (o *opening) media() error {
	m := o.cfg.Media
	o.node.Engine = o.cfg.Engine()
	at := netip.AddrPortFrom(m.Bind, uint16(m.Port)) // in range by its tag
	socket, err := udp.Listen(at, o.cfg.UDP())
	if errors.Is(err, syscall.EAFNOSUPPORT) && m.Bind == netip.IPv6Unspecified() {
		o.log.Info("this machine has no IPv6: IPv4 only")
		at = netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port())
		socket, err = udp.Listen(at, o.cfg.UDP())
	}
	if err != nil {
		return busy(err, "media", "media.port", "--udp")
	}
	o.opened = append(o.opened, socket)
	o.node.Engine.Sockets = []*udp.Socket{socket}
	if !m.TCP {
		return nil
	}
	listener, err := net.Listen("tcp", netip.AddrPortFrom(at.Addr(), socket.LocalAddr().Port()).String())
	if err != nil {
		return busy(err, "media over TCP", "media.port", "--udp")
	}
	o.opened = append(o.opened, listener)
	o.node.Engine.TCP = listener
	return nil
}

// addresses decides which addresses clients are told for media.
func (o *opening) addresses() error {
	socket := o.node.Engine.Sockets[0]
	if !socket.LocalAddr().Addr().IsUnspecified() {
		o.node.Engine.Addresses = []netip.Addr{socket.LocalAddr().Addr()}
		return nil
	}
	all := o.cfg.Media.Addresses
	if len(all) == 0 {
		var err error
		if all, err = node.Hosts(o.cfg.Media.Loopback || o.dev); err != nil {
			return err
		}
	}
	v4, v6 := socket.Families()
	if o.node.Engine.Addresses = node.OfFamilies(all, v4, v6); len(o.node.Engine.Addresses) == 0 {
		return errors.New("this machine has no address that clients could be told: set media.addresses or media.bind")
	}
	return nil
}

// relay opens the relay's port.
func (o *opening) relay() error {
	if !o.cfg.TURN.Enabled {
		return nil
	}
	cfg := o.cfg.Relay()
	bind := o.node.Engine.Sockets[0].LocalAddr().Addr()
	conn, err := net.ListenPacket("udp", netip.AddrPortFrom(bind, uint16(o.cfg.TURN.Port)).String())
	if err != nil {
		return busy(err, "the relay", "turn.port", "--turn")
	}
	o.opened = append(o.opened, conn)
	cfg.UDP = []net.PacketConn{conn}
	if o.cfg.TURN.TCP {
		port := conn.LocalAddr().(*net.UDPAddr).Port
		listener, err := net.Listen("tcp", net.JoinHostPort(bind.String(), strconv.Itoa(port)))
		if err != nil {
			return busy(err, "the relay over TCP", "turn.port", "--turn")
		}
		o.opened = append(o.opened, listener)
		cfg.TCP = []net.Listener{listener}
	}
	cfg.Relay = turn.HostRelay(relayHosts(bind, o.node.Engine.Addresses)...)
	o.node.TURN = &cfg
	o.node.TURNHost = o.cfg.RelayHost()
	o.node.CredentialTTL = o.cfg.TURN.CredentialTTL
	return nil
}

// relayHosts binds relays as the media socket is bound. An unspecified address
// stays one: then the kernel gives each packet between relay and media the same
// address at both ends, whichever of this machine's addresses a client chose.
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
		return fmt.Errorf("listen for %s: %w: this machine does not have that address (%s)", what, err, key)
	}
	return fmt.Errorf("listen for %s (%s): %w", what, key, err)
}
