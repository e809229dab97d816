package emulate

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

func TestPool(t *testing.T) {
	var p pool
	a, b := p.get(100), p.get(smallBuffer+1)
	if len(a.data) != 100 || len(b.data) != smallBuffer+1 || p.held != smallBuffer+largeBuffer {
		t.Fatalf("%d and %d bytes, %d held", len(a.data), len(b.data), p.held)
	}
	p.put(a)
	p.put(b)
	if p.held != 0 {
		t.Fatalf("%d bytes held of none", p.held)
	}
	if p.get(smallBuffer) != a || p.get(largeBuffer) != b {
		t.Error("buffers are not used again")
	}
	if p.get(largeBuffer+1) != nil {
		t.Error("a packet larger than any there can be")
	}
	n := 0
	for p.get(largeBuffer) != nil {
		n++
	}
	if p.held > maxHeld || p.held < maxHeld-largeBuffer {
		t.Errorf("%d bytes held of %d", p.held, maxHeld)
	}
}

func TestMeter(t *testing.T) {
	m := newMeter()
	now := time.Unix(0, 0)
	m.offer(1000, link.Fate{Arrive: now, Waited: 30 * time.Millisecond, Marked: true, Copy: now})
	m.offer(1000, link.Fate{Drop: link.Lost, Waited: 10 * time.Millisecond})
	m.offer(500, link.Fate{Drop: link.Overflowed})
	m.deliver(0, 1000)
	m.deliver(0, 1000)
	w := m.report(time.Second)
	if w.Offered != 3 || w.OfferedBytes != 2500 || w.Delivered != 2 || w.Bytes != 2000 || w.Marked != 1 || w.Copied != 1 {
		t.Errorf("%+v", w)
	}
	if w.RateKbps != 16 || w.OfferedKbps != 20 {
		t.Errorf("%g of %g kbit/s, want 16 of 20", w.RateKbps, w.OfferedKbps)
	}
	if len(w.Dropped) != 2 || w.Dropped["lost"] != 1 || w.Dropped["overflowed"] != 1 {
		t.Errorf("dropped %v", w.Dropped)
	}
	// What found no room never waited.
	if m.waited.count() != 2 || w.QueueP50 < 9.9 || w.QueueP50 > 10.1 || w.QueueP95 < 29.9 || w.QueueP95 > 30.1 {
		t.Errorf("%d waits, p50 %g, p95 %g", m.waited.count(), w.QueueP50, w.QueueP95)
	}
}

func TestWindow(t *testing.T) {
	const ms = time.Millisecond
	var w window
	for _, step := range []struct {
		at   time.Duration
		size units.Size
		want units.Size // in the second that ends there
	}{
		{0, 5, 5}, {990 * ms, 3, 8}, {999 * ms, 1, 9}, // one second
		{1000 * ms, 2, 6}, // the first tenth is out
		{950 * ms, 1, 7},  // late: counts now
		{1900 * ms, 4, 7}, // 1.0 to 2.0
		{60 * time.Second, 1, 1},
		{time.Hour, 20, 20},
	} {
		w.add(step.at, step.size)
		if w.sum != step.want {
			t.Errorf("at %v: %d, want %d", step.at, w.sum, step.want)
		}
	}
	if w.busiest != 20 {
		t.Errorf("busiest %d", w.busiest)
	}
}

func TestSpreadTakesAnything(t *testing.T) {
	s := newSpread()
	if s.at(99) != 0 || s.max() != 0 {
		t.Error("a time of nothing")
	}
	s.add(-time.Second)
	s.add(1 << 62)
	if s.count() != 2 || s.max() < maxTracked-time.Second {
		t.Errorf("%d counted, at most %v", s.count(), s.max())
	}
}

func TestJudge(t *testing.T) {
	sound := func() (Report, *meter, *meter) {
		up, down := newMeter(), newMeter()
		up.offered.Packets, down.offered.Packets = 100_000, 100_000
		return Report{Lateness: Spread{P99: 5}, Wake: Spread{P99: 5}}, up, down
	}
	tests := []struct {
		name   string
		change func(*Report, *meter, *meter)
		want   string // part of the reason; empty: valid
	}{
		{"at the limit", func(*Report, *meter, *meter) {}, ""},
		{"late packets", func(r *Report, _, _ *meter) { r.Lateness.P99 = 5.01 }, "packets were 5.01 ms late"},
		{"late wake-ups", func(r *Report, _, _ *meter) { r.Wake.P99 = 7 }, "woke up 7.00 ms late"},
		{"a packet in ten thousand", func(_ *Report, up, _ *meter) { up.missed = 10 }, ""},
		{"more", func(_ *Report, up, _ *meter) { up.missed = 11 }, "up: the emulator failed to carry 11 packets (11 not read"},
		{"no room", func(_ *Report, _, down *meter) { down.refused = 50 }, "down: the emulator failed to carry 50"},
		{"nothing but refusals", func(_ *Report, up, _ *meter) { *up = meter{refused: 1} }, "failed to carry 1 packets"},
	}
	for _, test := range tests {
		r, up, down := sound()
		test.change(&r, up, down)
		r.judge(up, down)
		reasons := strings.Join(r.Invalid, "\n")
		if r.Valid != (test.want == "") || !strings.Contains(reasons, test.want) || (test.want == "") != (reasons == "") {
			t.Errorf("%s: valid %v, %q", test.name, r.Valid, reasons)
		}
	}
}

