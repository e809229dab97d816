package sfu

import (
	"slices"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/encoding"
	"github.com/rivulet-rtc/rivulet/sfu/peer"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// singleRID names the one encoding of a source without layers.
const singleRID = "f"

// EncodingChanged is told by the media plane; see peer.Handler.
func (m *member) EncodingChanged(media *peer.Track, encodings []encoding.Encoding) {
	r := m.home.Load()
	if r == nil {
		return
	}
	r.post(func(time.Time) { m.encode(media, encodings) })
}

// encode tells the member how to send one of its tracks; on the room's goroutine.
func (m *member) encode(media *peer.Track, encodings []encoding.Encoding) {
	i := slices.IndexFunc(m.tracks, func(t *track) bool { return t.media == media })
	if i < 0 {
		return // it has ended meanwhile
	}
	t := m.tracks[i]
	event := &signal.Encode{Source: t.source}
	for i, e := range encodings {
		l := signal.EncodeLayer{
			RID: singleRID, Active: e.Active, MaxRate: int(e.Rate), MaxFrameRate: e.FrameRate,
			Scale: e.Scale, Spatials: e.Spatials,
		}
		if i < len(t.info.Layers) {
			l.RID = t.info.Layers[i].RID
		}
		event.Layers = append(event.Layers, l)
	}
	t.asked = event.Layers
	m.session.send(event)
}

// setDataBudget bounds what the member is sent; nil changes nothing.
func (m *member) setDataBudget(b *signal.DataBudget) {
	if b != nil && m.peer != nil {
		m.peer.SetDataBudget(downlink.DataBudget{Call: units.Size(b.Call), Hour: units.Size(b.Hour)})
	}
}
