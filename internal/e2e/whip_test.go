package e2e

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

// tool is a WHIP or WHEP client made of plain HTTP and pion.
type tool struct {
	t        *testing.T
	pc       *webrtc.PeerConnection
	location string
	seen     atomic.Int64 // packets of video
	heard    atomic.Int64 // packets of audio
}

func newTool(t *testing.T) *tool {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pc.GracefulClose(); err != nil {
			t.Errorf("close the tool: %v", err)
		}
	})
	return &tool{t: t, pc: pc}
}

// post offers, waits for its candidates, and applies the answer.
func (c *tool) post(s *server, path string) {
	c.t.Helper()
	offer, err := c.pc.CreateOffer(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(c.pc)
	if err := c.pc.SetLocalDescription(offer); err != nil {
		c.t.Fatal(err)
	}
	<-gathered
	url := "http://" + loopback(s.ports.HTTP) + path
	response, err := http.Post(url, "application/sdp", strings.NewReader(c.pc.LocalDescription().SDP))
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusCreated {
		c.t.Fatalf("POST %s: %s, %v: %s", path, response.Status, err, answer)
	}
	if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(answer)}); err != nil {
		c.t.Fatal(err)
	}
	c.location = "http://" + loopback(s.ports.HTTP) + response.Header.Get("Location")
}

// end leaves.
func (c *tool) end() {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodDelete, c.location, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		c.t.Errorf("DELETE %s: %s", c.location, response.Status)
	}
}

// watch begins a WHEP session; packets go on to the tracks given, nil for none.
func watch(t *testing.T, s *server, room string, audio, video *webrtc.TrackLocalStaticRTP) *tool {
	t.Helper()
	c := newTool(t)
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if _, err := c.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
	}
	c.pc.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		count, to := &c.heard, audio
		if track.Kind() == webrtc.RTPCodecTypeVideo {
			count, to = &c.seen, video
		}
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			count.Add(1)
			if to != nil {
				p.Extension, p.Extensions, p.CSRC = false, nil, nil
				_ = to.WriteRTP(p) // nobody may be connected yet
			}
		}
	})
	c.post(s, "/whep/"+room)
	return c
}

// A page, a WHIP publisher and a WHEP viewer in one room. The publisher has no
// encoder: it sends on what a viewer of another room receives from a page there,
// and hands back what it is asked for.
func TestPlainHTTPToolsMeetAPage(t *testing.T) {
	s := startServer(t, nil)
	source, ann := openTab(t, "source"), openTab(t, "ann")
	s.call(source, "elsewhere", "video=320x180")
	s.call(ann, "studio", "video=320x180")

	publisher := newTool(t)
	var tracks []*webrtc.TrackLocalStaticRTP
	var senders []*webrtc.RTPSender
	for _, mime := range []string{webrtc.MimeTypeOpus, webrtc.MimeTypeVP8} {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, mime, "tool")
		if err != nil {
			t.Fatal(err)
		}
		transceiver, err := publisher.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		if err != nil {
			t.Fatal(err)
		}
		tracks, senders = append(tracks, track), append(senders, transceiver.Sender())
	}
	source.wait(joinLimit, "the source is in", func(s state) bool { return s.Call == "connected" })
	camera := watch(t, s, "elsewhere", tracks[0], tracks[1])
	go func() {
		for {
			packets, _, err := senders[1].ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				if _, ok := p.(*rtcp.PictureLossIndication); ok {
					askForKeyframe(camera.pc)
				}
			}
		}
	}()
	publisher.post(s, "/whip/studio?name=Tool")
	me := ann.wait(joinLimit, "the publisher's picture is decoded and its voice heard", func(s state) bool {
		return s.Participants == 1 && s.from(s.Others[0]).Decoded > 30 && s.energy() > 0
	})

	viewer := watch(t, s, "studio", nil, nil)
	deadline := time.Now().Add(joinLimit)
	for viewer.seen.Load() < 50 || viewer.heard.Load() < 50 {
		if time.Now().After(deadline) {
			t.Fatalf("the viewer received %d packets of video and %d of audio\n%s", viewer.seen.Load(), viewer.heard.Load(), s.dump())
		}
		time.Sleep(pollEvery)
	}
	if now := ann.state(); now.Participants != 2 || now.Counters.negotiations() != me.Counters.negotiations() {
		t.Errorf("ann sees %d others, want the publisher and the viewer; %+v", now.Participants, now.Counters)
	}
	viewer.end()
	publisher.end()
	ann.wait(joinLimit, "both have left", func(s state) bool { return s.Participants == 0 })
}

// askForKeyframe asks for a key frame of everything that is received.
func askForKeyframe(pc *webrtc.PeerConnection) {
	for _, r := range pc.GetReceivers() {
		if track := r.Track(); track != nil && track.Kind() == webrtc.RTPCodecTypeVideo {
			// A connection that is closed needs none.
			_ = pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}})
		}
	}
}
