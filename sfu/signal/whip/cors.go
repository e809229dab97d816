package whip

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

const (
	endpointMethods = "OPTIONS, POST"
	sessionMethods  = "OPTIONS, PATCH, DELETE"

	mediaOffer    = "application/sdp"
	mediaFragment = "application/trickle-ice-sdpfrag" // RFC 8840 §9.1
)

// allowOrigin says whether the page that sent the request, if it was a page,
// may read the answer, and adds the headers that tell its browser so (Fetch,
// CORS protocol).
func (h *Handler) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	header := w.Header()
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	if !h.knownOrigin(origin, r.Host) {
		return false
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", "Location, Link, ETag, Accept-Patch, Retry-After, WWW-Authenticate")
	return true
}

// knownOrigin compares an origin with this host and the configured patterns.
func (h *Handler) knownOrigin(origin, host string) bool {
	u, err := url.Parse(origin)
	known := err == nil && u.Host != ""
	if known && strings.EqualFold(u.Host, host) {
		return true
	}
	for _, pattern := range h.origins {
		if pattern == "*" {
			return true // also "null", which sandboxed pages and files send
		}
		if !known {
			continue
		}
		if ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(u.Host)); err == nil && ok {
			return true
		}
	}
	return false
}

func (h *Handler) optionsOfEndpoint(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Accept-Post", mediaOffer) // RFC 9725 §4.2
	h.options(w, r, endpointMethods)
}

func (h *Handler) optionsOfSession(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Accept-Patch", mediaFragment) // RFC 5789 §3.1
	h.options(w, r, sessionMethods)
}

// options answers 200 to everybody; without the CORS headers a browser keeps
// its page from going on.
func (h *Handler) options(w http.ResponseWriter, r *http.Request, methods string) {
	header := w.Header()
	header.Set("Allow", methods)
	if h.allowOrigin(w, r) && r.Header.Get("Origin") != "" {
		header.Set("Access-Control-Allow-Methods", methods)
		header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match")
		header.Set("Access-Control-Max-Age", "86400") // seconds
	}
	w.WriteHeader(http.StatusOK)
}
