package uplink

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
)

// drive delivers a 1000-byte packet every millisecond with 5 % loss, half of
// which is repaired, and serves NACKs and the tick as sfu/peer does.
type drive struct {
	u        *publisher
	sequence uint16
	nacks    []uint16
}

func newDrive() *drive {
	d := &drive{u: newPublisher(Config{NACK: true, RTXSSRC: repairSSRC}), nacks: make([]uint16, 0, maxMissing)}
	for range 4096 { // fill the cache and the pool
		d.step()
	}
	return d
}

func (d *drive) step() {
	d.u.after(time.Millisecond)
	d.sequence++
	if d.sequence%20 == 0 {
		d.sequence++
	}
	p := d.u.pool.Get()
	p.SSRC, p.Sequence, p.Timestamp = mediaSSRC, d.sequence, d.u.timestamp
	p.Payload = p.Buffer()[:1000]
	copy(p.Payload, deltaPayload)
	d.u.stream.Receive(d.u.now, p)
	p.Release()
	if next := d.u.stream.Next(); next.IsZero() || next.After(d.u.now) {
		return
	}
	d.nacks = d.u.stream.AppendNACKs(d.u.now, d.nacks[:0])
	d.u.stream.Tick(d.u.now)
	for i, sequence := range d.nacks {
		if i%2 == 0 {
			d.repair(sequence)
		}
	}
}

func (d *drive) repair(sequence uint16) {
	p := d.u.pool.Get()
	p.SSRC, p.Timestamp = repairSSRC, d.u.timestamp
	p.Payload = p.Buffer()[:1002]
	binary.BigEndian.PutUint16(p.Payload, sequence)
	copy(p.Payload[2:], deltaPayload)
	d.u.stream.ReceiveRTX(d.u.now, p)
	p.Release()
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	d := newDrive()
	if n := testing.AllocsPerRun(5000, func() {
		d.step()
		d.u.stream.WantKeyframe(d.u.now)
		d.u.stream.KeyframeDue(d.u.now)
		d.u.stream.ReceptionReport(d.u.now)
		d.u.stream.Rates(d.u.now)
		d.u.stream.Active(d.u.now)
	}); n != 0 {
		t.Fatalf("%v allocations a packet, want none", n)
	}
	if stats := d.u.stream.Stats(); stats.NACKs == 0 || stats.Recovered == 0 {
		t.Fatalf("nothing was repaired: %+v", stats)
	}
	d.u.close(t)
}

func BenchmarkReceiveVideo(b *testing.B) {
	d := newDrive()
	b.ReportAllocs()
	for b.Loop() {
		d.step()
	}
}

func BenchmarkReceiveAudio(b *testing.B) {
	u := newPublisher(Config{Kind: codec.Opus})
	sequence := uint16(0)
	b.ReportAllocs()
	for b.Loop() {
		u.now = u.now.Add(20 * time.Millisecond)
		sequence++
		p := u.pool.Get()
		p.SSRC, p.Sequence, p.Timestamp = mediaSSRC, sequence, uint32(sequence)*960
		p.Payload = p.Buffer()[:60]
		u.stream.Receive(u.now, p)
		p.Release()
	}
}
