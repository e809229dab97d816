package emulate

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

const (
	// maxForwarded bounds connections, and UDP clients, of one forwarded port.
	maxForwarded = 256
	// forwardIdle is how long a UDP client that is not answered is kept (RFC
	// 4787 REQ-5).
	forwardIdle = 2 * time.Minute
)

// forwarder leads ports of the far side to addresses outside. Unlike the link it
// promises nothing about time: it adds what two sockets and a goroutine cost.
type forwarder struct {
	tasks sync.WaitGroup
	mu    sync.Mutex
	open  map[io.Closer]bool // nil: closed
}

// forward opens the ports in the far namespace; what is dialled is dialled
// outside.
func (t *tunnel) forward(ports []Forward) (*forwarder, error) {
	f := &forwarder{open: map[io.Closer]bool{}}
	for _, p := range ports {
		err := t.far.do(func() error {
			if p.Network == "tcp" {
				l, err := net.ListenTCP("tcp", &net.TCPAddr{Port: int(p.Port)})
				if err != nil {
					return err
				}
				f.add(l)
				f.tasks.Go(func() { f.acceptAll(l, p.To) })
				return nil
			}
			c, err := net.ListenUDP("udp", &net.UDPAddr{Port: int(p.Port)})
			if err != nil {
				return err
			}
			f.add(c)
			f.tasks.Go(func() { f.relayAll(c, p.To) })
			return nil
		})
		if err != nil {
			f.close()
			return nil, fmt.Errorf("forward %s port %d: %w", p.Network, p.Port, err)
		}
	}
	return f, nil
}

// add remembers what has to be closed; false: everything is closed already, and
// c with it.
func (f *forwarder) add(c io.Closer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		_ = c.Close()
		return false
	}
	f.open[c] = true
	return true
}

func (f *forwarder) remove(c io.Closer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, c)
	_ = c.Close()
}

func (f *forwarder) close() {
	f.mu.Lock()
	for c := range f.open {
		_ = c.Close()
	}
	f.open = nil
	f.mu.Unlock()
	f.tasks.Wait()
}

// acceptAll connects each connection to the address.
func (f *forwarder) acceptAll(l *net.TCPListener, to netip.AddrPort) {
	places := make(chan struct{}, maxForwarded)
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		if !f.add(c) {
			return
		}
		places <- struct{}{}
		f.tasks.Go(func() {
			defer func() { <-places }()
			defer f.remove(c)
			f.connect(c.(*net.TCPConn), to)
		})
	}
}

// connect copies both ways until both ends have said all.
func (f *forwarder) connect(c *net.TCPConn, to netip.AddrPort) {
	d, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(to))
	if err != nil {
		return
	}
	if !f.add(d) {
		return
	}
	defer f.remove(d)
	var back sync.WaitGroup
	back.Go(func() { pipe(c, d) })
	pipe(d, c)
	back.Wait()
}

// pipe copies until the end and passes the end on.
func pipe(to, from *net.TCPConn) {
	_, err := io.Copy(to, from)
	_ = to.CloseWrite()
	if err != nil {
		// One way is broken: so is the connection.
		_ = from.Close()
		_ = to.Close()
	}
}

// relayAll gives each client a socket of its own outside.
func (f *forwarder) relayAll(front *net.UDPConn, to netip.AddrPort) {
	var mu sync.Mutex
	clients := map[netip.AddrPort]*net.UDPConn{}
	buffer := make([]byte, largeBuffer)
	for {
		n, from, err := front.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		mu.Lock()
		out, full := clients[from], len(clients) >= maxForwarded
		mu.Unlock()
		if out == nil {
			if full {
				continue
			}
			if out, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to)); err != nil {
				continue
			}
			if !f.add(out) {
				return
			}
			mu.Lock()
			clients[from] = out
			mu.Unlock()
			f.tasks.Go(func() {
				answerAll(front, from, out)
				mu.Lock()
				delete(clients, from)
				mu.Unlock()
				f.remove(out)
			})
		}
		_, _ = out.Write(buffer[:n])
	}
}

// answerAll brings answers back to a client until there are none for long.
func answerAll(front *net.UDPConn, client netip.AddrPort, out *net.UDPConn) {
	buffer := make([]byte, largeBuffer)
	for {
		if err := out.SetReadDeadline(time.Now().Add(forwardIdle)); err != nil {
			return
		}
		n, err := out.Read(buffer)
		if errors.Is(err, syscall.ECONNREFUSED) {
			continue // Nobody was there a moment ago (ICMP).
		}
		if err != nil {
			return
		}
		if _, err := front.WriteToUDPAddrPort(buffer[:n], client); err != nil {
			return
		}
	}
}
