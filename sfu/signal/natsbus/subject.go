package natsbus

import (
	"strconv"
	"strings"
)

// plain says whether a byte stands for itself in a subject.
func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// Escape writes an id as one token of a subject, which holds no dot, space or
// wildcard.
func Escape(id string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

// unescape reads a token as an id.
func unescape(token string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		if token[i] != '%' {
			b.WriteByte(token[i])
			continue
		}
		if i+2 >= len(token) {
			return "", false
		}
		c, err := strconv.ParseUint(token[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), true
}

// CallSubject is where commands about a call go.
func CallSubject(id string) string { return root + ".call." + Escape(id) + ".cmd" }

// RoomSubject is where commands about a room go.
func RoomSubject(name string) string { return root + ".room." + Escape(name) + ".cmd" }
