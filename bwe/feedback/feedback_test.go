package feedback

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
	"pgregory.net/rapid"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

var epoch = time.Unix(1_700_000_000, 0)

func newRecorder(t testing.TB) *Recorder {
	t.Helper()
	cfg := DefaultRecorderConfig()
	cfg.SenderSSRC, cfg.MediaSSRC = 0x11223344, 0x55667788
	r, err := NewRecorder(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// reports builds and decodes everything that is pending.
func reports(t testing.TB, r *Recorder, d *Decoder, now time.Time, highest int64) []bwe.PacketReport {
	t.Helper()
	var out []bwe.PacketReport
	for more := true; more; {
		var b []byte
		b, more = r.Build(now, nil)
		if len(b) == 0 {
			return out
		}
		var p rtcp.TransportLayerCC
		if err := p.Unmarshal(b); err != nil {
			t.Fatalf("pion/rtcp refuses our report: %v\n%x", err, b)
		}
		var err error
		if out, err = d.Decode(out, b, highest); err != nil {
			t.Fatalf("decode: %v\n%x", err, b)
		}
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	r, d := newRecorder(t), &Decoder{}
	r.OnArrival(epoch, 65534, 1000)
	r.OnArrival(epoch.Add(10*time.Millisecond), 65535, 1000)
	r.OnArrival(epoch.Add(300*time.Millisecond), 2, 1000) // 0 and 1 are lost
	r.OnArrival(epoch.Add(290*time.Millisecond), 3, 1000) // time does not go back
	got := reports(t, r, d, epoch.Add(400*time.Millisecond), 65536*3+10)
	first := got[0].Arrival
	for i := range got {
		got[i].Arrival -= first
		if !got[i].Received {
			got[i].Arrival = 0
		}
	}
	base := int64(65536*2 + 65534)
	want := []bwe.PacketReport{
		{Sequence: base, Received: true},
		{Sequence: base + 1, Received: true, Arrival: 10 * time.Millisecond},
		{Sequence: base + 2},
		{Sequence: base + 3},
		{Sequence: base + 4, Received: true, Arrival: 300 * time.Millisecond},
		{Sequence: base + 5, Received: true, Arrival: 300 * time.Millisecond},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// Whatever arrives in whatever order, both our decoder and pion's parser read
// back exactly what was recorded, and each packet is at most MaxSize.
func TestRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := DefaultRecorderConfig()
		cfg.MaxSize = rapid.SampledFrom([]int{700, 1100, 4000}).Draw(t, "size")
		r, err := NewRecorder(cfg)
		if err != nil {
			t.Fatal(err)
		}
		first := rapid.Int64Range(1<<16, 1<<20).Draw(t, "first")
		trip := roundTrip{Recorder: r, now: epoch, first: first, sent: first, arrival: map[int64]time.Duration{}}
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			trip.receive(t)
			trip.check(t, trip.reports(t, cfg.MaxSize))
		}
		if r.pending() {
			t.Fatal("something is still pending")
		}
	})
}

// roundTrip is a recorder, what reached it, and who decodes what it tells.
type roundTrip struct {
	*Recorder
	decoder     Decoder
	now         time.Time
	first, sent int64
	arrival     map[int64]time.Duration // of each packet that came
}

// receive has packets come with gaps and pauses, some left out, some late.
func (r *roundTrip) receive(t *rapid.T) {
	for range rapid.IntRange(0, 60).Draw(t, "packets") {
		r.now = r.now.Add(time.Duration(rapid.Int64Range(0, int64(40*time.Millisecond)).Draw(t, "gap")))
		if rapid.IntRange(0, 40).Draw(t, "pause?") == 0 {
			r.now = r.now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "pause")))
		}
		r.sent += rapid.SampledFrom([]int64{1, 1, 1, 1, 1, 2, 9, 40}).Draw(t, "step")
		seq := r.sent
		if rapid.IntRange(0, 9).Draw(t, "late?") == 0 {
			seq = max(r.first, r.sent-int64(rapid.IntRange(0, 30).Draw(t, "late")))
		}
		r.OnArrival(r.now, uint16(seq), 1000)
		if _, ok := r.arrival[seq]; !ok {
			r.arrival[seq] = r.now.Sub(r.epoch) / tick * tick
		}
	}
}

