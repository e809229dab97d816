package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
)

// portTries is how often another number is tried when the system chooses: it
// chooses for one address, and the others may not have that number free.
const portTries = 20

// portOpening opens one port number: for UDP on each address, for TCP on all.
type portOpening struct {
	*opening
	what, key, flag string // for messages
	number          int    // 0 lets the system choose
	tcp             bool
	udp             func(netip.AddrPort) (io.Closer, netip.AddrPort, error)

	sockets  []io.Closer
	listener net.Listener
}

// open opens everything, or nothing.
func (p *portOpening) open() error {
	err := p.try()
	for range portTries {
		if p.number != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		err = p.try()
	}
	if err != nil {
		return busy(err, p.what, p.key, p.flag)
	}
	p.opened = append(p.opened, p.sockets...)
	if p.listener != nil {
		p.opened = append(p.opened, p.listener)
	}
	return nil
}

func (p *portOpening) try() (err error) {
	p.sockets, p.listener = nil, nil
	defer func() {
		if err != nil {
			for _, s := range p.sockets {
				_ = s.Close() // The error that matters is the one before.
			}
		}
	}()
	number := uint16(p.number) // in range by its tag
	var served []netip.Addr
	for _, host := range p.hosts {
		socket, local, err := p.udp(netip.AddrPortFrom(host, number))
		if errors.Is(err, syscall.EADDRNOTAVAIL) && !p.chosen {
			p.log.Warn("an address of this machine cannot be used", "for", p.what, "address", host, "error", err)
			continue // It went away, or is not ready yet.
		}
		if err != nil {
			return err
		}
		p.sockets, served = append(p.sockets, socket), append(served, host)
		number = local.Port()
	}
	if len(p.sockets) == 0 {
		return errors.New("no address of this machine could be used")
	}
	p.hosts = served
	if !p.tcp {
		return nil
	}
	p.listener, err = net.Listen("tcp", netip.AddrPortFrom(p.everywhere(), number).String())
	if err != nil {
		return fmt.Errorf("over TCP: %w", err)
	}
	return nil
}

// everywhere is the address for TCP, where the kernel keeps both ends of a
// connection as they were and one socket does for all. Without any IPv6
// address the machine may not know IPv6 at all.
func (p *portOpening) everywhere() netip.Addr {
	bind := p.cfg.Media.Bind
	if bind != netip.IPv6Unspecified() {
		return bind
	}
	for _, host := range p.hosts {
		if host.Is6() {
			return bind
		}
	}
	return netip.IPv4Unspecified()
}
