package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// auditScript looks at a page as somebody does who has a small screen, a keyboard
// or weak eyes. Its functions answer lists of what is wrong, each with the element.
const auditScript = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], under) => [r, g, b].map((c, i) => c * a + under[i] * (1 - a));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  // WCAG 2.2, relative luminance and contrast ratio.
  const contrast = (a, b) => {
    const [l, m] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (l + 0.05) / (m + 0.05);
  };
  // What is behind an element: the colours of its ancestors over one another.
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(rgba(getComputedStyle(e).backgroundColor));
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    return layers.reduce((under, layer) => over(layer, under), dark ? [18, 18, 18] : [255, 255, 255]);
  };
  const named = (e) => e.tagName.toLowerCase() + (e.id ? "#" + e.id : "") + (e.classList.length ? "." + [...e.classList].join(".") : "") +
    " " + JSON.stringify((e.getAttribute("aria-label") || e.textContent || e.value || "").trim().slice(0, 30));
  const seen = (e) => e.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && e.getClientRects().length > 0 &&
    e.getBoundingClientRect().width > 1.5 && !e.closest(".hidden-text");
  const scope = () => document.querySelector("dialog[open]") ?? document.body;
  const wrong = (list) => [...new Set(list)];
  window.audit = {
    // Text against what is behind it: 4.5 to 1, large text 3 to 1 (WCAG 1.4.3).
    contrast() {
      const list = [];
      for (const e of scope().querySelectorAll("*")) {
        if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !seen(e) || e.closest(":disabled, noscript, option")) continue;
        const style = getComputedStyle(e);
        const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        const ground = behind(e), ratio = contrast(over(rgba(style.color), ground), ground);
        if (ratio < (large ? 3 : 4.5)) list.push(named(e) + " has a contrast of " + ratio.toFixed(2));
      }
      return wrong(list);
    },
    // Nothing runs out of a small screen, and what is to be touched is large enough (WCAG 2.5.8).
    fits() {
      const list = [];
      if (document.documentElement.scrollWidth > innerWidth) list.push("the page is " + document.documentElement.scrollWidth + " wide on a screen of " + innerWidth);
      for (const e of this.controls()) {
        const { left, right, width, height } = (e.closest("label") ?? e).getBoundingClientRect();
        if (left < -0.5 || right > innerWidth + 0.5) list.push(named(e) + " goes from " + left + " to " + right);
        if (width < 24 || height < 24) list.push(named(e) + " is " + width + " by " + height);
      }
      return wrong(list);
    },
    // What a keyboard must reach: of a group of radio buttons the one that is chosen.
    controls() {
      return [...scope().querySelectorAll("button, input, select, textarea, a[href], [tabindex='0']")].filter((e) =>
        seen(e) && !e.matches(":disabled") && (e.type !== "radio" || e.checked || !document.querySelector("input[name='" + e.name + "']:checked")));
    },
    count() { this.reached = new Set(); this.troubles = []; return this.controls().length; },
    // Called after each press of the key: what has the focus, whether that is seen.
    step() {
      const e = document.activeElement;
      if (!e || e === document.body || e.tagName === "DIALOG") return false;
      const again = this.reached.has(e);
      this.reached.add(e);
      // Of a choice its label shows the focus.
      const shows = [e, e.closest("label")].find((x) => x && getComputedStyle(x).outlineStyle !== "none") ?? e;
      const style = getComputedStyle(shows), { left, top, width, height } = e.getBoundingClientRect();
      const shown = e.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
      const ring = contrast(over(rgba(style.outlineColor), behind(shows.parentElement)), behind(shows.parentElement));
      if (!shown || ring < 3) this.troubles.push(named(e) + " does not show its focus: " + style.outline + ", contrast " + ring.toFixed(2));
      const at = document.elementFromPoint(left + width / 2, top + height / 2);
      if (!at || !(e.contains(at) || at.contains(e))) this.troubles.push(named(e) + " has the focus and is covered by " + (at ? named(at) : "the edge of the screen"));
      return again;
    },
    missed() { return [...this.troubles, ...this.controls().filter((e) => !this.reached.has(e)).map((e) => named(e) + " is not reached by the Tab key")]; },
  };
})()`

// scheme makes a page light or dark, as the person's system would.
func (p *page) scheme(name string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// finds evaluates one of the audit's lists and fails for what is in it.
func (p *page) finds(where, list string) {
	p.t.Helper()
	wrong, err := evaluate[[]string](p, "audit."+list+"()")
	if err != nil {
		p.t.Fatal(err)
	}
	if len(wrong) > 0 {
		p.t.Errorf("%s: %s:\n\t%s", where, list, strings.Join(wrong, "\n\t"))
	}
}

// audited looks at what the page shows now.
func (p *page) audited(where string) {
	p.t.Helper()
	p.run(auditScript)
	p.finds(where, "fits")
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		p.finds(where+", "+scheme, "contrast")
	}
	// Once around with the Tab key, in the dark.
	wanted, err := evaluate[int](p, `(document.activeElement?.blur(), audit.count())`)
	if err != nil || wanted == 0 {
		p.t.Fatalf("%s: %d controls (%v)", where, wanted, err)
	}
	for range 3 * wanted {
		if err := chromedp.Do(p.ctx, chromedp.KeyEvent("\t")); err != nil {
			p.t.Fatal(err)
		}
		if again, err := evaluate[bool](p, "audit.step()"); err != nil || again {
			break
		}
	}
	p.finds(where, "missed")
}

// TestSmallScreenKeyboardAndDark: the pages on a phone's screen, with a keyboard
// alone, and in the dark: nothing is cut off, everything is reached by the Tab key
// and shows that it has the focus, and all text can be read.
func TestSmallScreenKeyboardAndDark(t *testing.T) {
	s := startNode(t, withDirect("never", ""))
	p := openTab(t, "small")
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(360, 640, chromedp.EmulateMobile)); err != nil {
		t.Fatal(err)
	}
	shows := func(what string) {
		t.Helper()
		until(t, what+" is shown", 10*time.Second, func() bool {
			there, err := evaluate[bool](p, fmt.Sprintf("document.querySelector(%q)?.checkVisibility() === true", what))
			return err == nil && there
		})
	}
	p.open(fmt.Sprintf("http://127.0.0.1:%d/r/small", s.ports.HTTP))
	shows("main")
	until(t, "the devices are open", 10*time.Second, func() bool {
		open, err := evaluate[bool](p, `document.querySelectorAll("select option").length > 1`)
		return err == nil && open
	})
	p.audited("the start form")

	p.run(`(() => { document.querySelector("form").requestSubmit(); return 0 })()`)
	shows(".controls")
	p.audited("a call")
	p.run(`(() => { document.getElementById("control-settings").click(); return 0 })()`)
	shows("dialog[open]")
	p.audited("the settings")
	p.run(`(() => { document.querySelector("dialog").close(); document.getElementById("control-leave").click(); return 0 })()`)
	shows(".ended button")
	p.audited("after the call")

	p.open(fmt.Sprintf("http://127.0.0.1:%d/?user=ann&device=phone", s.ports.HTTP))
	shows("#whom")
	p.audited("whom to call")
	p.run(`(() => { whom.value = "eve"; whom.form.requestSubmit(); return 0 })()`)
	shows("#cancel")
	p.audited("while it rings")
}
