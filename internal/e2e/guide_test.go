package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/node"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// snippet answers the first example of a language under a heading of a page in docs.
func snippet(t *testing.T, page, heading, language string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut("\n"+string(text), "\n"+heading+"\n")
	code := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(part)
	if !found || code == nil {
		t.Fatalf("docs/%s has no example in %s under %q", page, language, heading)
	}
	return code[1]
}

// TestExamplesOfTheGuides runs the examples of docs/sdk.md and docs/signalling.md in
// pages, as they stand there.
func TestExamplesOfTheGuides(t *testing.T) {
	v := authorizer(t)
	calls := switchboard.DefaultConfig()
	calls.Authorizer = v
	s := startNode(t, func(cfg *node.Config) { cfg.Engine.Authorizer, cfg.Calls = v, &calls })
	sign := func(g token.Grants) string {
		t.Helper()
		g.Publish, g.Subscribe = true, true
		raw, err := v.Sign(time.Now(), g, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	target, err := url.Parse("http://" + loopback(s.ports.HTTP))
	if err != nil {
		t.Fatal(err)
	}
	example := "<!doctype html>\n" + snippet(t, "sdk.md", "# The JavaScript SDK", "html")
	var guests atomic.Int32
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(target)) // a page of the application's own, and Rivulet behind the same host
	mux.HandleFunc("/my/page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, example) })
	mux.HandleFunc("/my/empty", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<!doctype html>") })
	mux.HandleFunc("/my/token", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, sign(token.Grants{Identity: fmt.Sprint("guest", guests.Add(1)), Room: "tea", Join: true}))
	})
	application := httptest.NewServer(mux)
	t.Cleanup(application.Close)

	ann, bob := openTab(t, "ann"), openTab(t, "bob")
	for _, p := range []*page{ann, bob} {
		p.open(application.URL + "/my/page")
	}
	for _, p := range []*page{ann, bob} {
		until(t, p.name+" sees the other one", joinLimit, func() bool {
			seen, err := evaluate[bool](p, `[...document.querySelectorAll("video")].some((v) => v.videoWidth > 0)`)
			return err == nil && seen
		})
	}

	rings := snippet(t, "signalling.md", "## Devices", "js")
	rings = regexp.MustCompile(`import (\{.*?\}) from ("[^"]*");`).ReplaceAllString(rings, "const $1 = await import($2);")
	answers, _, found := strings.Cut(rings, "const id = ")
	if !found {
		t.Fatal("docs/signalling.md makes no call under Devices")
	}
	for p, code := range map[*page]string{bob: answers, ann: rings} {
		p.open(application.URL + "/my/empty")
		p.run(`(() => { window.fetchToken = async () => %q; window.theyWantTo = async () => true; return 0 })()`, sign(token.Grants{Identity: p.name, Calls: true}))
		if p == bob {
			p.run("(async () => {%s})()", code)
		}
	}
	ann.run("(async () => {%s})()", rings)
	until(t, "both speak in a call", joinLimit, func() bool {
		for _, r := range s.rooms() {
			if r.Room != "tea" && len(r.Participants) == 2 && len(r.Participants[0].Tracks) == 1 && len(r.Participants[1].Tracks) == 1 {
				return true
			}
		}
		return false
	})
}
