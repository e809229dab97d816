package emulate

import (
	"math"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// TestUDPRate: the rate is within 1 % of the plan's, wire bytes counted.
func TestUDPRate(t *testing.T) {
	const rate = 2 * units.Mbps
	validate(t, func() (r Report, f []string) {
		b := newBench(t, func(c *UDPConfig) {
			c.Links.Up = link.Config{Capacity: link.Constant(rate), Queue: link.Queue{Delay: 400 * time.Millisecond}}
		})
		// 1028 bytes on the wire each 2 ms are 4.1 Mbit/s.
		arrivals := b.flood(800, 1000, 2*time.Millisecond)
		r = b.finish()
		found := (*faults)(&f)
		if found.check(len(arrivals) > 300, "%d packets", len(arrivals)); f != nil {
			return r, f
		}
		found.check(ordered(arrivals), "packets overtook one another")
		arrivals = arrivals[50:]
		first, last := arrivals[0], arrivals[len(arrivals)-1]
		got := units.Size(1028 * (len(arrivals) - 1)).Over(last.at - first.at)
		found.check(math.Abs(float64(got)/float64(rate)-1) < 0.01, "%v of %v", got, rate)
		found.check(r.Up.QueueP95 > 390 && r.Up.QueueP95 < 406, "queue p95 %g ms of 400", r.Up.QueueP95)
		found.check(r.Up.Offered == 800 && r.Up.Delivered+r.Up.Dropped["overflowed"] == 800,
			"%d offered, %d delivered, dropped %v", r.Up.Offered, r.Up.Delivered, r.Up.Dropped)
		return r, f
	})
}

// TestUDPDelay: the median delay is within 1 ms of the plan's.
func TestUDPDelay(t *testing.T) {
	const delay = 40 * time.Millisecond
	validate(t, func() (r Report, f []string) {
		b := newBench(t, func(c *UDPConfig) { c.Links.Up = link.Config{Delay: delay} })
		arrivals := b.flood(300, 100, 4*time.Millisecond)
		r = b.finish()
		found := (*faults)(&f)
		if found.check(len(arrivals) == 300, "%d of 300 arrived", len(arrivals)); f != nil {
			return r, f
		}
		found.check(ordered(arrivals), "packets overtook one another")
		var delays []time.Duration
		for _, a := range arrivals {
			delays = append(delays, a.at-a.sent)
		}
		slices.Sort(delays)
		found.check(delays[0] >= delay, "a packet took %v of %v", delays[0], delay)
		found.check(delays[150] < delay+time.Millisecond, "the median is %v of %v", delays[150], delay)
		found.check(r.Lateness.Count == 300 && r.Wake.Count > 0, "%d packets and %d wake-ups were measured", r.Lateness.Count, r.Wake.Count)
		return r, f
	})
}

// TestUDPLoss: loss is within three sigma of the plan's, and with jitter nothing
// is out of order.
func TestUDPLoss(t *testing.T) {
	const n, share = 5000, 0.1
	validate(t, func() (r Report, f []string) {
		b := newBench(t, func(c *UDPConfig) {
			c.Links.Up = link.Config{
				Loss: link.Loss{Random: share}, Delay: 20 * time.Millisecond,
				Jitter: link.Jitter{Deviation: 5 * time.Millisecond}, Seed: 7,
			}
		})
		arrivals := b.flood(n, 60, 100*time.Microsecond)
		r = b.finish()
		found := (*faults)(&f)
		found.check(ordered(arrivals), "packets overtook one another")
		got, sigma := 1-float64(len(arrivals))/n, math.Sqrt(share*(1-share)/n)
		found.check(math.Abs(got-share) < 3*sigma, "%.2f %% lost, want %.0f %% +- %.2f", 100*got, 100*share, 300*sigma)
		found.check(int(r.Up.Dropped["lost"])+len(arrivals) == n, "%d of %d arrived, %v dropped", len(arrivals), n, r.Up.Dropped)
		return r, f
	})
}

// echo answers everything at the server with the sender's address in text.
func (b *bench) echo() {
	go func() {
		buffer := make([]byte, 2048)
		for {
			_, from, err := b.server.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			if _, err := b.server.WriteToUDPAddrPort([]byte(from.String()), from); err != nil {
				return
			}
		}
	}()
}

// ask answers the address under which the server sees a client, or "" if no
// answer came.
func (b *bench) ask(c *net.UDPConn, patience time.Duration) string {
	b.t.Helper()
	if _, err := c.Write([]byte("?")); err != nil {
		b.t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
	buffer := make([]byte, 200)
	n, err := c.Read(buffer)
	if err != nil {
		return ""
	}
	return string(buffer[:n])
}

const patience = 5 * time.Second

// TestUDPClients: each client has an address of its own upstream, there are no
// more than allowed, and a change of address changes each.
func TestUDPClients(t *testing.T) {
	b := newBench(t, func(c *UDPConfig) { c.MaxClients = 2 })
	b.echo()
	second, third := b.dial(), b.dial()
	first := b.ask(b.client, patience)
	other := b.ask(second, patience)
	if first == "" || other == "" || first == other {
		t.Fatalf("clients are seen as %q and %q", first, other)
	}
	if again := b.ask(b.client, patience); again != first {
		t.Errorf("a client is seen as %q, before as %q", again, first)
	}
	if got := b.ask(third, 50*time.Millisecond); got != "" {
		t.Errorf("a third client of two was served: %q", got)
	}
	b.proxy.Rebind()
	changed := first
	for end := time.Now().Add(patience); (changed == first || changed == "") && time.Now().Before(end); {
		changed = b.ask(b.client, 50*time.Millisecond)
	}
	if changed == first || changed == "" {
		t.Errorf("after a change of address the client is seen as %q, before as %q", changed, first)
	}
	if _, err := netip.ParseAddrPort(changed); err != nil {
		t.Error(err)
	}
	r := b.finish()
	if r.Clients != 2 || r.Rebinds != 1 || r.Up.Failed != 1 {
		t.Errorf("%d clients, %d changes, %d failed", r.Clients, r.Rebinds, r.Up.Failed)
	}
}

// TestUDPEvicts: a client that has been silent makes room for another.
func TestUDPEvicts(t *testing.T) {
	b := newBench(t, func(c *UDPConfig) { c.MaxClients, c.Idle = 1, time.Nanosecond })
	b.echo()
	second := b.dial()
	if b.ask(b.client, patience) == "" || b.ask(second, patience) == "" || b.ask(b.client, patience) == "" {
		t.Error("no answer")
	}
	if r := b.finish(); r.Clients != 3 {
		t.Errorf("%d clients, want 3", r.Clients)
	}
}

// TestUDPMoves: the plan's change of address happens by itself.
func TestUDPMoves(t *testing.T) {
	b := newBench(t, func(c *UDPConfig) { c.Links.Up.Moves = []time.Duration{200 * time.Millisecond} })
	b.echo()
	first := b.ask(b.client, patience)
	changed := first
	for end := time.Now().Add(patience); (changed == first || changed == "") && time.Now().Before(end); {
		changed = b.ask(b.client, 50*time.Millisecond)
	}
	if changed == first || changed == "" {
		t.Errorf("seen as %q, before as %q", changed, first)
	}
	if r := b.finish(); r.Rebinds != 1 {
		t.Errorf("%d changes", r.Rebinds)
	}
}

// TestUDPShares: clients share one link each way, or have links of their own.
func TestUDPShares(t *testing.T) {
	testenv.Sockets(t)
	for _, test := range []struct {
		shared, half bool
		ways         int // of two clients
	}{{false, false, 4}, {true, false, 2}, {false, true, 2}, {true, true, 1}} {
		config := DefaultUDPConfig()
		config.To = netip.MustParseAddrPort("127.0.0.1:9")
		config.Shared, config.Links.HalfDuplex = test.shared, test.half
		u, err := OpenUDP(config)
		if err != nil {
			t.Fatal(err)
		}
		if err := u.begin(time.Now()); err != nil {
			t.Fatal(err)
		}
		var peers [2]*peer
		for i := range peers {
			from := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(1000+i))
			if peers[i] = u.admit(from, rawAddress{}, time.Now()); peers[i] == nil {
				t.Fatal("no place for a client")
			}
		}
		a, b := peers[0].links, peers[1].links
		if len(u.carrier.ways) != test.ways || (a == b) != test.shared || (a[Up] == a[Down]) != test.half {
			t.Errorf("%+v: %d ways, shared %v, half duplex %v", test, len(u.carrier.ways), a == b, a[Up] == a[Down])
		}
		u.carrier.offer(time.Now(), a[Up], Up, make([]byte, 100), 128, false, peers[0])
		u.Close()
		if left := len(u.carrier.ways); !test.shared && (left != 0 || u.carrier.pool.held != 0) {
			t.Errorf("%+v: %d ways and %d bytes after the clients", test, left, u.carrier.pool.held)
		}
	}
}

// waitFor reads one packet.
func (b *bench) waitFor(c *net.UDPConn) {
	b.t.Helper()
	if _, err := c.Read(make([]byte, 2048)); err != nil {
		b.t.Fatal(err)
	}
}

// TestUDPHalfDuplex: what goes up takes its time from what comes down.
func TestUDPHalfDuplex(t *testing.T) {
	b := newBench(t, func(c *UDPConfig) {
		c.Links.HalfDuplex = true
		c.Links.Down = link.Config{Capacity: link.Constant(80 * units.Kbps), Queue: link.Queue{Size: 3000}}
	})
	b.echo()
	began := time.Now()
	if _, err := b.client.Write(make([]byte, 1000-28)); err != nil {
		t.Fatal(err)
	}
	b.waitFor(b.client)
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("up and back took %v, up alone should take 100 ms of Down's rate", took)
	}
	b.finish()
}

