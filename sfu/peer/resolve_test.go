package peer

import (
	"testing"

	"github.com/pion/rtp"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
)

// identified is a peer's incoming side with a camera of two layers and a microphone.
func identified(t *testing.T) *ingress {
	t.Helper()
	m := &Media{pool: packet.NewPool()}
	m.workers = []*worker{newWorker(0, &m.counts)}
	p := &Peer{media: m, worker: m.workers[0], handler: deaf{}, mux: &boundMux{}}
	g, err := newIngress(p)
	if err != nil {
		t.Fatal(err)
	}
	p.ingress = g
	p.egress = &egress{peer: p, index: -1}
	g.ids = profile.IDs{MID: 1, RID: 2, RepairedRID: 3}
	g.formats[96].Kind, g.formats[111].Kind = codec.VP8, codec.Opus
	g.formats[97] = profile.Format{Kind: codec.RTX, APT: 96}
	microphone, camera := &section{mid: "0"}, &section{mid: "1", video: true, rids: []string{"q", "h"}}
	g.sections = []*section{microphone, camera}
	g.declared[50] = declaredSSRC{section: microphone}
	g.declared[60] = declaredSSRC{section: camera}
	g.declared[61] = declaredSSRC{section: camera, repairs: 60}
	return g
}

// named is a header with ids in its extensions.
func named(t *testing.T, ssrc uint32, pt uint8, mid, rid, repaired string) *rtp.Header {
	t.Helper()
	h := &rtp.Header{Version: 2, SSRC: ssrc, PayloadType: pt}
	for id, value := range map[uint8]string{1: mid, 2: rid, 3: repaired} {
		if value == "" {
			continue
		}
		if err := h.SetExtension(id, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestStreamsAreKnownByTheirIDs(t *testing.T) {
	g := identified(t)
	q := g.resolve(named(t, 10, 96, "1", "q", ""))
	h := g.resolve(named(t, 11, 96, "1", "h", ""))
	if q == nil || h == nil || q.section.mid != "1" || q.rid != "q" || h.rid != "h" || q.repair || h.repair {
		t.Fatalf("the layers are %+v and %+v", q, h)
	}
	// RFC 8852 §3.2: the repair stream names the rid that it repairs.
	repair := g.resolve(named(t, 12, 97, "1", "", "h"))
	if repair == nil || !repair.repair || repair.media != h {
		t.Errorf("the repair stream is %+v, want one of layer h", repair)
	}
	// Once known, the ids need not come again.
	if again := g.resolve(named(t, 10, 96, "", "", "")); again != q {
		t.Errorf("without ids the stream is %+v", again)
	}
	if m := g.resolve(named(t, 50, 111, "", "", "")); m == nil || m.section.mid != "0" {
		t.Errorf("the declared microphone is %+v", m)
	}
	camera := g.resolve(named(t, 60, 96, "", "", ""))
	if r := g.resolve(named(t, 61, 97, "", "", "")); r == nil || !r.repair || r.media != camera {
		t.Errorf("the declared repair stream is %+v", r)
	}
}

func TestStrangeStreamsAreGivenUp(t *testing.T) {
	g := identified(t)
	for range maxUnresolved + 10 {
		if in := g.resolve(named(t, 99, 96, "", "", "")); in != nil {
			t.Fatalf("a stranger is %+v", in)
		}
	}
	if in := g.resolve(named(t, 99, 96, "1", "q", "")); in != nil {
		t.Errorf("a stranger names itself after %d packets and is %+v", maxUnresolved, in)
	}
	if in := g.resolve(named(t, 98, 96, "7", "q", "")); in != nil {
		t.Errorf("a stream of a section that does not exist is %+v", in)
	}
}

func TestRepairBeforeMediaFindsItLater(t *testing.T) {
	g := identified(t)
	repair := g.resolve(named(t, 12, 97, "1", "", "q"))
	if repair == nil || repair.media != nil {
		t.Fatalf("the repair stream is %+v before its media", repair)
	}
	q := g.resolve(named(t, 10, 96, "1", "q", ""))
	if again := g.resolve(named(t, 12, 97, "", "", "")); again.media != q {
		t.Errorf("the repair stream repairs %+v, want layer q", again.media)
	}
}
