package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rivulet-rtc/rivulet/internal/secret"
)

func TestNewRefusesWeakSecrets(t *testing.T) {
	cases := map[string]string{
		"empty":      "",
		"short":      "0123456789abcdef0123456789abcde",
		"repetition": strings.Repeat("abcdefg", 10),
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := secret.New(text)
			if !errors.Is(err, secret.ErrWeak) {
				t.Fatalf("New(%d bytes) = %v, want ErrWeak", len(text), err)
			}
			if !strings.Contains(err.Error(), "rivulet token secret") {
				t.Errorf("error %q does not say how to make a good secret", err)
			}
			if text != "" && strings.Contains(err.Error(), text) {
				t.Errorf("error %q contains the secret", err)
			}
		})
	}
	if _, err := secret.New(secret.Generate() + strings.Repeat("x", secret.MaxLength)); err == nil {
		t.Error("a secret beyond MaxLength was accepted")
	}
}

func TestGenerateIsStrongAndFresh(t *testing.T) {
	a, b := secret.Generate(), secret.Generate()
	if a == b {
		t.Fatal("two generated secrets are equal")
	}
	s, err := secret.New(a)
	if err != nil {
		t.Fatalf("New(Generate()) = %v", err)
	}
	if string(s.Bytes()) != a {
		t.Error("Bytes differ from the text")
	}
}

func TestSecretNeverPrints(t *testing.T) {
	text := secret.Generate()
	s, err := secret.New(text)
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		Shown  secret.Secret
		hidden secret.Secret
	}
	h := holder{Shown: s, hidden: s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", &h)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "secret", s, "holder", h)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "secret", s, "holder", h)
	if err := json.NewEncoder(&out).Encode(h); err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{text, fmt.Sprintf("%x", text), fmt.Sprint([]byte(text))} {
		if strings.Contains(out.String(), leak) {
			t.Fatalf("the secret was printed:\n%s", out.String())
		}
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("nothing says that a secret was hidden")
	}
}

func TestUnmarshalText(t *testing.T) {
	var s secret.Secret
	if err := s.UnmarshalText(nil); err != nil || !s.IsZero() || s.Bytes() != nil {
		t.Errorf("empty text: err %v, zero %v", err, s.IsZero())
	}
	if err := s.UnmarshalText([]byte("weak")); !errors.Is(err, secret.ErrWeak) {
		t.Errorf("weak text: %v, want ErrWeak", err)
	}
	text := secret.Generate()
	if err := s.UnmarshalText([]byte(text)); err != nil || string(s.Bytes()) != text {
		t.Errorf("good text: %v", err)
	}
}
