package profile

import (
	"crypto/rand"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/pion/webrtc/v4"
)

// The streams of one side of a session are numbered from a random number on, so
// that a description need name only the first of them: the n-th stream of media
// has Stream(first, n), its retransmissions the number after it and its repair
// packets the one after that. Random is what RFC 3550 §8.1 asks of an SSRC; that
// the others follow does no harm, for DTLS-SRTP has two parties.

const (
	// Retransmissions and Repairs are how far after a stream of media its
	// retransmissions (RFC 4588) and its repair packets are.
	Retransmissions, Repairs = 1, 2
	// streamNumbers is how many numbers each stream of media takes.
	streamNumbers = 3
)

// Stream answers the number of the n-th stream of media, from 0.
func Stream(first uint32, n int) uint32 { return first + uint32(n)*streamNumbers }

// FirstStream chooses where numbers begin: not at 0, and far enough from the end.
func FirstStream() uint32 {
	var b [4]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return binary.LittleEndian.Uint32(b[:])>>1 + 1
}

// NumberStreams notes for Number what pion has numbered otherwise: the streams of
// one encoding of a sender's, of which media begins at first.
func NumberStreams(numbers map[uint32]uint32, sender *webrtc.RTPSender, encoding int, first uint32) {
	e := sender.GetParameters().Encodings[encoding]
	for pions, ours := range map[webrtc.SSRC]uint32{e.SSRC: first, e.RTX.SSRC: first + Retransmissions, e.FEC.SSRC: first + Repairs} {
		if pions != 0 {
			numbers[uint32(pions)] = ours
		}
	}
}

// Number replaces the SSRCs of a description (RFC 5576): each by what the map has
// for it, or stays.
func Number(text string, numbers map[uint32]uint32) string {
	replace := func(field string) string {
		if n, err := strconv.ParseUint(field, 10, 32); err == nil {
			if to, known := numbers[uint32(n)]; known {
				return strconv.FormatUint(uint64(to), 10)
			}
		}
		return field
	}
	lines := strings.Split(text, "\r\n")
	for i, line := range lines {
		if rest, ok := strings.CutPrefix(line, "a=ssrc:"); ok {
			number, attribute, found := strings.Cut(rest, " ")
			if lines[i] = "a=ssrc:" + replace(number); found {
				lines[i] += " " + attribute
			}
		} else if rest, ok := strings.CutPrefix(line, "a=ssrc-group:"); ok {
			fields := strings.Split(rest, " ")
			for f := range fields[1:] {
				fields[1+f] = replace(fields[1+f])
			}
			lines[i] = "a=ssrc-group:" + strings.Join(fields, " ")
		}
	}
	return strings.Join(lines, "\r\n")
}
