package e2e

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/emulate"
	"github.com/rivulet-rtc/rivulet/loadtest/profile"
	"github.com/rivulet-rtc/rivulet/sfu"
)

// TestIdlePageCostsLittle itemises what a page in a thin call costs while nobody
// speaks: checks, reports and feedback, at most 3 kbit/s each way.
func TestIdlePageCostsLittle(t *testing.T) {
	if *voiceTable == "" {
		t.Skip("takes half a minute: it goes with -voicetable (make voice-table)")
	}
	s := startServer(t, func(cfg *sfu.Config) { cfg.Addresses = []netip.Addr{netip.MustParseAddr("127.0.0.1")} })
	network, ok := profile.Find("gprs")
	if !ok {
		t.Fatal("no profile gprs")
	}
	cfg := emulate.DefaultUDPConfig()
	cfg.To = netip.MustParseAddrPort(loopback(s.ports.Media))
	cfg.Links = emulate.Links{Up: network.Up, Down: network.Down}
	var latest atomic.Pointer[emulate.Progress]
	cfg.Progress = func(p emulate.Progress) { latest.Store(&p) }
	proxy, err := emulate.OpenUDP(cfg)
	if err != nil {
		t.Skipf("no emulated link here: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan emulate.Report)
	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	s.call(ann, "idle", "video=0")
	ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" })
	bob.behind(s.ports.Media, int(proxy.Addr().Port()))
	go func() {
		report, _ := proxy.Run(ctx) // what fails is seen as a call that is not there
		ended <- report
	}()
	defer func() {
		cancel()
		<-ended
	}()
	s.call(bob, "idle", "video=0", "ice=udp")
	ann.hears()
	bob.hears()
	for _, p := range []*page{ann, bob} {
		p.run(`rivulet.call.mute("microphone", true)`)
	}
	quiet := time.Now()
	bob.until(20*time.Second, "what was said has come", func() bool { return time.Since(quiet) > 6*time.Second })
	before := latest.Load()
	bob.until(30*time.Second, "ten seconds pass", func() bool { return latest.Load().At-before.At > 10*time.Second })
	after := latest.Load()
	if s := bob.state(); s.Call != "connected" {
		t.Fatalf("the call is %s", s.Call)
	}
	itemised(t, "up", before.Up, after.Up, after.At-before.At)
	itemised(t, "down", before.Down, after.Down, after.At-before.At)
}

// itemised logs what was offered between two looks, and holds the bound.
func itemised(t *testing.T, way string, before, after emulate.Recent, d time.Duration) {
	t.Helper()
	kbps := func(bytes uint64) float64 { return float64(bytes) * 8 / 1000 / d.Seconds() }
	var sum uint64
	var items []string
	for _, name := range slices.Sorted(maps.Keys(after.Kinds)) {
		k, was := after.Kinds[name], before.Kinds[name]
		if bytes := k.Bytes - was.Bytes; bytes > 0 {
			sum += bytes
			items = append(items, fmt.Sprintf("%s %.2f (%.1f packets/s)", name, kbps(bytes), float64(k.Packets-was.Packets)/d.Seconds()))
		}
	}
	t.Logf("%s %.2f kbit/s: %s", way, kbps(sum), strings.Join(items, ", "))
	if sum == 0 || kbps(sum) > 3 {
		t.Errorf("an idle page costs %.2f kbit/s %s, at most 3 and more than nothing", kbps(sum), way)
	}
}
