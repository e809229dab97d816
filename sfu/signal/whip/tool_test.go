package whip_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/transport/v5"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/loadtest/media"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// site is a server as a tool finds it.
type site struct {
	base string // "http://host:port"
	http *http.Client
	net  transport.Net // nil for the machine's own
}

// tool is what somebody else might have written: net/http and pion with its
// defaults, nothing of this repository's own protocol.
type tool struct {
	t    *testing.T
	site site
	pc   *webrtc.PeerConnection

	location *url.URL
	etag     string
	answer   string
	links    []string

	connected chan struct{}
	once      sync.Once
	stop      chan struct{}
	running   sync.WaitGroup

	voice   *webrtc.TrackLocalStaticRTP
	video   []*webrtc.TrackLocalStaticRTP // one for each layer
	sender  *webrtc.RTPSender             // of the video
	wantKey atomic.Bool

	heard, seen, keys atomic.Int64
	mu                sync.Mutex
	lastHeard         time.Time
	longest           time.Duration // without voice, after the first packet
}

func newTool(t *testing.T, s site) *tool { return newToolWith(t, s, webrtc.NewAPI) }

// newToolWith makes its connection with an API of its own.
func newToolWith(t *testing.T, s site, newAPI func(...func(*webrtc.API)) *webrtc.API) *tool {
	t.Helper()
	var settings webrtc.SettingEngine
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetIncludeLoopbackCandidate(true)
	if s.net != nil {
		settings.SetNet(s.net)
		settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	}
	// NewAPI registers pion's default codecs and interceptors.
	pc, err := newAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	must(t, err)
	c := &tool{t: t, site: s, pc: pc, connected: make(chan struct{}), stop: make(chan struct{})}
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			c.once.Do(func() { close(c.connected) })
		}
	})
	pc.OnTrack(func(r *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { c.receive(r) })
	return c
}

// newPublisher has a microphone and a camera; rids name the camera's layers.
func newPublisher(t *testing.T, s site, rids ...string) *tool {
	t.Helper()
	c := newTool(t, s)
	var err error
	c.voice, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "voice", "whip")
	must(t, err)
	sendOnly := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}
	_, err = c.pc.AddTransceiverFromTrack(c.voice, sendOnly)
	must(t, err)
	if len(rids) == 0 {
		rids = []string{""}
	}
	for i, id := range rids {
		var options []func(*webrtc.TrackLocalStaticRTP)
		if id != "" {
			options = append(options, webrtc.WithRTPStreamID(id))
		}
		layer, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "whip", options...)
		must(t, err)
		c.video = append(c.video, layer)
		if i > 0 {
			must(t, c.sender.AddEncoding(layer))
			continue
		}
		transceiver, err := c.pc.AddTransceiverFromTrack(layer, sendOnly)
		must(t, err)
		c.sender = transceiver.Sender()
	}
	return c
}

// newViewer receives one voice and one picture.
func newViewer(t *testing.T, s site) *tool { return newViewerWith(t, s, webrtc.NewAPI) }

// newPlainViewer reports what RFC 3550 alone has: receiver reports.
func newPlainViewer(t *testing.T, s site) *tool {
	return newViewerWith(t, s, func(options ...func(*webrtc.API)) *webrtc.API {
		codecs, registry := &webrtc.MediaEngine{}, &interceptor.Registry{}
		must(t, codecs.RegisterDefaultCodecs())
		must(t, webrtc.ConfigureRTCPReports(registry))
		return webrtc.NewAPI(append(options, webrtc.WithMediaEngine(codecs), webrtc.WithInterceptorRegistry(registry))...)
	})
}

func newViewerWith(t *testing.T, s site, newAPI func(...func(*webrtc.API)) *webrtc.API) *tool {
	t.Helper()
	c := newToolWith(t, s, newAPI)
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		_, err := c.pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		must(t, err)
	}
	return c
}

