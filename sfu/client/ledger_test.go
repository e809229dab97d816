package client_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
)

// ledger writes down every packet of one host by what it is for, in IP bytes.
// The first eight bytes of SRTCP are not encrypted (RFC 3711 §3.4), so that the
// first packet of a compound tells what it is.
type ledger struct {
	host netip.Addr

	mu      sync.Mutex
	sent    map[string]tally // by kind
	heard   map[string]tally
	numbers int // RTP packets with a header extension, either way
}

type tally struct{ packets, bytes int }

func (l *ledger) pass(p memnet.Packet) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	book := l.heard
	switch l.host {
	case p.From.Addr():
		book = l.sent
	case p.To.Addr():
	default:
		return true
	}
	kind := kindOf(p)
	t := book[kind]
	book[kind] = tally{t.packets + 1, t.bytes + p.Size}
	if kind == "rtp" && p.Data[0]&0x10 != 0 {
		l.numbers++
	}
	return true
}

// kindOf tells protocols apart by the first byte (RFC 7983 §7).
func kindOf(p memnet.Packet) string {
	b := p.Data
	switch {
	case p.Stream:
		return "signalling"
	case len(b) < 8:
		return "other"
	case b[0] < 4:
		return "stun"
	case b[0] >= 20 && b[0] < 64:
		return "dtls"
	case b[1] < 192 || b[1] > 223: // RFC 5761 §4
		return "rtp"
	case b[1] == 200:
		return "rtcp sr"
	case b[1] == 201:
		return "rtcp rr"
	case b[1] == 205 && b[0]&0x1f == 15:
		return "rtcp twcc"
	case b[1] == 205 && b[0]&0x1f == 11:
		return "rtcp ccfb"
	}
	return fmt.Sprintf("rtcp %d/%d", b[1], b[0]&0x1f)
}

// begin forgets what was written down.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent, l.heard, l.numbers = make(map[string]tally), make(map[string]tally), 0
}

// kbps is what one direction cost but for media and signalling, in kbit/s.
func kbps(book map[string]tally, d time.Duration) float64 {
	sum := 0
	for kind, t := range book {
		if kind != "rtp" && kind != "signalling" {
			sum += t.bytes
		}
	}
	return float64(sum) * 8 / 1000 / d.Seconds()
}

// itemise says what each kind cost.
func itemise(book map[string]tally, d time.Duration) string {
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(book)) {
		t := book[kind]
		all = append(all, fmt.Sprintf("%s %d x %d B = %.2f kbit/s", kind, t.packets, t.bytes/t.packets, float64(t.bytes)*8/1000/d.Seconds()))
	}
	return strings.Join(all, ", ")
}

// watch writes down what passes a user's host.
func (w *world) watch(u *user) *ledger {
	l := &ledger{host: u.addr}
	l.begin()
	w.network.SetFilter(l.pass)
	return l
}