func TestReportIsPrinted(t *testing.T) {
	m := newMeter()
	m.offer(1000, link.Fate{Drop: link.Policed})
	m.offer(1000, link.Fate{})
	m.deliver(0, 1000)
	r := Report{Mode: "udp", Up: m.report(time.Second), Down: newMeter().report(time.Second), Scheduling: "normal"}
	r.Invalid = []string{"for the test"}
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1 policed (50.00 %)", "down  nothing dropped", "INVALID: for the test", "late  p50"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"valid":false`, `"invalid":["for the test"]`, `"rate_kbps":8`, `"queue_ms_p95":`, `"dropped":{"policed":1}`, `"ms_p99":`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	p := Progress{At: time.Second, Up: Recent{Rate: 50 * units.Kbps, Queue: 20 * time.Millisecond, Dropped: 3}, Late: 150 * time.Microsecond}
	if got := p.String(); !strings.Contains(got, "50.0 kbit/s  queue    20 ms  dropped 3") || !strings.Contains(got, "late 0.15 ms") {
		t.Error(got)
	}
}

func TestOpenLinks(t *testing.T) {
	lossy := link.Config{Loss: link.Loss{Random: 0.5}, Seed: 1}
	l := Links{Down: lossy, Up: lossy}
	fates := func(w *way) (pattern string) {
		for range 64 {
			if w.pipe.Push(time.Unix(0, 0), link.Packet{Size: 100}, nil).Drop == link.None {
				pattern += "."
			} else {
				pattern += "x"
			}
		}
		return pattern
	}
	seen := map[string]bool{}
	for _, n := range []uint64{0, 0, 1, 2} {
		p, err := l.open(time.Unix(0, 0), n)
		if err != nil {
			t.Fatal(err)
		}
		seen[fates(p[Up])], seen[fates(p[Down])] = true, true
	}
	if len(seen) != 6 {
		t.Errorf("%d kinds of luck for two ways of three clients, one of them twice", len(seen))
	}
	l.HalfDuplex = true
	p, err := l.open(time.Unix(0, 0), 0)
	if err != nil {
		t.Fatal(err)
	}
	if p[Up] != p[Down] {
		t.Error("two links with half duplex")
	}
}

func TestValidate(t *testing.T) {
	udp := DefaultUDPConfig()
	udp.To = netip.MustParseAddrPort("127.0.0.1:9")
	tun := DefaultTUNConfig()
	tun.Program = []string{"true"}
	if err := udp.Validate(); err != nil {
		t.Error(err)
	}
	if err := tun.Validate(); err != nil {
		t.Error(err)
	}
	bad := link.Config{Capacity: link.Constant(units.Mbps)} // no queue
	for want, change := range map[string]func(u *UDPConfig){
		"no address to listen":        func(u *UDPConfig) { u.Listen = netip.AddrPort{} },
		"no address and port to send": func(u *UDPConfig) { u.To = netip.MustParseAddrPort("127.0.0.1:0") },
		"to itself":                   func(u *UDPConfig) { u.Listen = u.To },
		"1001 clients":                func(u *UDPConfig) { u.MaxClients = 1001 },
		"0 clients":                   func(u *UDPConfig) { u.MaxClients = 0 },
		"negative":                    func(u *UDPConfig) { u.Duration = -1 },
		"up: link: queue":             func(u *UDPConfig) { u.Links.Up = bad },
		"down: link: queue":           func(u *UDPConfig) { u.Links.Down = bad },
	} {
		c := udp
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	to := netip.MustParseAddrPort("127.0.0.1:80")
	for want, change := range map[string]func(u *TUNConfig){
		"no program":      func(u *TUNConfig) { u.Program = nil },
		"MTU 1279":        func(u *TUNConfig) { u.MTU = 1279 },
		"negative":        func(u *TUNConfig) { u.Duration = -1 },
		"tcp or udp":      func(u *TUNConfig) { u.Forwards = []Forward{{"sctp", 80, to}} },
		"no port":         func(u *TUNConfig) { u.Forwards = []Forward{{"tcp", 0, to}} },
		"forwarded twice": func(u *TUNConfig) { u.Forwards = []Forward{{"tcp", 80, to}, {"udp", 80, to}, {"tcp", 80, to}} },
		"down: link":      func(u *TUNConfig) { u.Links.Down = bad },
	} {
		c := tun
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestNearAddresses(t *testing.T) {
	seen := map[netip.Addr]bool{FarAddress: true, FarAddress6: true}
	for n := range 250 {
		a, b := nearAddresses(n)
		if seen[a] || seen[b] || a.As4()[3] == 255 || a.As4()[3] == 0 {
			t.Fatalf("change %d: %v, %v", n, a, b)
		}
		seen[a], seen[b] = true, true
	}
}