// request sends one HTTP request; headers come in pairs.
func (c *tool) request(method, address, text string, headers ...string) (*http.Response, string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(text))
	must(c.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := c.site.http.Do(r)
	must(c.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(c.t, err)
	return response, string(body)
}

// begin posts the offer to an endpoint and takes the answer.
func (c *tool) begin(endpoint string) {
	c.t.Helper()
	c.post(endpoint, c.offer(nil))
}

func (c *tool) post(endpoint, offer string) {
	c.t.Helper()
	response, answer := c.request("POST", c.site.base+endpoint, offer, "Content-Type", "application/sdp")
	if response.StatusCode != http.StatusCreated {
		c.t.Fatalf("POST %s: %s %s", endpoint, response.Status, answer)
	}
	var err error
	c.location, err = response.Location()
	must(c.t, err)
	c.etag, c.answer, c.links = response.Header.Get("ETag"), answer, response.Header.Values("Link")
	must(c.t, c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	if c.sender != nil {
		for _, layer := range c.video {
			read := c.sender.ReadRTCP
			if rid := layer.RID(); rid != "" {
				read = func() ([]rtcp.Packet, interceptor.Attributes, error) { return c.sender.ReadSimulcastRTCP(rid) }
			}
			c.running.Go(func() { c.readRTCP(read) })
		}
	}
}

func (c *tool) offer(options *webrtc.OfferOptions) string {
	c.t.Helper()
	offer, err := c.pc.CreateOffer(options)
	must(c.t, err)
	gathered := webrtc.GatheringCompletePromise(c.pc)
	must(c.t, c.pc.SetLocalDescription(offer))
	<-gathered
	return c.pc.LocalDescription().SDP
}

var credentials = regexp.MustCompile(`(?m)^a=ice-(ufrag|pwd):(\S+)\r?$`)

// credentialsOf answers the first ufrag and pwd of an SDP text.
func credentialsOf(t *testing.T, text string) (ufrag, pwd string) {
	t.Helper()
	for _, m := range credentials.FindAllStringSubmatch(text, -1) {
		if m[1] == "ufrag" && ufrag == "" {
			ufrag = m[2]
		} else if m[1] == "pwd" && pwd == "" {
			pwd = m[2]
		}
	}
	if ufrag == "" || pwd == "" {
		t.Fatalf("no credentials in %q", text)
	}
	return ufrag, pwd
}

// restart renews ICE as RFC 9725 §4.3.3 describes.
func (c *tool) restart() {
	c.t.Helper()
	ufrag, pwd := credentialsOf(c.t, c.offer(&webrtc.OfferOptions{ICERestart: true}))
	response, text := c.request("PATCH", c.location.String(), "a=ice-ufrag:"+ufrag+"\r\na=ice-pwd:"+pwd+"\r\n",
		"Content-Type", "application/trickle-ice-sdpfrag", "If-Match", "*")
	if response.StatusCode != http.StatusOK || response.Header.Get("ETag") == c.etag {
		c.t.Fatalf("restart: %s, ETag %q after %q: %s", response.Status, response.Header.Get("ETag"), c.etag, text)
	}
	c.etag = response.Header.Get("ETag")
	ufrag, pwd = credentialsOf(c.t, text)
	if old, _ := credentialsOf(c.t, c.answer); old == ufrag {
		c.t.Fatal("the server kept its old ufrag")
	}
	c.answer = regexp.MustCompile(`a=ice-ufrag:\S+`).ReplaceAllString(c.answer, "a=ice-ufrag:"+ufrag)
	c.answer = regexp.MustCompile(`a=ice-pwd:\S+`).ReplaceAllString(c.answer, "a=ice-pwd:"+pwd)
	must(c.t, c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: c.answer}))
}

// end deletes the session and answers the status.
func (c *tool) end() int {
	c.t.Helper()
	response, _ := c.request("DELETE", c.location.String(), "")
	return response.StatusCode
}

