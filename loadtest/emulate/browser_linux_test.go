package emulate

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/internal/testenv"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// measuringPage loads data while the page itself loads, and shows how many
// bytes came in how many milliseconds, and how long the first byte of another
// request took.
const measuringPage = `<!doctype html><title>measured</title><body><script>
const get = (path) => {
	const request = new XMLHttpRequest();
	const begun = performance.now();
	request.open("GET", path, false); // the page waits
	request.send();
	return [request.responseText.length, performance.now() - begun];
};
const [, small] = get("/small");
const [bytes, took] = get("/large");
document.body.textContent = "bytes=" + bytes + " took=" + took.toFixed(0) + " small=" + small.toFixed(0);
</script>`

var measured = regexp.MustCompile(`bytes=(\d+) took=(\d+) small=(\d+)`)

// TestTUNBrowser: a real Chromium, which knows nothing of the link, loads a page
// over it: at the link's rate and with its delay.
func TestTUNBrowser(t *testing.T) {
	const (
		rate  = 2 * units.Mbps
		delay = 60 * time.Millisecond // each way
		size  = 400_000
	)
	chromium := testenv.Browser(t)
	testenv.Sockets(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, measuringPage)
	})
	mux.HandleFunc("/small", func(http.ResponseWriter, *http.Request) {})
	large := make([]byte, size)
	for i, b := range content(size) {
		large[i] = 'a' + b%26 // text that does not compress away
	}
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(large) })
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(l) }()
	defer server.Close()

	r, dom := play(t, "", "", func(c *TUNConfig) {
		both := link.Config{Capacity: link.Constant(rate), Queue: link.Queue{Delay: 200 * time.Millisecond}, Delay: delay}
		c.Links = Links{Up: both, Down: both}
		c.Forwards = []Forward{{"tcp", farPort, l.Addr().(*net.TCPAddr).AddrPort()}}
		c.Duration, c.Stderr = 60*time.Second, nil // it has much to say
		c.Program = []string{chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
			"--user-data-dir=" + t.TempDir(), "--dump-dom", "http://" + farEnd().String() + "/"}
	})
	if r.ProgramStatus != 0 {
		t.Fatalf("Chromium ended with status %d: %q", r.ProgramStatus, dom)
	}
	found := measured.FindStringSubmatch(dom)
	if found == nil {
		t.Fatalf("the page shows %q", dom)
	}
	var figure [3]int
	for i := range figure {
		figure[i], _ = strconv.Atoi(found[i+1])
	}
	bytes, took, small := figure[0], time.Duration(figure[1])*time.Millisecond, time.Duration(figure[2])*time.Millisecond
	t.Logf("%d bytes in %v, an empty answer in %v", bytes, took, small)
	if bytes != size {
		t.Errorf("%d bytes of %d came", bytes, size)
	}
	if small < 2*delay {
		t.Errorf("an answer after %v, sooner than the %v that the way there and back takes", small, 2*delay)
	}
	// Every byte and its headers pass the bottleneck; slow start and a busy
	// machine make it longer, nothing makes it shorter.
	if least := units.Size(size).At(rate); took < least || took > 3*least {
		t.Errorf("%d bytes took %v, at %v they take %v", size, took, units.Rate(rate), least)
	}
	if r.Down.Delivered == 0 || r.Up.Delivered == 0 {
		t.Errorf("%d packets came down, %d went up", r.Down.Delivered, r.Up.Delivered)
	}
}
