package media

import (
	"bytes"
	"testing"
	"time"
)

func TestStampRoundTrip(t *testing.T) {
	want := Stamp{Sent: time.Unix(1234, 567891234), Number: 0xFFFFFFF0, Source: 77}
	b := make([]byte, StampSize)
	if !want.Put(b) {
		t.Fatal("does not fit")
	}
	got, ok := ParseStamp(b)
	if !ok || !got.Sent.Equal(want.Sent) || got.Number != want.Number || got.Source != want.Source {
		t.Fatalf("got %+v, %v, want %+v", got, ok, want)
	}
	if want.Put(b[:StampSize-1]) {
		t.Error("fits into too little")
	}
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if _, ok := ParseStamp(b); ok {
				t.Errorf("byte %d bit %d flipped and still a stamp", i, bit)
			}
			b[i] ^= 1 << bit
		}
		if _, ok := ParseStamp(b[:i]); ok {
			t.Errorf("%d bytes are a stamp", i)
		}
	}
}

func TestFindStamps(t *testing.T) {
	var b []byte
	for i := range 3 {
		b = append(b, 0xD7, 0xD7, 0x4B, 9) // nearly a magic
		stamp := make([]byte, StampSize)
		Stamp{Sent: time.Unix(int64(i), 0), Number: uint32(i)}.Put(stamp)
		b = append(b, stamp...)
	}
	found := uint32(0)
	for s, rest, ok := FindStamp(b); ok; s, rest, ok = FindStamp(rest) {
		if s.Number != found {
			t.Fatalf("stamp %d has number %d", found, s.Number)
		}
		found++
	}
	if found != 3 {
		t.Fatalf("found %d stamps of 3", found)
	}
	if _, _, ok := FindStamp(pattern[:]); ok {
		t.Error("the filling is a stamp")
	}
}

func FuzzFindStamp(f *testing.F) {
	valid := make([]byte, StampSize+8)
	Stamp{Sent: time.Unix(1, 2), Number: 3}.Put(valid[4:])
	f.Add(valid)
	f.Add(valid[:StampSize])
	f.Add([]byte{0xD7, 0x4B})
	f.Add(bytes.Repeat([]byte{0xD7}, 100))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = VideoStamp(b)
		left := len(b)
		for s, rest, ok := FindStamp(b); ok; s, rest, ok = FindStamp(rest) {
			again := make([]byte, StampSize)
			s.Put(again)
			if len(rest) > left-StampSize || !bytes.Contains(b, again) {
				t.Fatalf("found %+v, which is not there", s)
			}
			left = len(rest)
		}
	})
}
