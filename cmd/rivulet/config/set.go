package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
)

// fromFile begins a secret that stands in a file of its own.
const fromFile = "file:"

// pair is one entry of a map.
type pair struct{ name, text string }

// raw is a value as it was written: one text, a list, or a map.
type raw struct {
	text  string
	list  []string
	pairs []pair
	shape shape
}

type shape uint8

const (
	scalar shape = iota
	list
	mapping
)

func (s shape) String() string { return [...]string{"a single value", "a list", "a map"}[s] }

// reader turns what was written into values.
type reader struct {
	// readFile reads secrets that stand in files.
	readFile func(name string) ([]byte, error)
}

// set reads a value into its field. Errors never hold a secret.
func (r reader) set(l leaf, v raw) error {
	switch field := l.field.Addr().Interface().(type) {
	case *[]string:
		return setList(field, v, func(s string) (string, error) { return s, nil })
	case *[]netip.Addr:
		return setList(field, v, netip.ParseAddr)
	case *[]netip.Prefix:
		return setList(field, v, parsePrefix)
	case *map[string]secret.Secret:
		return r.setSecrets(field, v)
	}
	if v.shape != scalar {
		return fmt.Errorf("takes a single value, not %v", v.shape)
	}
	switch field := l.field.Addr().Interface().(type) {
	case *string:
		*field = v.text
		return oneOf(l, v.text)
	case *bool:
		return parse(field, v.text, "true or false", strconv.ParseBool)
	case *int:
		if err := parse(field, v.text, "a whole number", strconv.Atoi); err != nil {
			return err
		}
		return within(l, *field, strconv.Atoi)
	case *float64:
		if err := parse(field, v.text, "a number", parseFinite); err != nil {
			return err
		}
		return within(l, *field, parseFinite)
	case *time.Duration:
		if err := parse(field, v.text, "a duration with its unit, such as 500ms, 30s or 2h", time.ParseDuration); err != nil {
			return err
		}
		return within(l, *field, time.ParseDuration)
	case *netip.Addr:
		return parse(field, v.text, "an IP address", netip.ParseAddr)
	case *secret.Secret:
		s, err := r.secret(v.text)
		if err == nil {
			*field = s
		}
		return err
	}
	panic("config: no reader for " + l.field.Type().String()) // A field of ours: tests read each.
}

func parse[T any](field *T, text, wanted string, from func(string) (T, error)) error {
	value, err := from(strings.TrimSpace(text))
	if err != nil {
		return fmt.Errorf("is %q, which is not %s", text, wanted)
	}
	*field = value
	return nil
}

func parseFinite(text string) (float64, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return 0, errors.New("not finite")
	}
	return f, err
}

// parsePrefix takes a network, or one address for itself.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// within enforces the bounds in the tags.
func within[T int | float64 | time.Duration](l leaf, value T, from func(string) (T, error)) error {
	low, high := l.tag.Get("min"), l.tag.Get("max")
	least, errLow := from(low)
	most, errHigh := from(high)
	if errLow != nil || errHigh != nil {
		panic("config: bad bounds of " + l.path) // A tag of ours: tests read each.
	}
	if value < least || value > most {
		return fmt.Errorf("is %v; it must be %s to %s", value, low, high)
	}
	return nil
}

func oneOf(l leaf, text string) error {
	allowed := strings.Fields(l.tag.Get("oneof"))
	if len(allowed) > 0 && !slices.Contains(allowed, text) {
		return fmt.Errorf("is %q; it must be one of %s", text, strings.Join(allowed, ", "))
	}
	return nil
}

// setList takes a list, or one text with commas.
func setList[T any](field *[]T, v raw, from func(string) (T, error)) error {
	texts := v.list
	switch v.shape {
	case mapping:
		return fmt.Errorf("takes a list, not %v", v.shape)
	case scalar:
		texts = split(v.text)
	}
	values := make([]T, 0, len(texts))
	for _, text := range texts {
		value, err := from(strings.TrimSpace(text))
		if err != nil {
			return fmt.Errorf("has %q in it, which cannot be read: %w", text, err)
		}
		values = append(values, value)
	}
	*field = values
	return nil
}

// setSecrets takes a map, or one text "id:secret,id:secret". Which entry is
// wrong is told by its id.
func (r reader) setSecrets(field *map[string]secret.Secret, v raw) error {
	pairs := v.pairs
	switch v.shape {
	case list:
		return fmt.Errorf("takes a map of id to secret, not %v", v.shape)
	case scalar:
		for i, entry := range split(v.text) {
			name, text, found := strings.Cut(entry, ":")
			if !found {
				return fmt.Errorf("has no colon in entry %d: write id:secret,id:secret", i+1)
			}
			pairs = append(pairs, pair{strings.TrimSpace(name), strings.TrimSpace(text)})
		}
	}
	keys := make(map[string]secret.Secret, len(pairs))
	for _, p := range pairs {
		s, err := r.secret(p.text)
		if err == nil && s.IsZero() {
			err = fmt.Errorf("%w: it is empty: make one with `rivulet token secret`", secret.ErrWeak)
		}
		if err != nil {
			return fmt.Errorf("key %q: %w", p.name, err)
		}
		keys[p.name] = s
	}
	*field = keys
	return nil
}

// secret takes a secret itself, or file:PATH.
func (r reader) secret(text string) (secret.Secret, error) {
	if name, ok := strings.CutPrefix(text, fromFile); ok {
		b, err := r.readFile(name)
		if err != nil {
			return secret.Secret{}, fmt.Errorf("read the secret: %w", err)
		}
		if text = strings.TrimSpace(string(b)); text == "" {
			return secret.Secret{}, fmt.Errorf("%w: the file %s is empty", secret.ErrWeak, name)
		}
	}
	var s secret.Secret
	err := s.UnmarshalText([]byte(text))
	return s, err
}

// split cuts at commas and drops empty parts.
func split(text string) []string {
	return slices.DeleteFunc(strings.Split(text, ","), func(s string) bool { return strings.TrimSpace(s) == "" })
}
