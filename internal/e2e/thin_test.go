package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	devpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/emulate"
	plan "github.com/rivulet-rtc/rivulet/loadtest/link"
)

// thinSteps is a downlink of 1 Mbit/s that falls to 150 kbit/s and comes back.
var thinSteps = []plan.Step{{At: 0, Rate: units.Mbps}, {At: thinAt, Rate: 150 * units.Kbps}, {At: wideAt, Rate: units.Mbps}}

const (
	thinAt = 5 * time.Second
	wideAt = 9 * time.Second
	overAt = 16 * time.Second
)

// TestThinLink: whatever the camera sends, a subscriber whose link goes from 1
// Mbit/s to 150 kbit/s and back decodes all the way.
func TestThinLink(t *testing.T) {
	for _, c := range []struct {
		name, query string
		// Widths of the picture that fit 1 Mbit/s and 150 kbit/s. A simulcast
		// publisher is asked to make a layer as its one receiver can have it, and
		// the browser changes its size with that as it likes: it is to be larger than
		// that of the smallest layer as it is announced.
		wide, thin int
	}{
		{"VP8 simulcast at 720p", "codec=VP8&video=1280x720", 321, 1280},
		{"VP8 simulcast at 360p", "codec=VP8&video=640x360", 161, 640},
		{"VP9 L3T3_KEY", "codec=VP9&svc=L3T3_KEY&video=1280x720", 640, 320},
		{"AV1 L3T3", "codec=AV1&svc=L3T3&video=1280x720", 640, 320},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startServer(t, nil)
			link := startThinLink(t, s)
			ann, bob := openTab(t, "ann"), openTab(t, "bob")
			s.call(ann, "thin", "audio=0", c.query) // the picture has it all
			me := ann.wait(joinLimit, "ann is in", func(s state) bool { return s.Call == "connected" }).Me
			bob.behind(s.ports.Media, link.port)
			ann.run(sentScript)
			began := link.start()
			s.call(bob, "thin", "audio=0", "video=0", "slots=1", "ice=udp")
			bob.wait(joinLimit, "ann is seen", func(s state) bool { return s.from(me).Decoded > 5 })
			bob.run(samplerScript, me)
			offset, err := evaluate[float64](bob, `performance.now()`)
			if err != nil {
				t.Fatal(err)
			}
			// When the plan began, on the page's clock.
			start := offset - float64(time.Since(began).Milliseconds())
			viewer := bob.state().Me
			path := s.follow(link, viewer, wideAt-time.Second/2)
			narrowDump := s.dump()
			path = append(path, s.follow(link, viewer, overAt)...)
			samples, err := evaluate[[]sample](bob, `(clearInterval(sampler), samples)`)
			if err != nil || len(samples) < 20 {
				t.Fatalf("%d samples, error %v", len(samples), err)
			}
			dump := s.dump()
			if report := link.stop(); !report.Valid {
				t.Skipf("the machine was too busy to emulate a link: %v", report.Invalid)
			}
			judgeThin(t, samples, start)
			wide, narrow, again := span(samples, start, 0, thinAt), span(samples, start, thinAt+2*time.Second, wideAt), span(samples, start, overAt-2*time.Second, overAt)
			t.Logf("before %v, thin %v, after %v", wide, narrow, again)
			if wide.width < c.wide || again.width < c.wide {
				t.Errorf("%d and %d pixels wide at 1 Mbit/s, want %d", wide.width, again.width, c.wide)
			}
			if narrow.width > c.thin || narrow.fps < 5 {
				t.Errorf("%d pixels wide at %.1f frames a second at 150 kbit/s, at most %d and at least 5 are wanted", narrow.width, narrow.fps, c.thin)
			}
			if t.Failed() {
				sent, _ := evaluate[[]string](ann, `sent`)
				t.Logf("ann sent:\n%s", strings.Join(sent, "\n"))
				t.Logf("the path to bob:\n%s", strings.Join(path, "\n"))
				t.Logf("at 150 kbit/s:\n%s\nin the end:\n%s", narrowDump, dump)
			}
		})
	}
}

