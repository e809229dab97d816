package peer

import (
	"context"
	_ "embed"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/icemux"
)

// chromium is what Chromium 156 offers: microphone, camera with three layers,
// one audio and one video slot.
//
//go:embed testdata/chromium-156-offer.sdp
var chromium string

// newMedia is a media plane on an in-memory network.
func newMedia(t testing.TB) *Media {
	t.Helper()
	m, _ := mediaOn(t)
	return m
}

// mediaOn is a media plane at 10.0.0.1:7882, and its network.
func mediaOn(t testing.TB) (*Media, *memnet.Network) {
	t.Helper()
	network := memnet.New(memnet.Config{})
	host := network.Host(netip.MustParseAddr("10.0.0.1"))
	conn, err := host.ListenPacket("udp4", "10.0.0.1:7882")
	if err != nil {
		t.Fatal(err)
	}
	mux, err := icemux.NewUDP(icemux.UDPConfig{Sockets: []*udp.Socket{udp.Wrap(conn)}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Config{UDP: mux, Net: host, Workers: 1, BWE: bwe.DefaultConfig()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("close the media plane: %v", err)
		}
		if n := m.Peers(); n != 0 {
			t.Errorf("%d peers are still open", n)
		}
		network.Close()
	})
	return m, network
}

func TestChromiumOfferIsAnswered(t *testing.T) {
	m := newMedia(t)
	p, answer, err := m.NewPeer(t.Context(), chromium, deaf{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, want := range []string{"a=ice-lite", "a=setup:passive", " 10.0.0.1 7882 typ host", "a=simulcast:recv q;h;~f", "a=rtpmap:111 opus/48000/2", "transport-cc", "a=rtcp-rsize"} {
		if !strings.Contains(answer, want) {
			t.Errorf("the answer lacks %q", want)
		}
	}
	if got := p.Slots(); len(got) != 2 || got[0].MID != "4" || got[1].MID != "7" {
		t.Errorf("slots %+v, want sections 4 and 7", got)
	}
	g := p.ingress
	for pt, want := range map[int]codec.Kind{111: codec.Opus, 96: codec.VP8, 97: codec.RTX, 98: codec.VP9, 45: codec.AV1} {
		if got := g.formats[pt].Kind; got != want {
			t.Errorf("payload type %d is %v, want %v", pt, got, want)
		}
	}
	if g.ids.MID == 0 || g.ids.RID == 0 || g.ids.RepairedRID == 0 || g.ids.TransportWide == 0 || g.ids.AudioLevel == 0 {
		t.Errorf("extensions %+v: some are missing", g.ids)
	}
	video := p.slots[1]
	var kinds []codec.Kind
	for _, c := range video.codecs {
		kinds = append(kinds, c.Kind)
		if c.RTXPayloadType == 0 {
			t.Errorf("%v has no retransmission", c.Kind)
		}
	}
	if len(kinds) != 4 || !video.nack || video.rtx == 0 || video.ssrc == 0 {
		t.Errorf("the video slot can carry %v, NACK %v, RTX on %d; want four codecs with both", kinds, video.nack, video.rtx)
	}
	if video.fec == 0 || video.fecType != 49 || !strings.Contains(answer, "a=ssrc-group:FEC-FR") {
		t.Errorf("repair packets on %d of type %d; want them as Chromium offers to receive them", video.fec, video.fecType)
	}
}

// A receiver that offers repair packets in the older form only is answered with
// it, on the sections that it receives on and nowhere else; whoever offers the
// newer form gets that.
func TestOlderRepairIsAnswered(t *testing.T) {
	m := newMedia(t)
	older := strings.NewReplacer(" 119 120 49\r", " 119 120\r", "a=rtpmap:49 flexfec-03/90000\r\n", "",
		"a=fmtp:49 repair-window=10000000\r\n", "", "a=rtcp-fb:49 goog-remb\r\n", "", "a=rtcp-fb:49 transport-cc\r\n", "").Replace(chromium)
	if strings.Contains(older, ":49 ") || older == chromium {
		t.Fatal("FlexFEC is still offered")
	}
	for _, tt := range []struct {
		name, offer string
		older       bool
	}{{"newer", chromium, false}, {"older", older, true}} {
		t.Run(tt.name, func(t *testing.T) {
			p, answer, err := m.NewPeer(t.Context(), tt.offer, deaf{})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			sending, receiving, _ := strings.Cut(answer, "a=mid:4\r\n")
			if strings.Contains(sending, "ulpfec") || strings.Contains(sending, " red/90000") {
				t.Error("the camera is asked for the older form")
			}
			if got := strings.Contains(receiving, "ulpfec"); got != tt.older {
				t.Errorf("the slot's section has the older form: %v, want %v\n%s", got, tt.older, receiving)
			}
			video := p.slots[1]
			want := [2]uint8{}
			if tt.older {
				want = [2]uint8{118, 120}
			}
			if [2]uint8{video.red, video.ulp} != want || (video.fec != 0) == tt.older {
				t.Errorf("red %d, ulpfec %d, flexfec on %d", video.red, video.ulp, video.fec)
			}
		})
	}
}

// mutate changes an offer as the bytes say, line by line, so that most of it
// still is what a parser expects.
func mutate(offer string, edits []byte) string {
	lines := strings.Split(strings.TrimSuffix(offer, "\r\n"), "\r\n")
	values := []string{"", "0", "-1", "127", "128", "255", "65536", "4294967296", "99999999999999999999", "x", "a=b=c", ";", "~", "\x00",
		"q;h;f", "recv", "send", "sendrecv", "apt=96", "inactive", "1 1", strings.Repeat("A", 300)}
	for len(edits) >= 4 && len(lines) > 0 {
		at := (int(edits[1])<<8 | int(edits[2])) % len(lines)
		argument := int(edits[3])
		line := lines[at]
		switch edits[0] % 8 {
		case 0:
			lines = append(lines[:at], lines[at+1:]...)
		case 1:
			lines = append(lines[:at+1], lines[at:]...)
		case 2:
			other := argument * len(lines) / 256
			lines[at], lines[other] = lines[other], lines[at]
		case 3: // another value for one of the line's words
			words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ':' || r == '=' || r == '/' || r == ';' })
			if len(words) > 0 {
				lines[at] = strings.Replace(line, words[argument%len(words)], values[argument%len(values)], 1)
			}
		case 4:
			lines[at] = line[:argument*len(line)/256]
		case 5:
			lines[at] = line + values[argument%len(values)]
		case 6:
			if len(line) > 0 {
				b := []byte(line)
				b[argument%len(b)] ^= 1 << (argument % 8)
				lines[at] = string(b)
			}
		case 7: // a section once more, under another name
			begin := strings.LastIndex("\n"+strings.Join(lines[:at+1], "\n"), "\nm=")
			if begin > 0 && len(lines) < 1500 {
				first := strings.Count(strings.Join(lines, "\n")[:begin], "\n")
				for _, again := range lines[first : at+1] {
					if strings.HasPrefix(again, "a=mid:") {
						again += "x"
					}
					lines = append(lines, again)
				}
			}
		}
		edits = edits[4:]
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

// FuzzNegotiate: no offer, first or later, makes us or pion panic, or leaves
// anything behind.
func FuzzNegotiate(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add([]byte{0, 0, 5, 0}, []byte{3, 0, 60, 4})
	f.Add([]byte{1, 0, 90, 0, 3, 0, 91, 9, 7, 0, 40, 0}, []byte{2, 0, 10, 200})
	f.Add([]byte{4, 0, 30, 100, 5, 1, 0, 8, 6, 0, 77, 13}, []byte{7, 1, 80, 0})
	m := newMedia(f)
	f.Fuzz(func(t *testing.T, first, later []byte) {
		if len(first)+len(later) > 256 {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		p, answer, err := m.NewPeer(ctx, mutate(chromium, first), deaf{})
		if err != nil {
			if !errors.Is(err, ErrOffer) {
				t.Fatalf("a client's offer is our own error: %v", err)
			}
			return
		}
		defer p.Close()
		if !strings.HasPrefix(answer, "v=0") {
			t.Fatalf("answered %q", answer)
		}
		if _, err := p.Restart(ctx, mutate(strings.ReplaceAll(chromium, "a=ice-ufrag:", "a=ice-ufrag:zz"), later)); err != nil && !errors.Is(err, ErrOffer) {
			t.Fatalf("a client's second offer is our own error: %v", err)
		}
	})
}
