package emulate

import (
	"reflect"
	"testing"
)

func TestKinds(t *testing.T) {
	var k kinds
	if k.report() != nil {
		t.Error("kinds of nothing")
	}
	for _, b := range [][]byte{
		{0, 1}, {1, 1}, {1, 17}, {22, 254}, {0x80, 111}, {0x90, 0x80 | 111}, {0x80, 200}, {0x81, 205}, {}, {7, 7}, {255, 255},
	} {
		k.add(b, 100)
	}
	want := map[string]Kind{
		"STUN request": {1, 100}, "STUN answer": {2, 200}, "DTLS": {1, 100}, "RTP 111": {2, 200},
		"RTCP 200": {1, 100}, "RTCP 205": {1, 100}, "other": {3, 300},
	}
	if got := k.report(); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
