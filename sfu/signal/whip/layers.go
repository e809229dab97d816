package whip

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// rid is one a=rid line that sends (RFC 8851 §4), with its limits if it tells any.
type rid struct {
	id            string
	width, height int // pixels
	rate          int // bits per second
}

// readRID reads "h send max-width=640;max-height=360;max-br=500000".
func readRID(value string) (rid, bool) {
	fields := strings.SplitN(value, " ", 3)
	if len(fields) < 2 || fields[1] != "send" || fields[0] == "" {
		return rid{}, false
	}
	r := rid{id: fields[0]}
	if len(fields) == 2 {
		return r, true
	}
	for limit := range strings.SplitSeq(fields[2], ";") {
		name, number, _ := strings.Cut(limit, "=")
		n, err := strconv.ParseUint(number, 10, 31)
		if err != nil {
			continue
		}
		switch name {
		case "max-width":
			r.width = min(int(n), signal.MaxDimension)
		case "max-height":
			r.height = min(int(n), signal.MaxDimension)
		case "max-br":
			r.rate = int(n)
		}
	}
	return r, true
}

// readSimulcast reads the streams that "send q;~h;f recv ..." sends (RFC 8853
// §5.1), of alternatives the first.
func readSimulcast(value string) []string {
	fields := strings.Fields(value)
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] != "send" {
			continue
		}
		var ids []string
		for stream := range strings.SplitSeq(fields[i+1], ";") {
			id, _, _ := strings.Cut(stream, ",")
			if id = strings.TrimPrefix(id, "~"); id != "" {
				ids = append(ids, id)
			}
		}
		return ids
	}
	return nil
}

// layers answers the simulcast layers of a section from small to large, none
// when it sends a single stream.
func (s *section) layers() ([]signal.Layer, error) {
	streams := make([]rid, 0, len(s.simulcast))
	for _, id := range s.simulcast {
		i := slices.IndexFunc(s.rids, func(r rid) bool { return r.id == id })
		if i < 0 {
			return nil, signal.Errorf(signal.BadOffer, "a=simulcast names %.16q, for which there is no a=rid that sends", id)
		}
		streams = append(streams, s.rids[i])
	}
	if len(streams) < 2 {
		return nil, nil
	}
	if len(streams) > signal.MaxLayers {
		return nil, signal.Errorf(signal.BadOffer, "the offer sends %d simulcast layers; at most %d are forwarded", len(streams), signal.MaxLayers)
	}
	smallestFirst(streams)
	layers := make([]signal.Layer, len(streams))
	for i, r := range streams {
		layers[i] = signal.Layer{RID: r.id, Width: r.width, Height: r.height, MaxRate: r.rate}
	}
	return layers, nil
}

// families are the names that tools give to layers, from small to large.
var families = [][]string{
	{"q", "h", "f"},
	{"l", "m", "h"},
	{"low", "mid", "high"},
	{"low", "medium", "high"},
}

// smallestFirst orders streams by what is known of their sizes: by their
// declared limits; else by name. The order in a=simulcast is one of preference
// and says nothing of size (RFC 8853 §5.2), but most tools that invent their
// own names list small ones first, so that is what remains.
func smallestFirst(streams []rid) {
	pixels := func(r rid) int { return r.width * r.height }
	rate := func(r rid) int { return r.rate }
	for _, measure := range []func(rid) int{pixels, rate} {
		if !slices.ContainsFunc(streams, func(r rid) bool { return measure(r) == 0 }) {
			slices.SortStableFunc(streams, func(a, b rid) int { return cmp.Compare(measure(a), measure(b)) })
			return
		}
	}
	for _, family := range families {
		place := func(r rid) int { return slices.Index(family, r.id) }
		if !slices.ContainsFunc(streams, func(r rid) bool { return place(r) < 0 }) {
			slices.SortStableFunc(streams, func(a, b rid) int { return cmp.Compare(place(a), place(b)) })
			return
		}
	}
	// OBS counts its layers from the largest, which is "0".
	number := func(r rid) int {
		n, err := strconv.ParseUint(r.id, 10, 31)
		if err != nil {
			return -1
		}
		return int(n)
	}
	if !slices.ContainsFunc(streams, func(r rid) bool { return number(r) < 0 }) {
		slices.SortStableFunc(streams, func(a, b rid) int { return cmp.Compare(number(b), number(a)) })
	}
}
