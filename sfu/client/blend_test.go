package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/bwe/units"
	"github.com/rivulet-rtc/rivulet/codec/opus"
	"github.com/rivulet-rtc/rivulet/codec/opus/opustest"
	"github.com/rivulet-rtc/rivulet/sfu/client"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// conversation lets two people talk, and a third listen whose path carries less
// than both voices. It answers the listener after half a minute.
func conversation(t *testing.T, encrypted bool, path units.Rate, talk func(*user), then func(w *world, ann, bob *user)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		defer w.close()
		speak := publications(signal.Microphone)
		speak[0].Encrypted = encrypted
		ann := w.join(client.Options{Identity: "ann", Publish: speak})
		cat := w.join(client.Options{Identity: "cat", Publish: speak})
		bob := w.join(client.Options{Identity: "bob", ReceiveOnly: true})
		w.network.Connect(serverAddr, bob.addr, &narrow{rate: path})
		for _, u := range []*user{ann, cat, bob} {
			u.waitConnected(t)
		}
		talk(ann)
		talk(cat)
		time.Sleep(30 * time.Second)
		then(w, ann, bob)
		for _, u := range []*user{bob, cat, ann} {
			w.leave(u)
		}
	})
}

// read sends real Opus of somebody who reads aloud, until the user leaves.
func (u *user) read(t *testing.T) {
	const size, rate = 320, 16000 // 20 ms
	c := opus.DefaultEncoderConfig()
	c.Rate, c.DTX = 24*units.Kbps, false
	encoder, err := opus.NewEncoder(c)
	must(t, err)
	pcm, sender := opustest.Speech(rate, 10*rate, 140), u.Sender(signal.Microphone)
	u.media.Go(func() {
		start, buf := time.Now(), make([]byte, 0, opus.MaxPacket)
		for i := 0; u.waitFor(start.Add(time.Duration(i) * 20 * time.Millisecond)); i++ {
			at := i * size % len(pcm)
			payload, err := encoder.Encode(pcm[at:at+size], buf)
			if err == nil {
				err = sender.Write(time.Now(), client.Frame{Timestamp: uint32(i) * 960, Payload: payload, Level: 30, Voice: true})
			}
			if err != nil {
				t.Errorf("read aloud: %v", err)
				return
			}
		}
	})
}

// sounds are the audio slots that carry something.
func (u *user) sounds() (whole, mixed int) {
	for _, a := range u.Assignments() {
		if a.Mixed {
			mixed++
		} else {
			whole++
		}
	}
	return whole, mixed
}

// Two voices do not fit: they come in one stream, nobody is lowered by that, and
// when they fit again they come on their own.
func TestVoicesAreMixedForAThinReceiver(t *testing.T) {
	if !opus.Available() {
		t.Skip("needs the Opus codec: go test -tags opus,nolibopusfile, or run `make test`")
	}
	conversation(t, false, 24*units.Kbps, func(u *user) { u.read(t) }, func(w *world, ann, bob *user) {
		if whole, mixed := bob.sounds(); whole != 0 || mixed != 1 {
			t.Fatalf("%d voices and %d mixes: %+v", whole, mixed, bob.Assignments())
		}
		if told := bob.voices(); told.Kind != signal.VoicesMixed || told.Reason != "" {
			t.Errorf("bob was told %+v", told)
		}
		before, others, lost := bob.heard(0), ann.heard(0), bob.Stats().Lost
		time.Sleep(10 * time.Second)
		heard := bob.heard(0) - before
		if heard < 80 || heard > 180 { // packets of 120 or 60 ms
			t.Errorf("%d packets of the mix in 10 s", heard)
		}
		if n := int(bob.Stats().Lost - lost); n > heard/100 {
			t.Errorf("%d packets lost of %d", n, heard)
		}
		if n := ann.heard(0) - others; n < 490 {
			t.Errorf("%d packets of 20 ms in 10 s reach somebody whose path is good", n)
		}
		w.network.Connect(serverAddr, bob.addr, &narrow{rate: units.Mbps})
		until(t, time.Minute, "whole voices on a path that carries them", func() bool {
			whole, mixed := bob.sounds()
			return whole == 2 && mixed == 0
		})
	})
}

// What nobody may decode cannot be mixed: one voice is forwarded as it is.
func TestOneVoiceWhereNoneMayBeMixed(t *testing.T) {
	conversation(t, true, 60*units.Kbps, func(u *user) { u.talk(t) }, func(_ *world, _, bob *user) {
		if told := bob.voices(); told != (signal.VoicesChanged{Kind: signal.VoicesSingle, Reason: signal.VoicesEncrypted}) {
			t.Errorf("bob was told %+v", told)
		}
		if whole, mixed := bob.sounds(); whole != 1 || mixed != 0 {
			t.Errorf("%d voices and %d mixes: %+v", whole, mixed, bob.Assignments())
		}
	})
}

// voices is what the server has told last of the shape of voices.
func (u *user) voices() (last signal.VoicesChanged) {
	for {
		select {
		case e := <-u.Events():
			if v, ok := e.(*signal.VoicesChanged); ok {
				last = *v
			}
		default:
			return last
		}
	}
}
