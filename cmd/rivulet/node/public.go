package node

import (
	"encoding/json"
	"net/http"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/page"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/rest"
	"github.com/rivulet-rtc/rivulet/sfu/signal/whip"
	"github.com/rivulet-rtc/rivulet/sfu/signal/ws"
)

// Info is what anybody may know of a server, at /v1/info.
type Info struct {
	// Version of the program, and of the signalling protocol.
	Version  string `json:"version"`
	Protocol int    `json:"protocol"`
	// Tokens says whether joining needs one. Without it is a server for
	// development, which a page should say.
	Tokens bool `json:"tokens"`
}

// publicRoutes serves everybody: the page, the SDK and the adapters.
func (n *Node) publicRoutes() (http.Handler, error) {
	info, err := json.Marshal(Info{Version: n.cfg.Version, Protocol: signal.Version, Tokens: !n.cfg.Dev})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", page.Handler())
	mux.Handle("GET /v1/ws", ws.New(n.port(), ws.Config{Origins: n.cfg.Origins, Logger: n.log}))
	if n.board != nil {
		rest.New(n.board, n.board).Register(mux)
	}
	whip.New(n.engine, whip.Config{
		Origins: n.cfg.Origins, MaxSessions: n.cfg.Engine.MaxParticipants, Logger: n.log,
	}).Register(mux)
	mux.HandleFunc("GET /v1/info", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(info) // The reader went away; there is nobody to tell.
	})
	return believing(n.cfg.TrustedProxies, guarded(mux)), nil
}

// guarded sets what holds for every answer; the page adds a policy of its own.
func guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		// Nothing but the page has scripts, frames or a form.
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if r.TLS != nil {
			header.Set("Strict-Transport-Security", "max-age=31536000")
		}
		h.ServeHTTP(w, r)
	})
}
