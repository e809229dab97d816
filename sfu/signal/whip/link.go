package whip

import (
	"net/http"
	"strings"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// addLinks tells relay servers, one Link header each (RFC 9725 §4.6).
func addLinks(header http.Header, servers []signal.ICEServer) {
	for _, s := range servers {
		for _, url := range s.URLs {
			if strings.ContainsAny(url, "<> \r\n") {
				continue // no URI; it could break out of its brackets
			}
			link := "<" + url + `>; rel="ice-server"`
			if s.Username != "" {
				link += "; username=" + quoted(s.Username) + "; credential=" + quoted(s.Credential) + `; credential-type="password"`
			}
			header.Add("Link", link)
		}
	}
}

// quoted writes a quoted-string (RFC 9110 §5.6.4).
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}
