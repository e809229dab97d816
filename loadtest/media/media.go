// Package media makes RTP payloads without a codec, a camera or a microphone:
// Opus and VP8 that look right to everything that does not decode them.
//
// It decides when the next frame is due, how large it is and what its headers
// say. In: the time, a target rate, key-frame requests, a seed. Out: frames, cut
// into RTP payloads in the caller's buffer, each with a [Stamp] for measuring
// one-way delay. The same seed and the same calls give the same bytes. It holds
// no clock: a shell calls Poll when [Voice.Next], [VP8.Next] or
// [Simulcast.Next] says so.
//
// What is real: the Opus TOC and voice activity bits (RFC 6716 §3.1, §4.2.3),
// talk spurts and pauses (ITU-T P.59), audio levels (RFC 6464), discontinuous
// transmission; the VP8 payload descriptor (RFC 7741 §4.2) with the temporal
// pattern of libwebrtc, the frame header (RFC 6386 §9.1), key-frame bursts,
// rate control with its lag, its debt after a burst and its dropped frames,
// simulcast layers that come and go with the rate. What is not: the picture and
// the sound. The bodies are a pattern.
package media

import "time"

// pattern fills bodies; a counter shows a tester where bytes went missing.
var pattern = makePattern()

func makePattern() (p [2048]byte) {
	for i := range p {
		p[i] = byte(i)
	}
	return p
}

// fill writes the pattern over b.
func fill(b []byte) {
	for len(b) > 0 {
		b = b[copy(b, pattern[:]):]
	}
}

// timestamp answers the RTP time of d since the beginning on a clock of rate
// ticks per second.
func timestamp(base uint32, d time.Duration, rate int64) uint32 {
	whole, part := int64(d/time.Second), int64(d%time.Second)
	return base + uint32(whole*rate+part*rate/int64(time.Second))
}
