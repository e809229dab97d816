package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/emulate"
)

// signalledScript counts a page's signalling: messages and their bytes, sent and
// received.
const signalledScript = `{
	const counts = window.signalled = [0, 0, 0, 0];
	const count = (at, data) => {
		counts[at]++;
		counts[at + 1] += data.length ?? data.byteLength ?? data.size;
	};
	window.WebSocket = class extends WebSocket {
		constructor(...all) {
			super(...all);
			this.addEventListener("message", ({ data }) => count(2, data));
		}
		send(data) {
			count(0, data);
			super.send(data);
		}
	};
}`

const (
	// framed is what a message of a WebSocket weighs beyond its text: frame (RFC
	// 6455 §5.2), TCP with timestamps, IPv4.
	framed = 6 + 32 + 20
	// acknowledged is what the other side says to it.
	acknowledged = 32 + 20
)

// idle is what a call costs each way while nobody speaks, in bytes by kind.
type idle struct {
	took     time.Duration
	up, down map[string]uint64
}

// measureIdle counts what crosses a link, and what the page behind it signals
// beside, which does not cross the link.
func measureIdle(t *testing.T, link *thinLink, p *page, d time.Duration) (i idle) {
	t.Helper()
	signalled := func() (counts [4]uint64) {
		text, err := evaluate[string](p, `JSON.stringify(signalled)`)
		if err == nil {
			err = json.Unmarshal([]byte(text), &counts)
		}
		if err != nil {
			t.Fatalf("read what was signalled: %v", err)
		}
		return counts
	}
	latest := func() emulate.Progress {
		all := link.seconds.soFar()
		return all[len(all)-1]
	}
	said, before := signalled(), latest()
	p.until(d+10*time.Second, "some silent seconds pass", func() bool { return latest().At-before.At >= d })
	after, now := latest(), signalled()
	if s := p.state(); s.Call != "connected" {
		t.Fatalf("the call is %s", s.Call)
	}
	i = idle{after.At - before.At, grown(before.Up.Kinds, after.Up.Kinds), grown(before.Down.Kinds, after.Down.Kinds)}
	for k := range now {
		now[k] -= said[k]
	}
	if now[0] == 0 || now[2] == 0 {
		t.Errorf("%v: no ping and answer were counted; there is one each ten seconds", now)
	}
	i.up["signalling"] = now[1] + now[0]*framed + now[2]*acknowledged
	i.down["signalling"] = now[3] + now[2]*framed + now[0]*acknowledged
	return i
}

// grown answers the bytes by which kinds have grown.
func grown(before, after map[string]emulate.Kind) map[string]uint64 {
	bytes := map[string]uint64{}
	for name, k := range after {
		bytes[name] = k.Bytes - before[name].Bytes
	}
	return bytes
}

// judge logs the items, and holds each way to 3 kbit/s.
func (i idle) judge(t *testing.T) {
	t.Helper()
	for way, bytes := range map[string]map[string]uint64{"up": i.up, "down": i.down} {
		kbps := func(n uint64) float64 { return float64(n) * 8 / 1000 / i.took.Seconds() }
		var sum uint64
		var items []string
		for _, name := range slices.Sorted(maps.Keys(bytes)) {
			if n := bytes[name]; n > 0 {
				sum += n
				items = append(items, fmt.Sprintf("%s %.2f", name, kbps(n)))
			}
		}
		t.Logf("idle %s for %v: %.2f kbit/s: %s", way, i.took.Round(time.Second), kbps(sum), strings.Join(items, ", "))
		if sum == 0 || kbps(sum) > 3 {
			t.Errorf("an idle page costs %.2f kbit/s %s, at most 3 and more than nothing", kbps(sum), way)
		}
	}
}
