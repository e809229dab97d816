package feedback

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe"
)

// ErrNotCCFB says that a packet is no report of RFC 8888; it is to be ignored.
var ErrNotCCFB = errors.New("feedback: not a congestion control feedback report")

// StreamDecoder reads one receiver's reports by stream (RFC 8888). It belongs
// to one goroutine.
type StreamDecoder struct {
	started bool
	stamp   int64 // of the last report, unwrapped
}

// stampLimit is where unwrapped time stamps start over: only a receiver that
// lies gets there (34 years).
const stampLimit = 1 << 46

// Decode reads one RTCP packet and appends a report for each packet that it
// speaks of and that is known to have been sent, in the order of sending. A
// packet may be spoken of more than once. At most Window reports are appended.
func (d *StreamDecoder) Decode(dst []bwe.PacketReport, packet []byte, sent *Sent) ([]bwe.PacketReport, error) {
	if !IsCCFB(packet) {
		return dst, ErrNotCCFB
	}
	size := 4 * (int(binary.BigEndian.Uint16(packet[2:])) + 1)
	if size < ccfbFixed || size > len(packet) {
		return dst, ErrTruncated
	}
	packet = packet[:size]
	if packet[0]&(1<<5) != 0 { // padding, RFC 3550 §6.4.1
		pad := int(packet[size-1])
		if pad == 0 || size-pad < ccfbFixed {
			return dst, ErrTruncated
		}
		packet = packet[:size-pad]
	}
	blocks := packet[8 : len(packet)-4]
	if err := whole(blocks); err != nil {
		return dst, err
	}
	stamp := d.unwrap(binary.BigEndian.Uint32(packet[len(packet)-4:]))
	begin := len(dst)
	for len(blocks) > 0 && len(dst)-begin < Window {
		ssrc, first := binary.BigEndian.Uint32(blocks), binary.BigEndian.Uint16(blocks[4:])
		n := int(binary.BigEndian.Uint16(blocks[6:]))
		metrics := blocks[ccfbBlock:]
		for i := 0; i < n && len(dst)-begin < Window; i++ {
			path, ok := sent.Path(ssrc, first+uint16(i))
			if ok {
				dst = append(dst, read(binary.BigEndian.Uint16(metrics[2*i:]), path, stamp))
			}
		}
		blocks = blocks[blockSize(n):]
	}
	slices.SortFunc(dst[begin:], bySequence)
	return dst, nil
}

func bySequence(a, b bwe.PacketReport) int { return cmp.Compare(a.Sequence, b.Sequence) }

// whole checks that all blocks are there.
func whole(blocks []byte) error {
	for len(blocks) > 0 {
		if len(blocks) < ccfbBlock {
			return ErrTruncated
		}
		n := int(binary.BigEndian.Uint16(blocks[6:]))
		if n > mostMetrics || len(blocks) < blockSize(n) {
			return ErrTruncated
		}
		blocks = blocks[blockSize(n):]
	}
	return nil
}

// blockSize is what a stream with n packets takes, padded to 32 bits.
func blockSize(n int) int { return ccfbBlock + ccfbMetric*(n+n&1) }

// read turns one metric into a report.
func read(metric uint16, path, stamp int64) bwe.PacketReport {
	r := bwe.PacketReport{Sequence: path}
	if metric&(1<<15) == 0 {
		return r
	}
	r.Received, r.ECN = true, uint8(metric>>13&3)
	offset := int64(metric & 0x1fff)
	if offset == offsetLater {
		offset = 0 // after the report was dated: as late as can be said
	}
	at := stamp/stampsPerSecond*1e9 + stamp%stampsPerSecond*1e9/stampsPerSecond
	r.Arrival = time.Duration(at - offset*1e9/offsetsPerSecond)
	return r
}

// unwrap follows the report time stamps, which wrap every 18 hours.
func (d *StreamDecoder) unwrap(raw uint32) int64 {
	if !d.started {
		d.started, d.stamp = true, int64(raw)
		return d.stamp
	}
	next := d.stamp + int64(int32(raw-uint32(d.stamp)))
	if next > stampLimit || next < -stampLimit {
		next = int64(raw)
	}
	d.stamp = next
	return next
}
