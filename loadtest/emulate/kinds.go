package emulate

import (
	"fmt"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/link"
)

// Kind counts what is alike in one direction, offered to the link.
type Kind struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// kinds counts packets of a call by what is clear in them: the first bytes say
// which protocol (RFC 7983), the payload type which stream (RFC 3550 §5.1), and
// the first packet type what a compound of RTCP begins with (RFC 5761 §4). What
// encryption hides stays hidden.
type kinds struct {
	request, answer, dtls, other link.Count
	rtp, rtcp                    [128]link.Count
}

// add counts the payload of a datagram that has size bytes with its headers.
func (k *kinds) add(payload []byte, size units.Size) {
	c := k.of(payload)
	c.Packets++
	c.Bytes += size
}

func (k *kinds) of(b []byte) *link.Count {
	switch {
	case len(b) < 2:
	case b[0] <= 3 && b[0]&1 == 1: // the class's high bit (RFC 8489 §5)
		return &k.answer
	case b[0] <= 3:
		return &k.request
	case b[0] >= 20 && b[0] <= 63:
		return &k.dtls
	case b[0] >= 128 && b[0] <= 191 && b[1] >= 192 && b[1] <= 223:
		return &k.rtcp[b[1]&0x7f]
	case b[0] >= 128 && b[0] <= 191:
		return &k.rtp[b[1]&0x7f]
	}
	return &k.other
}

// report names the kinds that occurred; nil for none.
func (k *kinds) report() map[string]Kind {
	var all map[string]Kind
	put := func(name string, c link.Count) {
		if c.Packets == 0 {
			return
		}
		if all == nil {
			all = make(map[string]Kind)
		}
		all[name] = Kind{c.Packets, uint64(c.Bytes)}
	}
	put("STUN request", k.request)
	put("STUN answer", k.answer)
	put("DTLS", k.dtls)
	put("other", k.other)
	for i := range k.rtp {
		put(fmt.Sprintf("RTP %d", i), k.rtp[i])
		put(fmt.Sprintf("RTCP %d", i|0x80), k.rtcp[i])
	}
	return all
}
