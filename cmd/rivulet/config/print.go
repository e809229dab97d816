package config

import (
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
)

// Print writes the effective configuration as a file that Load reads, with the
// origin of each value as a comment. Secrets are redacted.
func (l *Loaded) Print(w io.Writer) error {
	for i, s := range sections(&l.Config) {
		if i > 0 {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintf(w, "%s:\n", s.name); err != nil {
			return err
		}
		for _, leaf := range s.leaves {
			origin := l.Origins[leaf.path]
			if origin == "" {
				origin = "default"
			}
			line := fmt.Sprintf("  %s: %s", leaf.path[len(s.name)+1:], written(leaf.field.Interface()))
			if _, err := fmt.Fprintf(w, "%-40s # %s\n", line, origin); err != nil {
				return err
			}
		}
	}
	return nil
}

// written answers a value in YAML on one line (flow style).
func written(value any) string {
	switch v := value.(type) {
	case string:
		return quoted(v)
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case time.Duration:
		return duration(v)
	case netip.Addr:
		return quoted(v.String())
	case []string:
		return flow(v, quoted)
	case []netip.Addr:
		return flow(v, func(a netip.Addr) string { return quoted(a.String()) })
	case []netip.Prefix:
		return flow(v, func(p netip.Prefix) string { return quoted(p.String()) })
	case secret.Secret:
		return quoted(v.String())
	case map[string]secret.Secret:
		ids := slices.Sorted(maps.Keys(v))
		entries := make([]string, len(ids))
		for i, id := range ids {
			entries[i] = quoted(id) + ": " + quoted(v[id].String())
		}
		return "{" + strings.Join(entries, ", ") + "}"
	}
	panic(fmt.Sprintf("config: no way to write a %T", value)) // A field of ours: tests write each.
}

// duration leaves out zero units: 12h, not 12h0m0s.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-len("0s")]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-len("0m")]
	}
	return s
}

// quoted is a double-quoted scalar, whose escapes YAML shares with Go for
// printable text; plain where nothing could be mistaken.
func quoted(s string) string {
	for _, r := range s {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-' || r == '.' || r == '/'
		if !plain {
			return strconv.QuoteToASCII(s)
		}
	}
	switch strings.ToLower(s) {
	case "", "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return strconv.Quote(s)
	}
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, ".") {
		return strconv.Quote(s)
	}
	return s
}

func flow[T any](values []T, text func(T) string) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = text(v)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