// judgeThin looks for times without a picture. When the link narrows, what is
// under way is lost in its queue, and a key frame of the smallest layer alone
// takes 0.4 s at 150 kbit/s: there a second and a half is allowed, elsewhere one.
func judgeThin(t *testing.T, samples []sample, start float64) {
	t.Helper()
	first, last := samples[0], samples[len(samples)-1]
	progress, longest, path := first, time.Duration(0), fmt.Sprint(first.Width)
	for _, now := range samples[1:] {
		if now.Decoded <= progress.Decoded {
			continue
		}
		if now.Width != progress.Width && now.Width != 0 {
			path += fmt.Sprintf(" %d", now.Width)
		}
		gap := time.Duration((now.At - progress.At) * float64(time.Millisecond))
		began := time.Duration((progress.At - start) * float64(time.Millisecond))
		limit := time.Second
		if began > thinAt-time.Second && began < thinAt+2*time.Second {
			limit = 1500 * time.Millisecond
		}
		if gap > limit {
			t.Errorf("nothing was decoded for %v, %v after the call began on this link; at most %v", gap, began, limit)
		}
		longest = max(longest, gap)
		progress = now
	}
	t.Logf("widths %s; longest gap %v; %d frames and %d key frames decoded, %d lost packets, %d freezes (%.2f s), %d PLIs",
		path, longest, last.Decoded-first.Decoded, last.Keyframes-first.Keyframes, last.Lost-first.Lost,
		last.Freezes-first.Freezes, last.Frozen-first.Frozen, last.PLIs-first.PLIs)
	if undecoded := last.Received - last.Dropped - last.Decoded - (first.Received - first.Dropped - first.Decoded); undecoded > 10 {
		t.Errorf("%d frames arrived and were neither decoded nor dropped", undecoded)
	}
}

// seen is what a page saw in a span of time.
type seen struct {
	width int // of the last picture
	fps   float64
}

func span(samples []sample, start float64, from, to time.Duration) (s seen) {
	var first, last *sample
	for i := range samples {
		at := time.Duration((samples[i].At - start) * float64(time.Millisecond))
		if at < from || at > to {
			continue
		}
		if first == nil {
			first = &samples[i]
		}
		last = &samples[i]
	}
	if first == nil || last.At <= first.At {
		return s
	}
	return seen{last.Width, float64(last.Decoded-first.Decoded) / (last.At - first.At) * 1000}
}

// thinLink is the emulated link before the media port of a server.
type thinLink struct {
	t       *testing.T
	port    int
	proxy   *emulate.UDP
	cancel  context.CancelFunc
	began   time.Time
	ended   chan emulate.Report
	seconds *seconds
}

// seconds is what was measured of a link, once a second.
type seconds struct {
	mu  sync.Mutex
	all []emulate.Progress
}

func (s *seconds) add(p emulate.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, p)
}

// soFar answers all that was measured.
func (s *seconds) soFar() []emulate.Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

func startThinLink(t *testing.T, s *server) *thinLink {
	t.Helper()
	capacity, err := plan.Steps(0, thinSteps...)
	if err != nil {
		t.Fatal(err)
	}
	return startLink(t, s, emulate.Links{
		Up: plan.Config{Delay: 25 * time.Millisecond},
		Down: plan.Config{
			Capacity: capacity, Delay: 25 * time.Millisecond, Queue: plan.Queue{Delay: 300 * time.Millisecond}, Overhead: plan.OverheadIPv4,
		},
	})
}

func startLink(t *testing.T, s *server, links emulate.Links) *thinLink {
	t.Helper()
	cfg := emulate.DefaultUDPConfig()
	cfg.To = netip.MustParseAddrPort(loopback(s.ports.Media))
	cfg.Links = links
	seconds := new(seconds)
	cfg.Progress = seconds.add
	proxy, err := emulate.OpenUDP(cfg)
	if err != nil {
		t.Skipf("no emulated link here: %v", err)
	}
	return &thinLink{t: t, port: int(proxy.Addr().Port()), proxy: proxy, ended: make(chan emulate.Report, 1), seconds: seconds}
}

// start begins the plan.
func (l *thinLink) start() time.Time {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.began = time.Now()
	go func() {
		report, err := l.proxy.Run(ctx)
		if err != nil {
			report.Invalid = append(report.Invalid, err.Error())
		}
		l.ended <- report
	}()
	l.t.Cleanup(func() {
		cancel()
		if l.ended != nil {
			<-l.ended
		}
	})
	return l.began
}

// stop ends the run and answers what it measured.
func (l *thinLink) stop() emulate.Report {
	l.cancel()
	report := <-l.ended
	l.ended = nil
	return report
}

// behind makes the page take one port for another in what the server tells of
// where its media is.
func (p *page) behind(from, to int) {
	p.t.Helper()
	script := fmt.Sprintf(`{
		const apply = RTCPeerConnection.prototype.setRemoteDescription;
		RTCPeerConnection.prototype.setRemoteDescription = function (d) {
			return apply.call(this, { type: d.type, sdp: d.sdp.replaceAll(" %d typ ", " %d typ ") });
		};
	}`, from, to)
	p.before(script)
}

// knows has the page believe what it would learn of its network by itself, were
// more than its media behind the link.
func (p *page) knows(roundTrip time.Duration) {
	p.t.Helper()
	p.before(fmt.Sprintf(`Object.defineProperty(navigator, "connection", { value: { rtt: %d } })`, roundTrip.Milliseconds()))
}

// before has the page run a script before its own.
func (p *page) before(script string) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, devpage.AddScriptToEvaluateOnNewDocument, devpage.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return chromedp.Void{}, err
	}); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}
