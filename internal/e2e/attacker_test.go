package e2e

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// attacker is a signalling connection that may say anything.
type attacker struct {
	t *testing.T
	*websocket.Conn
}

// attack opens a signalling connection.
func (s *server) attack(t *testing.T) *attacker {
	t.Helper()
	return s.attackOver(t, func(net.Conn) {})
}

// attackOver is attack; dialled is told the connection below.
func (s *server) attackOver(t *testing.T, dialled func(net.Conn)) *attacker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, address)
		if err == nil {
			dialled(c)
		}
		return c, err
	}}
	c, _, err := websocket.Dial(ctx, "ws://"+loopback(s.ports.HTTP)+"/v1/ws", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = c.CloseNow() })
	return &attacker{t, c}
}

// answered is what the tests look at in a reply.
type answered struct {
	Type, Re string
	Code     signal.Code
	Answer   string
	Seq      uint64
}

// say sends a message and answers the reply to it.
func (a *attacker) say(text string) answered {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 10*time.Second)
	defer cancel()
	if err := a.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		a.t.Fatalf("say %.80s: %v", text, err)
	}
	for {
		_, b, err := a.Read(ctx)
		if err != nil {
			a.t.Fatalf("no reply to %.80s: %v", text, err)
		}
		var m answered
		if err := json.Unmarshal(b, &m); err != nil {
			a.t.Fatalf("the server sent %q: %v", b, err)
		}
		if m.Seq == 0 {
			return m
		}
	}
}

// joinMessage is a join with an offer.
func joinMessage(room, identity, offer string) string {
	b, err := json.Marshal(struct {
		Type string `json:"type"`
		ID   string `json:"id"`
		signal.Join
	}{"join", "j", signal.Join{
		Version: 1, Room: room, Identity: identity, Offer: offer,
		Send:    []signal.Section{{MID: "0", Source: signal.Camera}},
		Publish: []signal.Publish{{Source: signal.Camera, Width: 640, Height: 360}},
	}})
	if err != nil {
		panic(err) // plain strings always marshal
	}
	return string(b)
}

// wire is a track of pion's through which any RTP packet can be written.
type wire struct {
	writer webrtc.TrackLocalWriter
	bound  chan struct{}
}

func (w *wire) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	w.writer = ctx.WriteStream()
	close(w.bound)
	return ctx.CodecParameters()[0], nil
}
func (w *wire) Unbind(webrtc.TrackLocalContext) error { return nil }
func (w *wire) ID() string                            { return "hostile" }
func (w *wire) RID() string                           { return "" }
func (w *wire) StreamID() string                      { return "hostile" }
func (w *wire) Kind() webrtc.RTPCodecType             { return webrtc.RTPCodecTypeVideo }

// floodMedia joins with media and sends RTP and RTCP that nobody announced.
func floodMedia(t *testing.T, s *server, room string) {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	w := &wire{bound: make(chan struct{})}
	if _, err := pc.AddTransceiverFromTrack(w, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly}); err != nil {
		t.Fatal(err)
	}
	connected := make(chan struct{})
	pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateConnected {
			close(connected)
		}
	})
	offer, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	a := s.attack(t)
	reply := a.say(joinMessage(room, "hostile", offer.SDP))
	if reply.Type != "joined" {
		t.Fatalf("the hostile peer was answered %+v", reply)
	}
	if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: reply.Answer}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []chan struct{}{w.bound, connected} {
		select {
		case <-c:
		case <-time.After(10 * time.Second):
			t.Fatal("the hostile peer did not connect")
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	payload := make([]byte, 1400)
	for i := range 4000 {
		h := &rtp.Header{
			Version: 2, PayloadType: uint8(random.UintN(128)), SSRC: random.Uint32(), Marker: i%2 == 0,
			SequenceNumber: uint16(random.Uint32()), Timestamp: random.Uint32(),
		}
		if i%3 == 0 { // the announced stream, the wrong payload type, a damaged descriptor
			h.SSRC, h.PayloadType = 0x1234, 96
		}
		n := random.IntN(len(payload))
		for j := range min(n, 16) {
			payload[j] = byte(random.UintN(256))
		}
		// The server may cut the path off; the pages must not notice either way.
		_, _ = w.writer.WriteRTP(h, payload[:n])
		if i%10 == 0 {
			raw := rtcp.RawPacket(append([]byte{0x80 | byte(i&0x1f), byte(200 + i%8), 0, byte(n % 64)}, payload[:n&^3]...))
			_ = pc.WriteRTCP([]rtcp.Packet{&raw})
		}
	}
}

// floodDatagrams sends datagrams that are none of ours to a UDP port.
func floodDatagrams(t *testing.T, port int) {
	t.Helper()
	conn, err := net.Dial("udp", loopback(port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	random := rand.New(rand.NewPCG(3, 4))
	stun := []byte{0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 6, 0, 4, 'a', 'b', 'c', 'd'}
	b := make([]byte, 1500)
	for i := range 4000 {
		for j := range b {
			b[j] = byte(random.Uint32())
		}
		n := random.IntN(len(b))
		switch i % 4 {
		case 0: // STUN cut off anywhere, or with a length that lies
			n = random.IntN(len(stun) + 1)
			copy(b, stun)
		case 1: // RTP-like
			b[0] = 0x80
		case 2: // DTLS-like
			copy(b, []byte{22, 0xfe, 0xfd})
		}
		_, _ = conn.Write(b[:n]) // a refusal by ICMP is an error of a later write
	}
}

// floodStreams opens TCP connections that say nothing, little, or nonsense.
func floodStreams(t *testing.T, port int) {
	t.Helper()
	for i := range 60 {
		conn, err := net.DialTimeout("tcp", loopback(port), 5*time.Second)
		if err != nil {
			continue // refused: as good
		}
		t.Cleanup(func() { conn.Close() })
		switch i % 4 {
		case 0:
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n")
		case 1:
			_, _ = conn.Write([]byte{0xff, 0xff, 0}) // a frame of 64 kB that never comes
		case 2:
			_, _ = conn.Write([]byte(strings.Repeat("\x00\x00", 10_000)))
		}
	}
}