// reports answers what the recorder tells now, as pion and the decoder read it.
func (r *roundTrip) reports(t *rapid.T, maxSize int) map[int64]bwe.PacketReport {
	seen := map[int64]bwe.PacketReport{}
	for more := true; more; {
		var b []byte
		b, more = r.Build(r.now, nil)
		if len(b) == 0 {
			break
		}
		if len(b) > maxSize {
			t.Fatalf("a report of %d bytes, at most %d", len(b), maxSize)
		}
		var p rtcp.TransportLayerCC
		if err := p.Unmarshal(b); err != nil {
			t.Fatalf("pion/rtcp refuses: %v", err)
		}
		got, err := r.decoder.Decode(nil, b, r.sent)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != int(p.PacketStatusCount) {
			t.Fatalf("%d reports of %d", len(got), p.PacketStatusCount)
		}
		for _, g := range got {
			seen[g.Sequence] = g
		}
	}
	return seen
}

// check holds a report against what came: the moments may all be off by the same.
func (r *roundTrip) check(t *rapid.T, seen map[int64]bwe.PacketReport) {
	var offset time.Duration
	first := true
	for s := r.first; s <= r.sent; s++ {
		g, ok := seen[s]
		if !ok || !g.Received {
			continue
		}
		want, did := r.arrival[s]
		if !did {
			t.Fatalf("packet %d is reported and never came", s)
		}
		if first {
			offset, first = g.Arrival-want, false
		}
		if g.Arrival-want != offset {
			t.Fatalf("packet %d: arrival is off by %v", s, g.Arrival-want-offset)
		}
	}
	for s, g := range seen {
		if _, did := r.arrival[s]; did && !g.Received {
			t.Fatalf("packet %d came and is reported lost", s)
		}
	}
}

// pion/interceptor's recorder, fed the same packets, is read to the same arrivals.
func TestAgreesWithPionRecorder(t *testing.T) {
	ours, theirs := newRecorder(t), twcc.NewRecorder(1)
	state := uint64(7)
	random := func(n uint64) uint64 {
		state = state*6364136223846793005 + 1442695040888963407
		return state >> 33 % n
	}
	now, seq := epoch, uint16(65000)
	var d1, d2 Decoder
	for round := range 50 {
		for range 30 {
			now = now.Add(time.Duration(random(120)) * tick)
			seq++
			if random(8) == 0 {
				continue // lost
			}
			ours.OnArrival(now, seq, 1200)
			theirs.Record(0x55667788, seq, now.Sub(epoch).Microseconds())
		}
		a := reports(t, ours, &d1, now, int64(seq)+1<<17)
		var b []bwe.PacketReport
		for _, p := range theirs.BuildFeedbackPacket() {
			raw, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if b, err = d2.Decode(b, raw, int64(seq)+1<<17); err != nil {
				t.Fatal(err)
			}
		}
		if len(a) != len(b) || len(a) == 0 {
			t.Fatalf("round %d: %d reports, pion's recorder gives %d", round, len(a), len(b))
		}
		var shift time.Duration
		for i := range a {
			if a[i].Received && b[i].Received {
				shift = a[i].Arrival - b[i].Arrival
				break
			}
		}
		for i := range a {
			if a[i].Received {
				a[i].Arrival -= shift
			}
		}
		if diff := cmp.Diff(b, a); diff != "" {
			t.Fatalf("round %d: %s", round, diff)
		}
	}
}

