package icemux

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

const (
	// acceptPause and acceptPauseMax bound the wait after a failed accept: a
	// process out of descriptors should neither spin nor stop listening.
	acceptPause    = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// accept admits connections until the listener is closed.
func (m *TCP) accept() {
	pause := acceptPause
	for {
		conn, err := m.cfg.Listener.Accept()
		if err != nil {
			if m.ended() {
				return
			}
			if errors.Is(err, net.ErrClosed) {
				m.cfg.Logger.Error("ICE-TCP listener ended", "address", m.local, "error", err)
				return
			}
			m.counts.acceptErrors.Add(1)
			if !m.sleep(pause) {
				return
			}
			pause = min(2*pause, acceptPauseMax)
			continue
		}
		pause = acceptPause
		if !m.admit(conn) {
			_ = conn.Close()
		}
	}
}

func (m *TCP) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// sleep waits, or returns false when the mux is closed.
func (m *TCP) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-m.done:
		return false
	case <-timer.C:
		return true
	}
}

// admit starts to serve a connection if there is room for it.
func (m *TCP) admit(conn net.Conn) bool {
	remote, err := addrPort(conn.RemoteAddr())
	if err != nil {
		m.counts.refused.Add(1)
		return false
	}
	network := networkOf(remote.Addr())
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	if len(m.accepted) >= m.cfg.MaxConnections || m.perAddr[network] >= m.cfg.MaxPerAddress {
		m.counts.refused.Add(1)
		return false
	}
	m.accepted[conn] = struct{}{}
	m.perAddr[network]++
	m.counts.accepted.Add(1)
	m.running.Go(func() {
		m.serve(conn, remote)
		_ = conn.Close()
		m.leave(conn, network)
	})
	return true
}

// leave makes room again.
func (m *TCP) leave(conn net.Conn, network netip.Prefix) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.accepted, conn)
	if m.perAddr[network]--; m.perAddr[network] == 0 {
		delete(m.perAddr, network)
	}
}

// networkOf is what one customer usually has: an IPv4 address, or an IPv6
// network of 64 bits.
func networkOf(ip netip.Addr) netip.Prefix {
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{} // cannot be: ip is valid and bits are in range
	}
	return prefix
}
