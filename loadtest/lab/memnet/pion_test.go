package memnet

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/turn/v5"
	"github.com/pion/webrtc/v4"
)

// connection makes a pion PeerConnection whose every socket is on h.
func connection(t *testing.T, h *Host, config webrtc.Configuration) *webrtc.PeerConnection {
	t.Helper()
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	settings := webrtc.SettingEngine{}
	settings.SetNet(h)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings)).NewPeerConnection(config)
	if err != nil {
		t.Fatal(err)
	}
	return pc
}

// negotiate carries offer and answer with all candidates.
func negotiate(t *testing.T, a, b *webrtc.PeerConnection) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	offer, err := a.CreateOffer(nil)
	must(err)
	gathered := webrtc.GatheringCompletePromise(a)
	must(a.SetLocalDescription(offer))
	<-gathered
	must(b.SetRemoteDescription(*a.LocalDescription()))
	answer, err := b.CreateAnswer(nil)
	must(err)
	gathered = webrtc.GatheringCompletePromise(b)
	must(b.SetLocalDescription(answer))
	<-gathered
	must(a.SetRemoteDescription(*b.LocalDescription()))
}

// call lets a send an audio track and a data channel message a second to b for
// d, and answers what arrived.
func call(t *testing.T, a, b *webrtc.PeerConnection, d time.Duration) (packets, messages int64) {
	t.Helper()
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "audio", "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.AddTrack(track); err != nil {
		t.Fatal(err)
	}
	channel, err := a.CreateDataChannel("chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	open := make(chan struct{})
	channel.OnOpen(func() { close(open) })
	var gotPackets, gotMessages atomic.Int64
	b.OnDataChannel(func(c *webrtc.DataChannel) {
		c.OnMessage(func(webrtc.DataChannelMessage) { gotMessages.Add(1) })
	})
	b.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		buf := make([]byte, 1500)
		for {
			if _, _, err := track.Read(buf); err != nil {
				return
			}
			gotPackets.Add(1)
		}
	})
	negotiate(t, a, b)
	<-open
	packet := &rtp.Packet{Header: rtp.Header{Version: 2}, Payload: make([]byte, 60)}
	for i := range int(d / (20 * time.Millisecond)) {
		packet.SequenceNumber = uint16(i)
		packet.Timestamp = uint32(i) * 960
		if err := track.WriteRTP(packet); err != nil {
			t.Fatal(err)
		}
		if i%50 == 0 {
			if err := channel.SendText("tick"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(time.Second)
	return gotPackets.Load(), gotMessages.Load()
}

// TestPeerConnections runs two real PeerConnections for a virtual minute.
func TestPeerConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		a := connection(t, n.Host(alice), webrtc.Configuration{})
		b := connection(t, n.Host(bob), webrtc.Configuration{})
		defer func() {
			_ = a.Close()
			_ = b.Close()
			_ = n.Close()
		}()
		packets, messages := call(t, a, b, time.Minute)
		if packets != 3000 || messages != 60 {
			t.Fatalf("%d packets of 3000, %d messages of 60; %+v", packets, messages, n.Stats())
		}
	})
}

// TestPeerConnectionsOverRelay runs pion's TURN server on a third host, over
// UDP and over a stream, with the direct path closed.
func TestPeerConnectionsOverRelay(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := New(Config{})
				relayAddr := netip.MustParseAddr("192.0.2.1")
				server := relay(t, n.Host(relayAddr))
				n.SetFilter(func(p Packet) bool {
					return p.From.Addr() == relayAddr || p.To.Addr() == relayAddr
				})
				config := webrtc.Configuration{
					ICEServers: []webrtc.ICEServer{{
						URLs: []string{"turn:192.0.2.1:3478?transport=" + transport}, Username: "u", Credential: "p",
					}},
					ICETransportPolicy: webrtc.ICETransportPolicyRelay,
				}
				a := connection(t, n.Host(alice), config)
				b := connection(t, n.Host(bob), webrtc.Configuration{})
				defer func() {
					_ = a.Close()
					_ = b.Close()
					_ = server.Close()
					_ = n.Close()
				}()
				packets, messages := call(t, a, b, 10*time.Second)
				if packets != 500 || messages != 10 {
					t.Fatalf("%d packets of 500, %d messages of 10", packets, messages)
				}
			})
		})
	}
}

// relay runs a TURN server on h.
func relay(t *testing.T, h *Host) *turn.Server {
	t.Helper()
	packets, err := h.ListenPacket("udp4", "0.0.0.0:3478")
	if err != nil {
		t.Fatal(err)
	}
	streams, err := h.ListenStream(3478)
	if err != nil {
		t.Fatal(err)
	}
	generator := &turn.RelayAddressGeneratorStatic{
		RelayAddress: h.Addr().AsSlice(), Address: "0.0.0.0", Net: h,
	}
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: "test",
		AuthHandler: func(r *turn.RequestAttributes) (string, []byte, bool) {
			return r.Username, turn.GenerateAuthKey(r.Username, r.Realm, "p"), true
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: packets, RelayAddressGenerator: generator}},
		ListenerConfigs:   []turn.ListenerConfig{{Listener: streams, RelayAddressGenerator: generator}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return server
}
