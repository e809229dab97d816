package uplink

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/rivulet-rtc/rivulet/codec"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
)

const (
	mediaSSRC  = 0x1111
	repairSSRC = 0x2222
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 13, time.UTC)

// VP8 payloads: descriptor with S=1, then the P bit; RFC 7741 §4.2 and §4.3.
var (
	keyPayload   = []byte{0x10, 0x00, 0x9d, 0x01, 0x2a}
	deltaPayload = []byte{0x10, 0x01, 0, 0, 0}
	restPayload  = []byte{0x00, 7, 7, 7} // continuation of a frame
)

// publisher plays packets to a stream in virtual time.
type publisher struct {
	stream    *Stream
	pool      *packet.Pool
	now       time.Time
	timestamp uint32
}

func newPublisher(cfg Config) *publisher {
	if cfg.SSRC == 0 {
		cfg.SSRC = mediaSSRC
	}
	if cfg.Kind == codec.Unknown {
		cfg.Kind = codec.VP8
	}
	return &publisher{stream: New(cfg), pool: packet.NewPool(), now: start, timestamp: 1000}
}

func (u *publisher) after(d time.Duration) *publisher {
	u.now = u.now.Add(d)
	u.timestamp += uint32(d.Seconds() * 90000)
	return u
}

// packet fills a packet as sfu/peer does; the caller releases it.
func (u *publisher) packet(ssrc uint32, sequence uint16, payload ...byte) *packet.Packet {
	p := u.pool.Get()
	p.SSRC, p.Sequence, p.Timestamp, p.PayloadType = ssrc, sequence, u.timestamp, 96
	p.Payload = p.Buffer()[:copy(p.Buffer(), payload)]
	return p
}

// send delivers one media packet and answers its verdict and unwrapped number.
func (u *publisher) send(sequence uint16, payload ...byte) (Verdict, int64) {
	p := u.packet(mediaSSRC, sequence, payload...)
	defer p.Release()
	v := u.stream.Receive(u.now, p)
	return v, p.Extended
}

// repair delivers one retransmission.
func (u *publisher) repair(original uint16, payload ...byte) (Verdict, int64) {
	p := u.packet(repairSSRC, 9, append(binary.BigEndian.AppendUint16(nil, original), payload...)...)
	defer p.Release()
	v := u.stream.ReceiveRTX(u.now, p)
	return v, p.Extended
}

func (u *publisher) run(t *testing.T, sequences ...uint16) {
	t.Helper()
	for _, sequence := range sequences {
		if v, _ := u.send(sequence, deltaPayload...); v != Accepted {
			t.Fatalf("packet %d: got %v, want accepted", sequence, v)
		}
	}
}

func (u *publisher) expectNACKs(t *testing.T, want ...uint16) {
	t.Helper()
	if got := u.stream.AppendNACKs(u.now, nil); !slices.Equal(got, want) {
		t.Fatalf("NACKs: got %v, want %v", got, want)
	}
}

// close ends the stream and proves that it gave every packet back.
func (u *publisher) close(t *testing.T) {
	t.Helper()
	u.stream.Close()
	if n := u.pool.InUse(); n != 0 {
		t.Fatalf("%d packets in use after Close", n)
	}
}
