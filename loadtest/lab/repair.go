package lab

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/pion/rtcp"

	"github.com/rivulet-rtc/rivulet/bwe/pacing"
	"github.com/rivulet-rtc/rivulet/bwe/units"
)

// Metrics of flows that repair, by their names in JSON.
const (
	// metricRepaired: media packets that came neither at first nor, within the
	// flow's room, again; per cent of those sent (RFC 8868 §3.1: loss after
	// repair).
	metricRepaired = "loss_after_repair"
	// metricResent, metricAsked: what retransmissions and the requests for
	// them cost, kbit/s a flow, IP bytes.
	metricResent = "repair_kbps"
	metricAsked  = "nack_kbps"
)

const (
	// maxAsks is how often one packet is asked for, and sent again.
	maxAsks = 3
	// maxLacks is how many packets are missed at one time; what is older is
	// given up.
	maxLacks = 256
	// maxAskCredit is how many requests may be saved up; each packet that comes
	// earns one. Without that bound repair can drown the flow itself.
	maxAskCredit = 128
	// leastAskWait is how long a packet may be out of order before it is asked
	// for, and leastAskAgain the least time between two requests for it.
	leastAskWait  = 10 * time.Millisecond
	leastAskAgain = 20 * time.Millisecond
	// reordered is by how many newer packets a missing one is taken for lost at
	// once (RFC 9002 §6.1.1).
	reordered = 3
	// kept is how many packets of each stream a sender remembers.
	kept = 1024
	// originalNumber is what a retransmission weighs more (RFC 4588 §4).
	originalNumber units.Size = 2
)

// lack is a packet that a receiver misses.
type lack struct {
	class   class
	number  int64 // in its stream, unwrapped
	noticed time.Duration
	due     time.Duration // next request
	asked   int
}

// asker decides what a receiver asks for again, as sfu/uplink does: after a
// wait for reordering, at most maxAsks times, as long as the answer can still
// come within the room of the jitter buffer, and no more requests than packets.
type asker struct {
	room    time.Duration
	lacks   []lack
	begun   [padding]bool // voice, video
	highest [padding]int64
	fastest time.Duration // transit
	usual   time.Duration // smoothed
	credit  int
}

func newAsker(room time.Duration) *asker {
	return &asker{room: room, fastest: never, credit: maxAskCredit}
}

// round is the round trip: the way back is taken for as long as the fastest way
// here, which may have a queue meanwhile.
func (a *asker) round() time.Duration { return a.fastest + a.usual }

// arrived notes a packet, of whatever kind.
func (a *asker) arrived(now time.Duration, p *packet) {
	if a.fastest == never {
		a.usual = now - p.sent
	}
	a.usual += (now - p.sent - a.usual) / 8
	a.fastest = min(a.fastest, now-p.sent)
	a.credit = min(a.credit+1, maxAskCredit)
	c, rtp := p.class, p.rtp
	if c == again {
		c, rtp = p.of, p.osn
	}
	if c >= padding {
		return
	}
	if !a.begun[c] {
		a.begun[c], a.highest[c] = true, int64(rtp)
		return
	}
	n := a.highest[c] + int64(int16(rtp-uint16(a.highest[c])))
	a.lacks = slices.DeleteFunc(a.lacks, func(l lack) bool { return l.class == c && l.number == n })
	if p.class == again || n <= a.highest[c] {
		return
	}
	wait := max(leastAskWait, a.round()/8)
	for m := max(a.highest[c]+1, n-maxLacks); m < n; m++ {
		a.lacks = append(a.lacks, lack{class: c, number: m, noticed: now, due: now + wait})
	}
	if over := len(a.lacks) - maxLacks; over > 0 {
		a.lacks = slices.Delete(a.lacks, 0, over)
	}
	a.highest[c] = n
	for i := range a.lacks {
		if l := &a.lacks[i]; l.class == c && l.asked == 0 && n-l.number >= reordered {
			l.due = min(l.due, now)
		}
	}
}

// next is when there is something to ask for.
func (a *asker) next() time.Duration {
	at := never
	for _, l := range a.lacks {
		at = min(at, l.due)
	}
	return at
}

// ask answers what to ask for now, of each stream, and forgets what would come
// too late.
func (a *asker) ask(now time.Duration) (wanted [padding][]uint16) {
	a.lacks = slices.DeleteFunc(a.lacks, func(l lack) bool {
		return l.asked == maxAsks || now+a.round() > l.noticed+a.room
	})
	for i := range a.lacks {
		l := &a.lacks[i]
		switch {
		case l.due > now:
		case a.credit == 0:
			l.due = now + leastAskAgain
		default:
			a.credit--
			l.asked++
			l.due = now + max(a.round()*5/4, leastAskAgain)*time.Duration(l.asked)
			wanted[l.class] = append(wanted[l.class], uint16(l.number))
		}
	}
	return wanted
}

