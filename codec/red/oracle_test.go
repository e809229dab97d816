//go:build opus

// Through libopus, which needs cgo:
//
//	go test -tags opus,nolibopusfile ./codec/red
package red

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/hraban/opus"
)

// A stream of which every third packet is lost sounds as if none were: the
// copies in the next ones stand in for them.
func TestOracleRecover(t *testing.T) {
	encoder, err := opus.NewEncoder(48000, 1, opus.AppVoIP)
	if err != nil {
		t.Fatal(err)
	}
	var audio [][]byte
	pcm, buffer := make([]int16, step), make([]byte, 2000)
	for i := range 60 {
		for j := range pcm {
			at := float64(i*step+j) / 48000
			pcm[j] = int16(8000 * math.Sin(2*math.Pi*200*at) * math.Sin(2*math.Pi*3*at))
		}
		n, err := encoder.Encode(pcm, buffer)
		if err != nil {
			t.Fatal(err)
		}
		audio = append(audio, bytes.Clone(buffer[:n]))
	}
	var w Window
	var arrived []Frame
	for i := range audio {
		if i%3 == 1 {
			continue
		}
		var blocks []Block
		if i > 0 {
			blocks = append(blocks, Block{111, step, audio[i-1]})
		}
		if arrived, err = w.Recover(arrived, uint32(i*step), Append(nil, 111, audio[i], blocks...)); err != nil {
			t.Fatal(err)
		}
	}
	var repaired [][]byte
	for _, f := range arrived {
		repaired = append(repaired, f.Data)
	}
	if got, want := decode(t, repaired), decode(t, audio); !slices.Equal(got, want) {
		t.Errorf("%d samples became %d others", len(want), len(got))
	}
}

func decode(t *testing.T, packets [][]byte) (pcm []int16) {
	t.Helper()
	decoder, err := opus.NewDecoder(48000, 1)
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]int16, 5760)
	for _, packet := range packets {
		n, err := decoder.Decode(packet, buffer)
		if err != nil {
			t.Fatal(err)
		}
		pcm = append(pcm, buffer[:n]...)
	}
	return pcm
}
