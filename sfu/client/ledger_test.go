package client_test

import (
	"encoding/binary"
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

	mu                      sync.Mutex
	sent                    map[string]tally // by kind
	heard                   map[string]tally
	sentMarked, heardMarked int // RTP packets with a header extension
	widest                  int // bytes of the longest that came, its header included
}

type tally struct{ packets, bytes int }

func (l *ledger) pass(p memnet.Packet) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	book, marked := l.heard, &l.heardMarked
	switch l.host {
	case p.From.Addr():
		book, marked = l.sent, &l.sentMarked
	case p.To.Addr():
	default:
		return true
	}
	kind := kindOf(p)
	t := book[kind]
	book[kind] = tally{t.packets + 1, t.bytes + p.Size}
	if kind == "rtp" && p.Data[0]&0x10 != 0 {
		*marked++
		if marked == &l.heardMarked {
			l.widest = max(l.widest, extensionSize(p.Data))
		}
	}
	return true
}

// extensionSize is what the header extension of an RTP packet takes (RFC 3550
// §5.3.1); SRTP leaves it readable.
func extensionSize(b []byte) int {
	at := 12 + 4*int(b[0]&0x0f)
	if len(b) < at+4 {
		return 0
	}
	return 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
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
	l.sent, l.heard = make(map[string]tally), make(map[string]tally)
	l.sentMarked, l.heardMarked, l.widest = 0, 0, 0
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
