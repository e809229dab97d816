package sfu

import (
	"testing"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/token"
)

// Tokens name sources in their own way: "screen_share" is our "screen".
func TestTokensGrantSourcesByTheirOwnNames(t *testing.T) {
	all := []signal.Source{signal.Microphone, signal.Camera, signal.Screen, signal.ScreenAudio}
	for granted, want := range map[token.Source]signal.Source{
		token.Microphone: signal.Microphone, token.Camera: signal.Camera,
		token.ScreenShare: signal.Screen, token.ScreenAudio: signal.ScreenAudio,
	} {
		g := token.Grants{Publish: true, Sources: []token.Source{granted}}
		for _, source := range all {
			if got := mayPublish(g, source); got != (source == want) {
				t.Errorf("a token for %s: publishing %s allowed: %v", granted, source, got)
			}
		}
	}
	for _, source := range all {
		if !mayPublish(token.Grants{Publish: true}, source) {
			t.Errorf("a token for everything does not allow %s", source)
		}
		if mayPublish(token.Grants{}, source) {
			t.Errorf("a token for nothing allows %s", source)
		}
	}
}