// close ends everything of the tool's own, whether or not the server knows.
func (c *tool) close() {
	close(c.stop)
	if err := c.pc.GracefulClose(); err != nil {
		c.t.Errorf("close: %v", err)
	}
	c.running.Wait()
}

// readRTCP waits for key-frame requests of one layer: pion hands a request only
// to the layer that it names.
func (c *tool) readRTCP(read func() ([]rtcp.Packet, interceptor.Attributes, error)) {
	for {
		packets, _, err := read()
		if err != nil {
			return
		}
		for _, p := range packets {
			switch p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				c.wantKey.Store(true)
			}
		}
	}
}

// send talks and shows until the tool is closed.
func (c *tool) send() {
	extensions := make(map[string]uint8)
	for _, x := range c.sender.GetParameters().HeaderExtensions {
		extensions[x.URI] = uint8(x.ID)
	}
	mid := ""
	for _, tr := range c.pc.GetTransceivers() {
		if tr.Sender() == c.sender {
			mid = tr.Mid()
		}
	}
	c.running.Go(func() {
		now := time.Now()
		voice := media.NewVoice(now, media.VoiceConfig{Talk: -1})
		var layers []*media.VP8
		for i := range c.video {
			layers = append(layers, media.NewVP8(now, media.VP8Config{Width: 160 << i, Height: 90 << i, Rate: units.Rate(60_000 << (2 * i)), TemporalLayers: 1}))
		}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var number uint16
		numbers := make([]uint16, len(layers))
		buf := make([]byte, media.MaxVoicePayload) // more than a packet
		for {
			select {
			case <-c.stop:
				return
			case now = <-tick.C:
			}
			for f, ok := voice.Poll(now, buf); ok; f, ok = voice.Poll(now, buf) {
				number++
				c.write(c.voice, &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: number, Timestamp: f.Timestamp, Marker: f.Marker}, Payload: f.Payload})
			}
			if c.wantKey.Swap(false) {
				for _, l := range layers {
					l.RequestKeyFrame()
				}
			}
			for i, l := range layers {
				for f, ok := l.Poll(now); ok; f, ok = l.Poll(now) {
					for n := range f.Packets() {
						payload, last := f.Packet(n, buf)
						numbers[i]++
						p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: numbers[i], Timestamp: f.Timestamp, Marker: last}, Payload: payload}
						if id := c.video[i].RID(); id != "" {
							_ = p.SetExtension(extensions["urn:ietf:params:rtp-hdrext:sdes:mid"], []byte(mid))
							_ = p.SetExtension(extensions["urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"], []byte(id))
						}
						c.write(c.video[i], p)
					}
				}
			}
		}
	})
}

// write sends one packet; while there is no path packets are lost, as they are.
func (c *tool) write(track *webrtc.TrackLocalStaticRTP, p *rtp.Packet) { _ = track.WriteRTP(p) }

// receive counts what arrives.
func (c *tool) receive(r *webrtc.TrackRemote) {
	for {
		p, _, err := r.ReadRTP()
		if err != nil {
			return
		}
		if r.Kind() == webrtc.RTPCodecTypeVideo {
			c.seen.Add(1)
			var v codecs.VP8Packet
			if frame, err := v.Unmarshal(p.Payload); err == nil && v.S == 1 && v.PID == 0 && len(frame) > 0 && frame[0]&1 == 0 {
				c.keys.Add(1)
			}
			continue
		}
		c.heard.Add(1)
		now := time.Now()
		c.mu.Lock()
		if !c.lastHeard.IsZero() {
			c.longest = max(c.longest, now.Sub(c.lastHeard))
		}
		c.lastHeard = now
		c.mu.Unlock()
	}
}

// longestSilence is the longest time without voice since it was last asked.
func (c *tool) longestSilence() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	longest := c.longest
	if !c.lastHeard.IsZero() {
		longest = max(longest, time.Since(c.lastHeard))
	}
	c.longest = 0
	return longest
}
