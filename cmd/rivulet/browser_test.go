package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
)

// seen answers how many people a page sees and hears, and over which path.
const seen = `(async () => {
	const call = window.rivulet?.call;
	if (!call?.pc) return "{}";
	const report = await call.pc.getStats();
	const state = { people: call.participants.size, pictures: 0, sounds: 0, paths: [] };
	report.forEach((s) => {
		if (s.type === "inbound-rtp" && s.kind === "video" && s.framesDecoded > 10) state.pictures++;
		if (s.type === "inbound-rtp" && s.kind === "audio" && s.totalAudioEnergy > 0) state.sounds++;
		if (s.type === "transport" && s.selectedCandidatePairId) {
			const pair = report.get(s.selectedCandidatePairId);
			const local = report.get(pair.localCandidateId);
			state.paths.push([local.candidateType, local.relayProtocol ?? local.protocol].join(" "));
		}
	});
	return JSON.stringify(state);
})()`

type sight struct {
	People, Pictures, Sounds int
	Paths                    []string
}

// chromium starts a browser that ends with the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := testenv.Browser(t)
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("use-fake-device-for-media-stream", "fps=30"),
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
	)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}

// What `make run` starts, as it comes: the sockets of both IP versions on all
// addresses, and pages that came to it as localhost. Chromium is not told to
// use loopback for media here, as people's is not.
func TestPagesTalkThroughServe(t *testing.T) {
	browser := chromium(t)
	s := serve(t, nil, "--dev", "--http", ":0")
	page := s.out.until(t, `open   (http://localhost:\d+/)\n`)[1]
	ways := []struct{ query, path string }{
		{"", "host udp"}, {"&relay=udp", "relay udp"}, {"&relay=tcp", "relay tcp"}, {"&ice=tcp", "host tcp"},
	}
	tabs := make([]context.Context, len(ways))
	for i, w := range ways {
		ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
		defer cancel()
		tabs[i] = ctx
		if err := chromedp.Do(ctx, chromedp.Navigate(fmt.Sprintf("%sr/kitchen?auto=1&hidden=receive&video=320x180&name=p%d%s", page, i, w.query))); err != nil {
			t.Fatal(err)
		}
	}
	// A path is called peer-reflexive when the machine has several addresses and
	// another one won than was told; the relay's own counters tell the rest.
	deadline := time.Now().Add(60 * time.Second)
	for i, w := range ways {
		for {
			text, err := chromedp.Run(tabs[i], chromedp.Evaluate[string](seen, chromedp.EvalAwaitPromise))
			var now sight
			if err == nil {
				err = json.Unmarshal([]byte(text), &now)
			}
			if err == nil && now.People == len(ways)-1 && now.Pictures > 0 && now.Sounds > 0 {
				if path := strings.Join(now.Paths, ", "); path != w.path && !strings.HasPrefix(path, "prflx ") {
					t.Errorf("the page with %q goes over %s, want %s", w.query, path, w.path)
				}
				break
			}
			if time.Now().After(deadline) {
				for j, tab := range tabs {
					text, err := chromedp.Run(tab, chromedp.Evaluate[string](seen, chromedp.EvalAwaitPromise))
					t.Logf("the page with %q sees %s (%v)", ways[j].query, text, err)
				}
				t.Fatalf("the page with %q sees %+v (%v)\n%s", w.query, now, err, s.err)
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	client := &http.Client{}
	defer client.CloseIdleConnections()
	_, metrics := fetch(t, client, s.out.until(t, `admin  (http://127.0.0.1:\d+/)\n`)[1]+"metrics")
	for name, least := range map[string]float64{
		"rivulet_turn_allocations": 2, "rivulet_turn_tcp_connections": 1,
		`rivulet_turn_relayed_packets_total{direction="from_media"}`: 100, `rivulet_turn_relayed_packets_total{direction="to_media"}`: 100,
		"rivulet_participants": 4, "rivulet_forwarded_packets_total": 100,
	} {
		if got := metric(metrics, name); got < least {
			t.Errorf("%s is %v, want at least %v", name, got, least)
		}
	}
	s.stop()
	s.ends(t, 0)
}

// metric answers a value of the Prometheus text format, -1 if it is not there.
func metric(text, name string) float64 {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			if f, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
				return f
			}
		}
	}
	return -1
}
