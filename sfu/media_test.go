package sfu

import (
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// offer makes an offer with so many video sections each way.
func offer(t *testing.T, send, receive int, change func(*webrtc.PeerConnection)) string {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	add := func(direction webrtc.RTPTransceiverDirection) {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "s")
		if err != nil {
			t.Fatal(err)
		}
		init := webrtc.RTPTransceiverInit{Direction: direction}
		if direction == webrtc.RTPTransceiverDirectionSendonly {
			_, err = pc.AddTransceiverFromTrack(track, init)
		} else {
			_, err = pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, init)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for range send {
		add(webrtc.RTPTransceiverDirectionSendonly)
	}
	for range receive {
		add(webrtc.RTPTransceiverDirectionRecvonly)
	}
	if change != nil {
		change(pc)
	}
	o, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	return o.SDP
}

// publisher joins with a camera on section 0.
func publisher(t *testing.T, e *Engine, identity string) *signal.Joined {
	t.Helper()
	reply, err := e.Do(t.Context(), signal.Command{Remote: identity, Body: &signal.Join{
		Version: 1, Room: "r", Identity: identity, Offer: offer(t, 1, 0, nil),
		Send:    []signal.Section{{MID: "0", Source: signal.Camera}},
		Publish: []signal.Publish{{Source: signal.Camera, Width: 640, Height: 360}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return reply.(*signal.Joined)
}

func viewer(t *testing.T, e *Engine, slots int) *signal.Joined {
	t.Helper()
	reply, err := e.Do(t.Context(), signal.Command{Remote: "viewer", Body: &signal.Join{
		Version: 1, Room: "r", Identity: "viewer", Offer: offer(t, 0, slots, nil),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return reply.(*signal.Joined)
}

func TestAnswerCarriesSlotsAndCandidates(t *testing.T) {
	e := engine(t, nil)
	ann := publisher(t, e, "ann")
	v := viewer(t, e, 2)
	if len(v.Slots) != 2 || v.Slots[0].MID != "0" || v.Slots[1].MID != "1" || !v.Slots[0].Video {
		t.Errorf("slots %+v, want two video slots on sections 0 and 1", v.Slots)
	}
	if len(v.Assignments) != 1 || v.Assignments[0].Track != ann.Tracks[0].ID || v.Assignments[0].Source == 0 {
		t.Errorf("assignments %+v, want the publisher's camera in one slot", v.Assignments)
	}
	for _, want := range []string{"a=ice-lite", " 10.0.0.1 7882 typ host", "a=setup:passive"} {
		if !strings.Contains(v.Answer, want) {
			t.Errorf("the answer lacks %q:\n%s", want, v.Answer)
		}
	}
}

func TestViewsThatRepeatTracks(t *testing.T) {
	e := engine(t, nil)
	a, b := publisher(t, e, "a").Tracks[0].ID, publisher(t, e, "b").Tracks[0].ID
	v := viewer(t, e, 3)
	for _, view := range [][]string{{}, {a, a}, {a, b, b}, {"unknown", b}, {a, b, a, b}} {
		c := &signal.View{}
		for _, id := range view {
			c.Tracks = append(c.Tracks, signal.TrackView{Track: id})
		}
		if _, err := e.Do(t.Context(), signal.Command{Session: v.Session, Body: c}); err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]int)
		for _, s := range e.session(v.Session).member.slots {
			if s.track != nil {
				seen[s.track.id]++
			}
		}
		for id, n := range seen {
			if n > 1 {
				t.Errorf("after view %v track %s is in %d slots", view, id, n)
			}
		}
	}
}

func TestRestartKeepsSections(t *testing.T) {
	e := engine(t, nil)
	o := offer(t, 0, 1, nil)
	reply, err := e.Do(t.Context(), signal.Command{Remote: "x", Body: &signal.Join{Version: 1, Room: "r", Offer: o}})
	if err != nil {
		t.Fatal(err)
	}
	session := reply.(*signal.Joined).Session
	restart := func(sdp string) (signal.Reply, error) {
		return e.Do(t.Context(), signal.Command{Session: session, Body: &signal.Restart{Offer: sdp}})
	}
	for name, bad := range map[string]string{
		"another mid": strings.ReplaceAll(strings.ReplaceAll(o, "a=mid:0", "a=mid:9"), "BUNDLE 0", "BUNDLE 9"),
		"inactive":    strings.ReplaceAll(o, "a=recvonly", "a=inactive"),
		"one more":    offer(t, 0, 2, nil),
		"no password": strings.ReplaceAll(o, "a=ice-pwd", "a=no-pwd"),
	} {
		if _, err := restart(bad); code(err) != signal.BadOffer {
			t.Errorf("%s: answered %v, want bad_offer", name, err)
		}
	}
	fresh := strings.ReplaceAll(o, "a=ice-ufrag:", "a=ice-ufrag:zz")
	good, err := restart(fresh)
	if err != nil {
		t.Fatalf("a good restart after bad ones: %v", err)
	}
	if a := good.(*signal.Restarted).Answer; ufrag(a) == "" || ufrag(a) == ufrag(reply.(*signal.Joined).Answer) {
		t.Errorf("the restart did not renew the server's fragment %q", ufrag(a))
	}
}

func ufrag(sdp string) string {
	_, rest, _ := strings.Cut(sdp, "a=ice-ufrag:")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

func TestDataChannelsAreRefused(t *testing.T) {
	e := engine(t, nil)
	o := offer(t, 0, 1, func(pc *webrtc.PeerConnection) {
		if _, err := pc.CreateDataChannel("x", nil); err != nil {
			t.Fatal(err)
		}
	})
	_, err := e.Do(t.Context(), signal.Command{Remote: "x", Body: &signal.Join{Version: 1, Room: "r", Offer: o}})
	if code(err) != signal.BadOffer || !strings.Contains(err.Error(), "only audio and video") {
		t.Fatalf("answered %v, want bad_offer that says why", err)
	}
}

func TestPublishNeedsItsOwnSectionOfItsKind(t *testing.T) {
	e := engine(t, nil)
	_, err := e.Do(t.Context(), signal.Command{Remote: "x", Body: &signal.Join{
		Version: 1, Room: "r", Offer: offer(t, 1, 0, nil),
		Send:    []signal.Section{{MID: "0", Source: signal.Microphone}},
		Publish: []signal.Publish{{Source: signal.Microphone}},
	}})
	if code(err) != signal.BadMessage {
		t.Errorf("a microphone on a video section: %v, want bad_message", err)
	}
	_, err = e.Do(t.Context(), signal.Command{Remote: "x", Body: &signal.Join{
		Version: 1, Room: "r", Offer: offer(t, 1, 0, nil),
		Send:    []signal.Section{{MID: "0", Source: signal.Camera}, {MID: "0", Source: signal.Screen}},
		Publish: []signal.Publish{{Source: signal.Camera}, {Source: signal.Screen}},
	}})
	if code(err) != signal.BadMessage {
		t.Errorf("two sources on one section: %v, want bad_message", err)
	}
}

// TestPicturesWaitForWhoListensLate holds that no picture goes to a client that
// was told of none when it joined, and said that it does not listen then, before
// it acknowledges the slot: its key frame would be lost.
func TestPicturesWaitForWhoListensLate(t *testing.T) {
	for name, c := range map[string]struct{ late, after, waits bool }{
		"listens from the start":        {},
		"listens late":                  {late: true, waits: true},
		"was told of a camera, late":    {late: true, after: true},
		"was told of a camera, as ever": {after: true},
	} {
		t.Run(name, func(t *testing.T) {
			e := engine(t, nil)
			if c.after {
				publisher(t, e, "ann")
			}
			reply, err := e.Do(t.Context(), signal.Command{Remote: "viewer", Body: &signal.Join{
				Version: 1, Room: "r", Identity: "viewer", Offer: offer(t, 0, 2, nil), ListensLate: c.late,
			}})
			if err != nil {
				t.Fatal(err)
			}
			viewer := reply.(*signal.Joined)
			if !c.after {
				publisher(t, e, "ann")
			}
			sent := func() (got bool) {
				e.mu.Lock()
				defer e.mu.Unlock()
				for _, r := range e.rooms {
					r.call(func(time.Time) {
						for _, m := range r.members {
							if m.id == viewer.Participant {
								if m.slots[0].track == nil {
									t.Error("nothing is in the slot")
								}
								got = m.slots[0].media != nil
							}
						}
					})
				}
				return got
			}
			if got := sent(); got == c.waits {
				t.Fatalf("the picture is sent: %v", got)
			}
			if _, err := e.Do(t.Context(), signal.Command{Session: viewer.Session, ID: "1", Body: &signal.Acknowledge{Slot: 0, Source: 1}}); err != nil {
				t.Fatal(err)
			}
			if !sent() {
				t.Error("acknowledged, and not sent")
			}
		})
	}
}