func TestReferenceTimeWraps(t *testing.T) {
	r, d := newRecorder(t), &Decoder{}
	now := epoch
	r.OnArrival(now, 1, 100)
	last := reports(t, r, d, now, 70000)[0].Arrival
	step := 4 * 24 * time.Hour // the wire wraps after 12.4 days
	for i := range uint16(10) {
		now = now.Add(step)
		r.OnArrival(now, 2+i, 100)
		got := reports(t, r, d, now, 70000)
		if at := got[len(got)-1].Arrival; at-last != step {
			t.Fatalf("step %d: arrival rose by %v, want %v", i, at-last, step)
		} else {
			last = at
		}
	}
}

// What reports cost is held: a share of what arrives, or one report a second,
// whichever is more, headers included; and they come no more often than that
// needs.
func TestReportsCostTheirShare(t *testing.T) {
	const d = 2 * time.Minute
	for _, c := range []struct {
		every time.Duration
		size  units.Size
		jumps bool // the delay jumps all the time
	}{
		{10 * time.Millisecond, 1250, false},  // 1 Mbit/s
		{100 * time.Millisecond, 1000, false}, // 80 kbit/s
		{100 * time.Millisecond, 625, false},  // 50 kbit/s
		{100 * time.Millisecond, 625, true},
		{60 * time.Millisecond, 150, false},  // 20 kbit/s
		{120 * time.Millisecond, 150, false}, // 10 kbit/s
		{400 * time.Millisecond, 100, false}, // 2 kbit/s
	} {
		r := newRecorder(t)
		var spent, once, reports int
		now, seq := epoch, uint16(0)
		for now.Before(epoch.Add(d)) {
			now = now.Add(c.every)
			seq++
			at := now
			if c.jumps && seq%20 < 10 {
				at = at.Add(300 * time.Millisecond)
			}
			r.OnArrival(at, seq, c.size)
			r.OnMedia(at, 1, uint32(now.Sub(epoch)/time.Millisecond)*90, 90000)
			if r.Due(at) {
				b, _ := r.Build(at, nil)
				once = len(b) + int(reportOverhead)
				spent += once
				reports++
			}
		}
		rate := float64(c.size) / c.every.Seconds()
		allowed := max(0.025*rate, float64(once))
		// The first come on credit, which one report a second cannot pay back.
		credit := 8 * float64(once) / d.Seconds()
		if got := float64(spent) / d.Seconds(); got > 1.02*allowed+credit {
			t.Errorf("%d bytes every %v: reports cost %.0f B/s, allowed are %.0f", c.size, c.every, got, allowed)
		}
		// No less than four fifths of what they may, or of 20 a second.
		if want := 0.8 * min(allowed/float64(once), 20); float64(reports)/d.Seconds() < want {
			t.Errorf("%d bytes every %v: %.1f reports a second, want at least %.1f", c.size, c.every, float64(reports)/d.Seconds(), want)
		}
	}
}

// A report leaves with an arrival, not between two.
func TestReportsLeaveWithAnArrival(t *testing.T) {
	r := newRecorder(t)
	now, seq, with, between := epoch, uint16(0), 0, 0
	for now.Before(epoch.Add(20 * time.Second)) {
		for end := now.Add(190 * time.Millisecond); now.Before(end); now = now.Add(time.Millisecond) {
			if r.Due(now) {
				r.Build(now, nil)
				between++
			}
		}
		seq++
		r.OnArrival(now, seq, 1200) // 50 kbit/s
		if r.Due(now) {
			r.Build(now, nil)
			with++
		}
	}
	if between > 10 || with < 3*between {
		t.Errorf("%d reports with an arrival, %d between two", with, between)
	}
}

// steadily lets packets arrive for some seconds, reports what is due, and
// answers when it ended and the next sequence number.
func steadily(r *Recorder, d time.Duration) (time.Time, uint16) {
	now, seq := epoch, uint16(0)
	for ; now.Before(epoch.Add(d)); now = now.Add(100 * time.Millisecond) {
		arriveAndReport(r, now, now, seq)
		seq++
	}
	return now, seq
}

