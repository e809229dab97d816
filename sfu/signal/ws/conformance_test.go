package ws_test

import (
	"context"
	"net/http"
	"net/netip"
	"testing"

	"github.com/coder/websocket"

	"github.com/rivulet-rtc/rivulet/loadtest/lab/memnet"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/signaltest"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
)

// socket is a WebSocket as the suite's client speaks over it.
type socket struct{ *websocket.Conn }

func (s socket) Write(ctx context.Context, b []byte) error {
	return s.Conn.Write(ctx, websocket.MessageText, b)
}

func (s socket) Read(ctx context.Context) ([]byte, error) {
	_, b, err := s.Conn.Read(ctx)
	return b, err
}

// listen serves the adapter on an in-memory network and answers how to dial it.
func listen(t *testing.T, engine signal.Engine) func() *websocket.Conn {
	t.Helper()
	network := memnet.New(memnet.Config{})
	listener, err := network.Host(netip.MustParseAddr("10.0.0.1")).ListenStream(80)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	handler := ws.New(engine, ws.Config{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r.WithContext(ctx))
	})}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	transport := &http.Transport{DialContext: network.Host(netip.MustParseAddr("10.0.0.2")).DialContext}
	t.Cleanup(func() {
		cancel()
		_ = server.Close() // the listener is gone with it
		<-served
		network.Close()
	})
	return func() *websocket.Conn {
		conn, _, err := websocket.Dial(t.Context(), "ws://10.0.0.1/", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
		if err != nil {
			t.Fatal(err)
		}
		conn.SetReadLimit(1 << 20)
		t.Cleanup(func() { _ = conn.CloseNow() }) // it may be closed already
		return conn
	}
}

func TestConformance(t *testing.T) {
	signaltest.Run(t, func(t *testing.T, engine signal.Engine) signal.Engine {
		return signaltest.Dial(t, socket{listen(t, engine)()}, &signal.Connect{Version: 1, Backend: true})
	}, signaltest.Devices(func(t *testing.T, engine signal.Engine, connect *signal.Connect) *signaltest.Device {
		return signaltest.DialDevice(t, socket{listen(t, engine)()}, connect)
	}))
}
