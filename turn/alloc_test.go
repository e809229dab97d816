//go:build !race

// Under the race detector sync.Pool throws buffers away at random, so what is
// promised here cannot be measured there.

package turn

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestQueueAllocatesNothing(t *testing.T) {
	start := time.Unix(1000, 0)
	var q queue
	buf := make([]byte, 0, 4096)
	frame := channelData(0x4000, make([]byte, 1000))
	cycle := func() {
		for range 10 {
			q.push(start, frame)
		}
		for q.count > 0 {
			q.take(start, buf[:0], writeBatch)
		}
	}
	cycle()
	if allocs := testing.AllocsPerRun(100, cycle); allocs != 0 {
		t.Errorf("%v allocations for ten frames", allocs)
	}
}

// loopConn gives the same packet for ever, as a socket of the kernel's would.
type loopConn struct {
	net.PacketConn
	from netip.AddrPort
	size int
}

func (c *loopConn) ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error) {
	return c.size, c.from, nil
}
func (c *loopConn) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }
func (c *loopConn) LocalAddr() net.Addr                                        { return net.UDPAddrFromAddrPort(serverAddr) }

func TestRelayAllocatesNothing(t *testing.T) {
	var c counters
	r := newRelay(&loopConn{from: mediaAddr, size: 1000}, newPolicy(Peers{Addresses: []netip.AddrPort{mediaAddr}}), &c, func(*relay) {})
	buf := make([]byte, 1600)
	var to net.Addr = net.UDPAddrFromAddrPort(mediaAddr)
	cycle := func() {
		if _, _, err := r.ReadFrom(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := r.WriteTo(buf[:1000], to); err != nil {
			t.Fatal(err)
		}
	}
	cycle()
	if allocs := testing.AllocsPerRun(100, cycle); allocs != 0 {
		t.Errorf("%v allocations for a packet each way", allocs)
	}
	if c.toBytes.Load() != c.fromBytes.Load() || c.toBytes.Load() == 0 {
		t.Errorf("counted %d bytes out and %d in", c.toBytes.Load(), c.fromBytes.Load())
	}
}

// What the gate and the wrapper add to a media datagram from a client.
func TestGateAllocatesNothing(t *testing.T) {
	var c counters
	config := DefaultConfig()
	config.Secret = testKey(t)
	g := newGate(config, newPolicy(Peers{}), newPairs(), &c)
	at := tuple{local: &net.UDPAddr{}, remote: netip.AddrPortFrom(clientHost, 1)}
	now := time.Unix(1000, 0)
	frame := channelData(0x4000, make([]byte, 1000))
	if allocs := testing.AllocsPerRun(100, func() {
		g.admit(now, frame, at)
		if unproven(frame) {
			t.Fatal("media is no answer")
		}
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	for _, seed := range seeds() { // what strangers send costs no allocation either
		if r, ok := scan(seed); ok && r.hasIntegrity {
			continue // verifying a claim does
		}
		if allocs := testing.AllocsPerRun(100, func() { g.admit(now, seed, at) }); allocs != 0 {
			t.Errorf("%v allocations for % x", allocs, seed)
		}
	}
}