// arriveAndReport answers whether a report was due after a packet.
func arriveAndReport(r *Recorder, now, made time.Time, seq uint16) bool {
	r.OnArrival(now, seq, 625)
	r.OnMedia(now, 1, uint32(made.Sub(epoch)/time.Millisecond)*90, 90000)
	if !r.Due(now) {
		return false
	}
	r.Build(now, nil)
	return true
}

// soonest counts packets, 100 ms apart, until one is reported, when each comes
// later than it should by so much more.
func soonest(r *Recorder, now time.Time, seq uint16, later time.Duration) int {
	r.Build(now.Add(-60*time.Millisecond), nil)
	r.budget.left = 0
	late := time.Duration(0)
	for i := 1; i < 20; i++ {
		made := now
		late += later
		if arriveAndReport(r, now.Add(late), made, seq) {
			return i
		}
		seq++
		now = now.Add(100 * time.Millisecond)
	}
	return 20
}

func TestADelayJumpIsReportedAtOnce(t *testing.T) {
	r := newRecorder(t)
	now, seq := steadily(r, 20*time.Second)
	usual := soonest(r, now, seq, 0)
	r = newRecorder(t)
	now, seq = steadily(r, 20*time.Second)
	if n := soonest(r, now, seq, 60*time.Millisecond); n > 3 || n >= usual {
		t.Errorf("a delay that rises is reported after %d packets, one that does not after %d", n, usual)
	}
}

// On another path reports are quick again, on credit.
func TestAnotherRouteIsReportedQuickly(t *testing.T) {
	r := newRecorder(t)
	count := func(from time.Time, seq uint16) (n int) {
		for i := range 20 { // a second of voice
			if arriveAndReport(r, from.Add(time.Duration(i)*50*time.Millisecond), from, seq+uint16(i)) {
				n++
			}
		}
		return n
	}
	now, seq := steadily(r, 20*time.Second)
	slow := count(now, seq)
	r.RouteChanged()
	if quick := count(now.Add(time.Second), seq+20); quick < firstReports || quick < slow+3 {
		t.Errorf("%d reports in the second after a change of route, %d in that before", quick, slow)
	}
}

func TestALossBurstIsReportedAtOnce(t *testing.T) {
	r := newRecorder(t)
	now, seq := steadily(r, 20*time.Second)
	if n := soonest(r, now, seq+lossBurst, 0); n != 1 {
		t.Errorf("after a burst of losses %d packets came before a report", n)
	}
}

// What a sender's clock does must not hold reports back, nor cause a flood.
func TestTrendBearsOddClocks(t *testing.T) {
	var d trend
	now := epoch
	if d.note(now, 50*time.Millisecond, 1, 0, 0) || d.note(now, 50*time.Millisecond, 1, 5, 90000) {
		t.Error("the first packet is no jump")
	}
	for i := range uint32(100) {
		now = now.Add(20 * time.Millisecond)
		// Streams with clocks of their own; one that runs backwards, one that leaps.
		d.note(now, 50*time.Millisecond, 2, 1<<31-50+i*960, 48000)
		d.note(now, 50*time.Millisecond, 3, -i*90000, 90000)
		d.note(now, 50*time.Millisecond, 4, i*1<<28, 8000)
		for s := range uint32(2 * streams) {
			d.note(now, 50*time.Millisecond, 100+s, i*960, 48000)
		}
	}
	if d.level < 0 || math.IsNaN(d.level) || d.level > float64(foreign) {
		t.Errorf("level %v", d.level)
	}
}

