package node

import (
	"maps"
	"slices"

	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/allocator"
)

// mediaMetrics are about what happens to media: repair, pauses, mixes.
func mediaMetrics() []metric {
	return []metric{
		{"rivulet_video_slots", "Slots of subscribers that carry a picture now, by why they get what they get; paused_bandwidth: nothing, for want of room.", gauge, "reason", false,
			func(s *snapshot) (all []sample) {
				for i, n := range s.engine.Media.Downlinks.VideoSlots {
					if r := allocator.Reason(i); r != allocator.NoSource {
						all = append(all, sample{r.String(), float64(n)})
					}
				}
				return all
			}},
		{"rivulet_retransmitted_packets_total", "Packets that subscribers asked for again and got.", counter, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Downlinks.Retransmitted) }},
		{"rivulet_refused_retransmissions_total", "Packets that subscribers asked for again and did not get: asked for too often or too soon, or not kept.", counter, "reason", false,
			func(s *snapshot) []sample {
				d := s.engine.Media.Downlinks
				return []sample{reason("limit", d.Refused), reason("unknown", d.Unknown)}
			}},
		{"rivulet_unrepaired_packets_total", "Packets that a subscriber lacks and nobody can send it, so that a key frame was asked for.", counter, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Downlinks.GivenUp) }},
		{"rivulet_pacer_dropped_packets_total", "Packets of pictures that waited too long to be sent to a subscriber.", counter, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Downlinks.QueueDrops) }},
		{"rivulet_requested_packets_total", "Packets that publishers were asked to send again.", counter, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Asked) }},
		{"rivulet_keyframe_requests_total", "Key frames that publishers were asked for.", counter, "", false,
			func(s *snapshot) []sample { return number(s.engine.Media.Keyframes) }},
		{"rivulet_sent_voice_mos", "Mean opinion score (ITU-T G.107) of voices as they come from speakers, the mean; scales must not be compared.", gauge, "scale", false,
			func(s *snapshot) []sample {
				return scored(s.engine.Voices.Sent, func(v sfu.VoiceScore) float64 { return v.MOS })
			}},
		{"rivulet_sent_voice_mos_worst", "The same of the worst of them.", gauge, "scale", false,
			func(s *snapshot) []sample {
				return scored(s.engine.Voices.Sent, func(v sfu.VoiceScore) float64 { return v.Worst })
			}},
		{"rivulet_received_voice_mos", "Mean opinion score of voices as they go to listeners, each in its slot, the mean.", gauge, "scale", false,
			func(s *snapshot) []sample {
				return scored(s.engine.Voices.Received, func(v sfu.VoiceScore) float64 { return v.MOS })
			}},
		{"rivulet_received_voice_mos_worst", "The same of the worst of them.", gauge, "scale", false,
			func(s *snapshot) []sample {
				return scored(s.engine.Voices.Received, func(v sfu.VoiceScore) float64 { return v.Worst })
			}},
	}
}

// scored answers one figure of each scale.
func scored(by map[string]sfu.VoiceScore, figure func(sfu.VoiceScore) float64) (all []sample) {
	for _, scale := range slices.Sorted(maps.Keys(by)) {
		all = append(all, sample{scale, figure(by[scale])})
	}
	return all
}
