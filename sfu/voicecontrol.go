package sfu

import (
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/sfu/peer"
	"github.com/rivulet-rtc/rivulet/sfu/peer/profile"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/voice"
)

const (
	// voicesEvery is how often publishers are told how to encode their voice,
	// if that has changed.
	voicesEvery = 500 * time.Millisecond
	// unheardRoom is what is asked of a voice that nobody receives: it begins
	// thin when somebody comes.
	unheardRoom = 12 * units.Kbps
)

// askFirst puts into an answer how the microphone is to be encoded: a browser
// heeds nothing else. It is for any goroutine.
func (m *member) askFirst(answer string) string {
	ask := m.asked.Load()
	if ask == nil {
		return answer
	}
	return profile.AskVoice(answer, m.sections[signal.Microphone], *ask)
}

// askVoices tells publishers how to encode their voices: by what is seen of
// their way to us, and by what their receivers have room for.
// It answers whether it was time to.
func (r *room) askVoices(now time.Time) bool {
	if now.Before(r.voicesAt) {
		return false
	}
	r.voicesAt = now.Add(voicesEvery)
	var rooms map[*track]voiceRoom
	for _, m := range r.members {
		t := m.track(signal.Microphone)
		if m.voice == nil || t == nil || t.info.Muted || m.state != peer.Connected {
			continue
		}
		seen, ok := m.peer.VoiceUplink(now, m.sections[signal.Microphone])
		if !ok {
			continue
		}
		if rooms == nil {
			rooms = r.voiceRooms()
		}
		seen.Unheard, seen.Opaque = !rooms[t].heard, t.info.Encrypted
		if m.voice.Update(now, seen, rooms[t].choose(r.engine.cfg.LowerVoice)) {
			ask := m.voice.Ask()
			m.asked.Store(&ask)
			m.session.send(&signal.Encode{Source: signal.Microphone, Audio: encodeAudio(ask)})
		}
	}
	return true
}

// encodeAudio is an ask as it goes over the wire.
func encodeAudio(a voice.Ask) *signal.EncodeAudio {
	return &signal.EncodeAudio{
		MaxRate: int(a.MaxRate), PacketTime: int(a.Packet / time.Millisecond), DTX: a.DTX, FEC: a.FEC, RED: a.Redundancy,
	}
}

// voiceRoom is the payload rate that the receivers of a voice have room for, the
// best and the worst of them; 0 = any.
type voiceRoom struct {
	heard       bool
	best, worst units.Rate
}

// choose is the room that the publisher is to fill. A thin receiver lowers the
// others only where the room's policy says so.
func (v voiceRoom) choose(lower bool) units.Rate {
	switch {
	case !v.heard:
		return unheardRoom
	case lower:
		return v.worst
	}
	return v.best
}

func (v *voiceRoom) add(room units.Rate) {
	if !v.heard {
		*v = voiceRoom{true, room, room}
		return
	}
	if v.best > 0 && (room == 0 || room > v.best) {
		v.best = room
	}
	if room > 0 && (v.worst == 0 || room < v.worst) {
		v.worst = room
	}
}

// voiceRooms asks every downlink what it has room for.
func (r *room) voiceRooms() map[*track]voiceRoom {
	rooms := make(map[*track]voiceRoom)
	for _, m := range r.members {
		if m.peer == nil || m.state != peer.Connected {
			continue
		}
		stats, ok := m.peer.Stats()
		if !ok {
			continue
		}
		for i, s := range m.slots {
			if s.track == nil || s.track.source != signal.Microphone || i >= len(stats.Slots) || stats.Slots[i].Source != s.track.short {
				continue
			}
			if !stats.Heard {
				continue // nothing is known of its path: it is nobody yet
			}
			v := rooms[s.track]
			v.add(stats.Slots[i].Voice.Room)
			rooms[s.track] = v
		}
	}
	return rooms
}