func TestNextAndUrgency(t *testing.T) {
	r := newRecorder(t)
	if !r.Next().IsZero() {
		t.Fatal("nothing arrived, nothing is due")
	}
	r.OnArrival(epoch, 1, 100)
	if got := r.Next().Sub(epoch); got != 100*time.Millisecond {
		t.Fatalf("first report after %v, want 100ms", got)
	}
	r.OnArrival(epoch.Add(time.Millisecond), 9, 100)
	if got := r.Next().Sub(epoch); got != 50*time.Millisecond {
		t.Fatalf("after a burst of losses the report is due at %v, want 50ms", got)
	}
	r.Build(epoch.Add(50*time.Millisecond), nil)
	if !r.Next().IsZero() {
		t.Fatal("all was reported, nothing is due")
	}
}

func TestHostileSequences(t *testing.T) {
	r, d := newRecorder(t), &Decoder{}
	r.OnArrival(epoch, 100, 100)
	r.OnArrival(epoch, 30000, 100) // one stray packet changes nothing
	r.OnArrival(epoch, 101, 100)
	if got := reports(t, r, d, epoch, 1<<16+101); len(got) != 2 || got[1].Sequence != 1<<16+101 {
		t.Fatalf("after a stray packet: %v", got)
	}
	for i := range uint16(resync) {
		r.OnArrival(epoch, 40000+i, 100) // a sender that counts anew
	}
	got := reports(t, r, d, epoch, 1<<16+40000+resync)
	if len(got) != 1 || uint16(got[0].Sequence) != 40000+resync-1 {
		t.Fatalf("after a new numbering: %v", got)
	}
}

func TestDecodeBoundsLies(t *testing.T) {
	var d Decoder
	lie := lyingReport(0, 65535, 0x1fff, 0x1fff, 0x1fff, 0x1fff, 0x1fff, 0x1fff, 0x1fff, 0x1fff, 0x1fff)
	got, err := d.Decode(nil, lie, 20000)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != Window || got[0].Sequence != 20000-Window+1 || got[Window-1].Sequence != 20000 {
		t.Fatalf("%d reports, %d to %d; want the %d newest that were sent", len(got), got[0].Sequence, got[len(got)-1].Sequence, Window)
	}
	if got, err := d.Decode(nil, lie, -1); err != nil || len(got) != 0 {
		t.Fatalf("nothing was sent, yet %d reports, %v", len(got), err)
	}
	for name, b := range map[string][]byte{
		"empty":           nil,
		"other format":    {0x8e, 205, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"short header":    {0x8f, 205, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"length past end": {0x8f, 205, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"no chunks":       lyingReport(0, 1),
		"no deltas":       lyingReport(0, 100, 0x2000|100),
		"runs of nothing": lyingReport(0, 10, 0, 0, 0, 0),
	} {
		before := []bwe.PacketReport{{Sequence: 7}}
		got, err := d.Decode(before, b, 100)
		if err == nil || len(got) != 1 {
			t.Errorf("%s: accepted, %v", name, got)
		}
		if !errors.Is(err, ErrNotTWCC) && !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: %v is no error of ours", name, err)
		}
	}
}

// lyingReport makes a report with these chunks and no deltas.
func lyingReport(base, count uint16, chunks ...uint16) []byte {
	b := []byte{0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2}
	b = binary.BigEndian.AppendUint16(b, base)
	b = binary.BigEndian.AppendUint16(b, count)
	b = append(b, 0, 0, 1, 0)
	for _, c := range chunks {
		b = binary.BigEndian.AppendUint16(b, c)
	}
	return finish(b, 0)
}

func TestMissingReportsAreCounted(t *testing.T) {
	r := newRecorder(t)
	var d Decoder
	for i := range uint16(10) {
		r.OnArrival(epoch, i, 100)
		b, _ := r.Build(epoch, nil)
		if i == 4 || i == 5 {
			continue // lost on the way back
		}
		if _, err := d.Decode(nil, b, 100); err != nil {
			t.Fatal(err)
		}
	}
	if d.Missing() != 2 {
		t.Fatalf("%d reports missing, want 2", d.Missing())
	}
}
