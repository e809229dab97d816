package node

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
)

// adminRoutes serves operators.
func (n *Node) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if n.engine.Draining() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		answer(w, "ready\n")
	})
	mux.Handle("GET /metrics", n.metricsHandler())
	mux.HandleFunc("GET /debug/rooms", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(n.engine.Rooms()) // The only error is a reader that went away.
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	if n.cfg.AdminRemote {
		return mux
	}
	return named(mux)
}

func answer(w http.ResponseWriter, text string) {
	_, _ = w.Write([]byte(text)) // The reader went away; there is nobody to tell.
}

// named refuses requests by another name than localhost or an address: a page
// in the operator's browser could otherwise read what is here by letting a name
// of its own lead to 127.0.0.1 (DNS rebinding).
func named(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
			http.Error(w, "ask by address or as localhost (or set admin.allowRemote)", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}