// request sends what the receiver asks for on the way back, as NACKs of RFC
// 4585 §6.2.1, one packet for each stream.
func (r receiver) request(now time.Duration) {
	for c, numbers := range r.asker.ask(now) {
		if len(numbers) == 0 {
			continue
		}
		slices.Sort(numbers)
		nack := rtcp.TransportLayerNack{SenderSSRC: 1, MediaSSRC: uint32(c) + 1, Nacks: rtcp.NackPairsFromSequenceNumbers(numbers)}
		data, err := nack.Marshal()
		if err != nil { // more pairs than a packet holds: maxLacks is less
			panic(fmt.Sprintf("lab: a request that cannot be written: %v", err))
		}
		size := units.Size(len(data)) + reportHeaders
		r.meter.requested(size)
		r.back.send(packet{class: request, size: size, sent: now, data: data})
	}
}

// planRequest plans the next request.
func (r receiver) planRequest(now time.Duration) {
	at := r.asker.next()
	if at == never || at == r.askAt {
		return
	}
	r.askAt = max(at, now+1)
	r.world.at(r.askAt, r, ask)
}

// copied is a packet that may have to be sent again.
type copied struct {
	valid  bool
	size   units.Size
	rtp    uint16
	number int64
	sent   time.Duration
	made   time.Duration
	tries  int
}

// spent is a retransmission that was sent.
type spent struct {
	at   time.Duration
	size units.Size
}

// resender is the sender's half of repair.
type resender struct {
	room   time.Duration
	copies [padding][kept]copied
	spent  []spent // of the last second
}

// keep remembers a packet of media that was sent.
func (s *resender) keep(p *packet) {
	s.copies[p.class][p.rtp%kept] = copied{valid: true, size: p.size, rtp: p.rtp, number: p.number, sent: p.sent, made: p.made}
}

// inTime says whether what leaves now, and was sent first at a time, comes
// within the room.
func (s *resender) inTime(now, first time.Duration) bool { return now-first <= s.room }

// noteSpent counts a retransmission.
func (s *resender) noteSpent(now time.Duration, size units.Size) {
	s.spent = append(s.spent, spent{now, size})
}

// rate is what retransmissions took in the last second: the target is for all
// together (bwe.Decision).
func (s *resender) rate(now time.Duration) units.Rate {
	s.spent = slices.DeleteFunc(s.spent, func(x spent) bool { return now-x.at > time.Second })
	var total units.Size
	for _, x := range s.spent {
		total += x.size
	}
	return total.Over(time.Second)
}

// onRequest queues what was asked for and may still come in time.
func (f *flow) onRequest(now time.Duration, data []byte) {
	var nack rtcp.TransportLayerNack
	if err := nack.Unmarshal(data); err != nil || nack.MediaSSRC == 0 || nack.MediaSSRC > uint32(padding) {
		f.meter.refused++
		return
	}
	c := class(nack.MediaSSRC - 1)
	for _, pair := range nack.Nacks {
		for _, rtp := range pair.PacketList() {
			k := &f.resend.copies[c][rtp%kept]
			if !k.valid || k.rtp != rtp || k.tries == maxAsks || !f.resend.inTime(now, k.sent) {
				continue
			}
			k.tries++
			f.pacer.Push(epoch.Add(now), pacing.Item[unit]{
				Priority: pacing.Retransmission, Size: k.size + originalNumber, Flow: int(pacing.Retransmission),
				Value: unit{made: k.made, again: true, of: c, osn: rtp, original: k.number, first: k.sent},
			})
		}
	}
}

// repair is what a meter knows of repair.
type repair struct {
	room   time.Duration
	media  uint64                  // packets sent for the first time
	gone   map[int64]time.Duration // those that did not come, by number: when they were sent
	mended []time.Duration         // those that came again: how long after their first sending
	resent units.Size
	asked  units.Size
}

// requested counts a request of the receiver.
func (m *meter) requested(size units.Size) {
	m.feedback += size
	m.repair.asked += size
}

// came counts a retransmission that arrived; it answers whether it was of use.
func (p *repair) came(now time.Duration, original int64) bool {
	first, missed := p.gone[original]
	if missed {
		delete(p.gone, original)
		p.mended = append(p.mended, now-first)
	}
	return missed
}

// left is how many packets were lost after repair; fastest is the flow's least
// delay.
func (p *repair) left(fastest time.Duration) uint64 {
	n := uint64(len(p.gone))
	for _, d := range p.mended {
		if d > fastest+p.room {
			n++
		}
	}
	return n
}

// repairs adds the metrics of flows that repair.
func (o *observation) repairs(all map[string]Number) {
	var sent, left uint64
	var resent, asked units.Size
	flows, span := 0, time.Duration(0)
	for _, m := range o.forwardMeters() {
		if m.repair == nil {
			continue
		}
		fastest := time.Duration(math.MaxInt64) - m.repair.room
		for _, d := range m.delays() {
			fastest = min(fastest, d)
		}
		flows++
		span += m.end - m.begin
		sent += m.repair.media
		left += m.repair.left(fastest)
		resent += m.repair.resent
		asked += m.repair.asked
	}
	if flows == 0 || sent == 0 {
		return
	}
	all[metricRepaired] = Number(100 * float64(left) / float64(sent))
	all[metricResent] = Number(float64(resent.Over(span)) / 1000)
	all[metricAsked] = Number(float64(asked.Over(span)) / 1000)
}
