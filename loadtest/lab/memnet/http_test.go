package memnet

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

// TestHTTPAndWebSocket runs net/http's server and client and a WebSocket over
// the network for a virtual hour.
func TestHTTPAndWebSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		l, err := n.Host(bob).ListenStream(80)
		if err != nil {
			t.Fatal(err)
		}
		n.Name("call.test", bob)
		mux := http.NewServeMux()
		mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
		mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover})
			if err != nil {
				return
			}
			defer c.CloseNow()
			for {
				kind, data, err := c.Read(context.Background())
				if err != nil || c.Write(context.Background(), kind, data) != nil {
					return
				}
			}
		})
		server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
		served := make(chan error)
		go func() { served <- server.Serve(l) }()

		h := n.Host(alice)
		transport := &http.Transport{DialContext: h.DialContext}
		client := &http.Client{Transport: transport}
		response, err := client.Get("http://call.test/hello")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || string(body) != "hello" {
			t.Fatalf("got %q, %v", body, err)
		}

		ctx := t.Context()
		ws, _, err := websocket.Dial(ctx, "ws://call.test/echo", &websocket.DialOptions{
			HTTPClient: client, CompressionMode: websocket.CompressionContextTakeover,
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 360 {
			start := time.Now()
			if err := ws.Write(ctx, websocket.MessageText, []byte(`{"type":"ping","type2":"ping"}`)); err != nil {
				t.Fatal(err)
			}
			if _, data, err := ws.Read(ctx); err != nil || len(data) != 30 {
				t.Fatalf("got %q, %v", data, err)
			}
			if took := time.Since(start); took != 2*DefaultDelay {
				t.Fatalf("echo took %v", took)
			}
			time.Sleep(10 * time.Second)
		}
		if err := ws.Close(websocket.StatusNormalClosure, ""); err != nil {
			t.Fatal(err)
		}
		transport.CloseIdleConnections()
		if err := server.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Fatal(err)
		}
	})
}
