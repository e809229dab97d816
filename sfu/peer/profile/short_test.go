package profile

import (
	"bytes"
	"testing"
	"time"
)

func TestHelloComesBackFromItsRandom(t *testing.T) {
	random := bytes.Repeat([]byte{7}, RandomSize)
	packet := Hello(random)
	if got, ok := HelloRandom(packet); !ok || !bytes.Equal(got, random) {
		t.Errorf("%x, %v", got, ok)
	}
	for i := range packet {
		changed := bytes.Clone(packet)
		changed[i]++
		_, ok := HelloRandom(changed)
		if within := i >= len(helloBegin) && i < len(helloBegin)+RandomSize; ok != within {
			t.Errorf("with another byte at %d: %v", i, ok)
		}
	}
	if _, ok := HelloRandom(packet[1:]); ok {
		t.Error("a packet that is cut off is taken")
	}
}

func TestShortCertificates(t *testing.T) {
	a, err := ShortCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, err := ShortCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if a.Equals(*b) {
		t.Error("two paths share a certificate")
	}
	pem, err := a.PEM()
	if err != nil {
		t.Fatal(err)
	}
	if len(pem) == 0 {
		t.Error("no certificate")
	}
	prints, err := a.GetFingerprints()
	if err != nil || len(prints) == 0 || prints[0].Algorithm != "sha-256" {
		t.Errorf("%v, %v", prints, err)
	}
}

func TestRolesOfDTLS(t *testing.T) {
	const offer = "v=0\r\na=setup:actpass\r\nm=audio\r\na=setup:actpass\r\n"
	if !OffersBothRoles(offer) {
		t.Error("actpass is both")
	}
	passive := OfferPassive(offer)
	if OffersBothRoles(passive) || passive != "v=0\r\na=setup:passive\r\nm=audio\r\na=setup:passive\r\n" {
		t.Errorf("%q", passive)
	}
	active := AnswerActive(passive)
	if back := AnswerPassive(active); back != passive || active == passive {
		t.Errorf("%q", back)
	}
}
