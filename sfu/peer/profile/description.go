package profile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/rivulet-rtc/rivulet/codec"
)

const (
	// What is read of a description: its media sections, the streams and the
	// simulcast layers that one of them declares.
	maxSections = 80
	maxStreams  = 16
	maxRIDs     = 4
)

// Format is a negotiated payload type.
type Format struct {
	Kind codec.Kind
	APT  uint8 // what it repairs (RFC 4588 §8.1); 0 for media
	NACK bool  // lost packets may be asked for (RFC 4585 §4.2)
}

// Section is one audio or video section of a description.
type Section struct {
	MID   string
	Video bool
	// Sends and Receives are as its author sees them; both are false for a
	// section that was rejected (RFC 9429 §5.3.1).
	Sends, Receives bool
	// Streams are the declared SSRCs (RFC 5576): each with the one that it
	// repairs, or 0 for media.
	Streams map[uint32]uint32
	// Protects are the streams of repair packets that make up for loss before it
	// happens, each with the stream that it protects (RFC 5956 §4.3, FEC-FR).
	Protects map[uint32]uint32
	// RIDs are the simulcast layers that its author sends (RFC 8851), in order.
	RIDs []string
}

// Same says whether two sections mean the same, whatever their streams are.
func (s Section) Same(other Section) bool {
	return s.MID == other.MID && s.Video == other.Video && s.Sends == other.Sends && s.Receives == other.Receives
}

// Description is what a session description settles. With one bundle, payload
// types and extension ids hold for all sections (RFC 8843 §9.1).
type Description struct {
	Formats  [128]Format
	IDs      IDs
	Sections []Section
}

// Read reads a description. Text that is no SDP, or has too many sections, is
// an error; what it does not know it ignores.
func Read(text string) (Description, error) {
	var d Description
	var parsed sdp.SessionDescription
	if err := parsed.UnmarshalString(text); err != nil {
		return d, fmt.Errorf("read the description: %w", err)
	}
	if n := len(parsed.MediaDescriptions); n > maxSections {
		return d, fmt.Errorf("the description has %d media sections; at most %d are read", n, maxSections)
	}
	for _, m := range parsed.MediaDescriptions {
		kind := m.MediaName.Media
		if kind != "audio" && kind != "video" {
			continue
		}
		s := Section{Video: kind == "video", Sends: true, Receives: true, Streams: make(map[uint32]uint32)}
		bundleOnly := false
		for _, a := range m.Attributes {
			d.attribute(kind, a)
			s.attribute(a)
			bundleOnly = bundleOnly || a.Key == "bundle-only"
		}
		for ssrc := range s.Protects {
			delete(s.Streams, ssrc)
		}
		if m.MediaName.Port.Value == 0 && !bundleOnly {
			s.Sends, s.Receives = false, false
		}
		d.Sections = append(d.Sections, s)
	}
	return d, nil
}

// attribute reads what holds for all sections.
func (d *Description) attribute(media string, a sdp.Attribute) {
	number, value, _ := strings.Cut(a.Value, " ")
	switch a.Key {
	case "rtpmap": // "111 opus/48000/2", RFC 8866 §6.6
		name, _, _ := strings.Cut(value, "/")
		if pt, err := strconv.ParseUint(number, 10, 7); err == nil {
			d.Formats[pt].Kind = codec.KindOf(media + "/" + name)
			if media == "video" && d.Formats[pt].Kind == codec.RED { // around repair packets: only ever sent
				d.Formats[pt].Kind = codec.Unknown
			}
		}
	case "fmtp": // "97 apt=96", RFC 4588 §8.1
		apt, repairs := strings.CutPrefix(value, "apt=")
		pt, err := strconv.ParseUint(number, 10, 7)
		if !repairs || err != nil {
			return
		}
		if media, err := strconv.ParseUint(apt, 10, 7); err == nil {
			d.Formats[pt].APT = uint8(media)
		}
	case "rtcp-fb": // "111 nack"
		if pt, err := strconv.ParseUint(number, 10, 7); err == nil && value == "nack" {
			d.Formats[pt].NACK = true
		}
	case "extmap": // "4/sendonly urn:...", RFC 8285 §8
		number, _, _ = strings.Cut(number, "/")
		uri, _, _ := strings.Cut(value, " ")
		if id, err := strconv.ParseUint(number, 10, 8); err == nil {
			d.IDs.Set(uri, uint8(id))
		}
	}
}

// attribute reads what holds for one section.
func (s *Section) attribute(a sdp.Attribute) {
	switch a.Key {
	case "mid":
		s.MID = a.Value
	case "sendonly":
		s.Receives = false
	case "recvonly":
		s.Sends = false
	case "inactive":
		s.Sends, s.Receives = false, false
	case "rid":
		if id, direction, found := strings.Cut(a.Value, " "); found && strings.HasPrefix(direction, "send") && len(s.RIDs) < maxRIDs {
			s.RIDs = append(s.RIDs, id)
		}
	case "ssrc":
		id, _, _ := strings.Cut(a.Value, " ")
		ssrc, err := strconv.ParseUint(id, 10, 32)
		if _, known := s.Streams[uint32(ssrc)]; err == nil && !known && len(s.Streams) < maxStreams {
			s.Streams[uint32(ssrc)] = 0
		}
	case "ssrc-group": // "FID media repair", RFC 5576 §4.2; "FEC-FR media repair", RFC 5956
		fields := strings.Fields(a.Value)
		if len(fields) != 3 || fields[0] != "FID" && fields[0] != "FEC-FR" || len(s.Streams)+len(s.Protects) >= maxStreams {
			return
		}
		media, err1 := strconv.ParseUint(fields[1], 10, 32)
		repair, err2 := strconv.ParseUint(fields[2], 10, 32)
		switch {
		case err1 != nil || err2 != nil || media == repair:
		case fields[0] == "FID":
			s.Streams[uint32(repair)] = uint32(media)
		default:
			if s.Protects == nil {
				s.Protects = make(map[uint32]uint32)
			}
			s.Protects[uint32(repair)] = uint32(media)
		}
	}
}
