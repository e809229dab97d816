package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
)

// browser is the one Chromium of this package.
var browser struct {
	sync.Mutex
	ctx    context.Context
	cancel func()
}

// scratch is a folder that is removed when all tests have run.
var scratch = sync.OnceValue(func() string {
	folder, err := os.MkdirTemp("", "rivulet-e2e-")
	if err != nil {
		panic(err) // nothing works without a temporary folder
	}
	return folder
})

// openBrowser starts Chromium for the first test that needs it.
func openBrowser(t *testing.T) context.Context {
	t.Helper()
	path := testenv.Browser(t)
	browser.Lock()
	defer browser.Unlock()
	if browser.ctx != nil {
		return browser.ctx
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(scratch(), "profile")),
		chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		// Pages share one window: those behind must go on as those in front.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("use-fake-device-for-media-stream", "fps=30"),
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		chromedp.Flag("allow-loopback-in-peer-connection", true),
	)
	ctx, cancel := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		stop()
		t.Fatalf("start Chromium: %v", err)
	}
	browser.ctx = ctx
	browser.cancel = func() {
		bounded, end := context.WithTimeout(ctx, 10*time.Second)
		_ = chromedp.Cancel(bounded) // whatever happens, stop kills it
		end()
		cancel()
		stop()
	}
	return ctx
}

// closeBrowser ends what the tests shared.
func closeBrowser() {
	browser.Lock()
	defer browser.Unlock()
	if browser.ctx != nil {
		browser.cancel()
		browser.ctx = nil
	}
	os.RemoveAll(scratch())
}

// page is one tab with a call page in it, its storage its own.
type page struct {
	t    *testing.T
	name string
	ctx  context.Context
	// server is that of the page's call if it runs in this process.
	server *server

	mu      sync.Mutex
	console []string
}

// openTab opens an empty tab that closes with the test.
func openTab(t *testing.T, name string) *page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(openBrowser(t), chromedp.WithNewBrowserContext())
	p := &page{t: t, name: name, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		t.Fatalf("open a tab for %s: %v", name, err)
	}
	messages := chromedp.Console(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			p.mu.Lock()
			p.console = append(p.console, m.String())
			p.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			p.report()
		}
		cancel()
		listening.Wait()
	})
	return p
}

// open loads an address.
func (p *page) open(url string) {
	p.t.Helper()
	bounded, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(bounded, chromedp.Navigate(url)); err != nil {
		p.t.Fatalf("%s: open %s: %v", p.name, url, err)
	}
}

// reload loads the page again, as a person does.
func (p *page) reload() {
	p.t.Helper()
	bounded, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	if err := chromedp.Do(bounded, chromedp.Reload()); err != nil {
		p.t.Fatalf("%s: reload: %v", p.name, err)
	}
}

// run evaluates JavaScript for its effect, and waits for a promise it returns.
func (p *page) run(format string, values ...any) {
	p.t.Helper()
	if _, err := evaluate[chromedp.Void](p, fmt.Sprintf(format, values...)); err != nil {
		p.t.Fatalf("%s: evaluate %s: %v", p.name, fmt.Sprintf(format, values...), err)
	}
}

func evaluate[T any](p *page, expression string) (T, error) {
	bounded, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	return chromedp.Run(bounded, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// report prints what the page knows, for people.
func (p *page) report() {
	p.mu.Lock()
	defer p.mu.Unlock()
	state, err := evaluate[string](p, "("+stateScript+").then(state => JSON.stringify(state))")
	p.t.Logf("page %s: %s (error %v)\nconsole: %q", p.name, state, err, p.console)
}