// TestUDPDuration: a run ends by itself, and reports progress meanwhile.
func TestUDPDuration(t *testing.T) {
	reports := make(chan Progress, 10)
	b := newBench(t, func(c *UDPConfig) {
		c.Duration = 1100 * time.Millisecond
		c.Progress = func(p Progress) { reports <- p }
	})
	r := <-b.ended
	if r.Seconds < 1.1 || r.Mode != "udp" {
		t.Errorf("%+v", r)
	}
	select {
	case p := <-reports:
		if p.At < time.Second {
			t.Errorf("progress after %v", p.At)
		}
	default:
		t.Error("no progress in a run of more than a second")
	}
}

// TestUDPMemory: no memory is taken for each packet in steady state.
func TestUDPMemory(t *testing.T) {
	testenv.Sockets(t)
	target, err := openSocket(netip.MustParseAddrPort("127.0.0.1:0"), netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer target.close()
	config := DefaultUDPConfig()
	if config.To, err = target.local(); err != nil {
		t.Fatal(err)
	}
	u, err := OpenUDP(config)
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	u.carrier.start = time.Now()
	client, err := openSocket(netip.AddrPort{}, u.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer client.close()
	packet, buffer, got := make([]byte, 100), make([]byte, 2048), 0
	once := func() {
		client.send(packet, nil)
		u.read(u.carrier)
		for _, w := range u.carrier.ways {
			u.carrier.deliver(w)
		}
		if _, ok := target.receive(buffer); ok {
			got++
		}
	}
	for range 100 {
		once()
	}
	if n := testing.AllocsPerRun(500, once); n != 0 {
		t.Errorf("%g allocations a packet", n)
	}
	if got < 500 {
		t.Errorf("%d packets came through", got)
	}
}
