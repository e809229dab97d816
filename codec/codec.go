// Package codec tells what may be known of an RTP payload without decoding it.
//
// Input is one payload (and, for AV1, the dependency descriptor of its header
// extension); output is an Info: whether a key frame starts here, where frames
// begin and end, to which spatial and temporal layer the packet belongs. A
// selective forwarding unit needs no more than this to choose layers. The
// package is pure and never panics on hostile input: a payload that cannot be
// parsed answers ok == false.
//
// Formats: VP8 RFC 7741, VP9 RFC 9628, H.264 RFC 6184, AV1 "RTP Payload Format
// For AV1" v1.0 with its dependency descriptor.
package codec

import "strings"

// Kind is a payload format.
type Kind uint8

// The payload formats that the engine knows. Unknown payloads are refused.
const (
	Unknown Kind = iota
	Opus
	VP8
	VP9
	AV1
	H264
	H265
	RED // RFC 2198 around Opus
	RTX // RFC 4588
	FEC // draft-ietf-payload-flexible-fec-scheme-03
	ULP // RFC 5109
)

var kindNames = [...]string{"unknown", "opus", "VP8", "VP9", "AV1", "H264", "H265", "red", "rtx", "flexfec-03", "ulpfec"}

// String is the encoding name as it stands in SDP (RFC 8866 §6.6).
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Unknown]
}

// KindOf answers the kind of a media type such as "video/VP8"; the comparison
// ignores case (RFC 4855 §3). Unknown for anything else.
func KindOf(mimeType string) Kind {
	_, name, found := strings.Cut(mimeType, "/")
	if !found {
		return Unknown
	}
	for k := Opus; int(k) < len(kindNames); k++ {
		if strings.EqualFold(name, kindNames[k]) {
			return k
		}
	}
	return Unknown
}

// Audio says whether the kind carries sound.
func (k Kind) Audio() bool { return k == Opus || k == RED }

// Video says whether the kind carries pictures.
func (k Kind) Video() bool { return k >= VP8 && k <= H265 }

// Repairs says whether the kind carries nothing of its own, but what makes up for
// lost packets of another.
func (k Kind) Repairs() bool { return k >= RTX && k <= ULP }

// ClockRate is the RTP clock rate in Hz.
func (k Kind) ClockRate() uint32 {
	if k.Audio() {
		return 48000
	}
	return 90000
}

// Info is what one payload tells.
type Info struct {
	Keyframe    bool // the frame can be decoded without any earlier one
	FrameStart  bool // first packet of a frame (of a layer frame with SVC)
	FrameEnd    bool // last packet of a frame (of a layer frame with SVC)
	SwitchUp    bool // from this frame on, its temporal layer may be joined
	Discardable bool // no other frame refers to this one
	Parameters  bool // holds a sequence parameter set (H.264, H.265)
	Spatial     uint8
	Temporal    uint8

	// Predicted says that the frame refers to earlier pictures, Dependent that
	// it refers to the next smaller spatial layer of its own picture, and
	// Beneath that no larger spatial layer refers to it (VP9: P, D, Z).
	Predicted bool
	Dependent bool
	Beneath   bool
	// Flexible says that Distances lists every earlier picture of the same
	// spatial layer that the frame needs, by picture id (VP9: F, P_DIFF).
	Flexible   bool
	References uint8 // how many of Distances there are
	Distances  [maxVP9References]uint8

	// The payload descriptor of VP8 (RFC 7741 §4.2) or VP9 (RFC 9628 §4.2),
	// kept so that a forwarding unit can rewrite it. DescriptorSize is its
	// length in bytes.
	HasPictureID   bool
	LongPictureID  bool // 15 bits instead of 7
	HasTL0PICIDX   bool
	HasKeyIndex    bool
	TL0PICIDX      uint8
	KeyIndex       uint8
	PictureID      uint16
	DescriptorSize uint8
}
