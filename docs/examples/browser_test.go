package examples_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/rivulet-rtc/rivulet/internal/testenv"
)

// chromium opens one browser for a test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := testenv.Browser(t)
	allocator, stop := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(t.TempDir(), "profile")),
		chromedp.Headless, chromedp.NoSandbox, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true), chromedp.Flag("use-fake-device-for-media-stream", "fps=30"),
		chromedp.Flag("use-fake-ui-for-media-stream", true), chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
		chromedp.Flag("allow-loopback-in-peer-connection", true),
	)
	ctx, cancel := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		cancel()
		stop()
		t.Fatalf("start Chromium: %v", err)
	}
	t.Cleanup(func() {
		bounded, end := context.WithTimeout(ctx, 10*time.Second)
		_ = chromedp.Cancel(bounded) // whatever happens, stop kills it
		end()
		cancel()
		stop()
	})
	return ctx
}

// tab is the example's page in one tab.
type tab struct {
	t    *testing.T
	name string
	ctx  context.Context
}

func (w *world) open(browser context.Context, user, device string) *tab {
	w.t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	w.t.Cleanup(cancel)
	p := &tab{w.t, user + "/" + device, ctx}
	if err := chromedp.Do(ctx, chromedp.Navigate(w.url+"/")); err != nil {
		w.t.Fatalf("%s: %v", p.name, err)
	}
	p.evaluate(`user.value = "` + user + `"; device.value = "` + device + `"; login.requestSubmit()`)
	p.reads("You are " + user)
	return p
}

func value[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 20*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %s: %v", p.name, expression, err)
	}
	return v
}

func (p *tab) evaluate(script string) {
	p.t.Helper()
	value[int](p, "(() => {"+script+"; return 0})()")
}

// state is what the page says.
func (p *tab) state() string {
	p.t.Helper()
	return value[string](p, `document.getElementById("state").textContent`)
}

// reads waits until the page says something.
func (p *tab) reads(want string) {
	p.t.Helper()
	until := time.Now().Add(20 * time.Second)
	for !strings.Contains(p.state(), want) {
		if time.Now().After(until) {
			p.t.Fatalf("%s reads %q, want %q", p.name, p.state(), want)
		}
		time.Sleep(50 * time.Millisecond) // of the browser's time
	}
}

// presses clicks a button as soon as it is there.
func (p *tab) presses(button string) {
	p.t.Helper()
	var there bool
	for until := time.Now().Add(20 * time.Second); !there; {
		if time.Now().After(until) {
			p.t.Fatalf("%s has no button %s; it reads %q", p.name, button, p.state())
		}
		there = value[bool](p, `(() => { const b = document.getElementById("`+button+`"); b?.click(); return b !== null })()`)
	}
}

func (p *tab) calls(user string) {
	p.t.Helper()
	p.evaluate(`whom.value = "` + user + `"; dial.requestSubmit()`)
}

// hears waits until so many others are in the page's room and their sound comes.
func (p *tab) hears(others int) {
	p.t.Helper()
	var n int
	until := time.Now().Add(20 * time.Second)
	for n != others {
		if time.Now().After(until) {
			p.t.Fatalf("%s hears %d others, want %d", p.name, n, others)
		}
		n = value[int](p, `window.media === undefined ? 0 : [...window.media.participants.values()].filter(p => [...p.tracks.values()].some(t => t.source === "microphone")).length`)
	}
}

// TestPagesRingEachOther: Chromium pages ring each other through the example's
// backend in every way in which a call can go.
func TestPagesRingEachOther(t *testing.T) {
	w := start(t)
	browser := chromium(t)
	ann, bob, tablet, eve := w.open(browser, "ann", "laptop"), w.open(browser, "bob", "laptop"), w.open(browser, "bob", "tablet"), w.open(browser, "eve", "laptop")

	ann.calls("bob") // answered; the other device is told; a third one makes a group
	bob.reads("ann calls")
	tablet.reads("ann calls")
	ann.reads("It rings")
	bob.presses("accept")
	tablet.reads("Answered elsewhere: accepted")
	ann.reads("In the call")
	for _, p := range []*tab{ann, bob} {
		p.hears(1)
		if early := value[bool](p, `window.media.counters.rejoins === 0 && window.line.open`); !early {
			t.Errorf("%s has joined more than once, or its line is closed", p.name)
		}
	}
	bob.evaluate(`window.line.interrupt()`) // the network breaks the line: the call goes on
	bob.evaluate(`window.prompt = () => "eve"`)
	bob.presses("invite")
	eve.presses("accept")
	for _, p := range []*tab{ann, bob, eve} {
		p.hears(2)
	}
	ann.reads("In a group")

	tablet.calls("ann") // busy
	tablet.reads("Busy")

	eve.evaluate(`window.late = document.getElementById("hang-up")`)
	for _, p := range []*tab{ann, bob} {
		p.presses("hang-up")
		p.reads("You left")
	}
	eve.reads("The call has ended")
	// A hang-up that comes after the end is no error, and changes nothing.
	if pressed := value[string](eve, `window.late.onclick().then(() => document.getElementById("state").textContent)`); pressed != "The call has ended" {
		t.Errorf("eve hangs up what has ended and reads %q", pressed)
	}

	ann.calls("bob") // declined on one device
	tablet.presses("decline")
	ann.reads("Declined")
	bob.reads("Answered elsewhere: declined")

	ann.evaluate(`window.ringFor = 5000`) // missed
	ann.calls("eve")
	eve.reads("ann calls")
	eve.reads("Missed")
	ann.reads("No answer")
}
