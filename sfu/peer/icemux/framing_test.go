package icemux

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestFramesComeOutAsTheyWentIn(t *testing.T) {
	var pool bufferPool
	packets := [][]byte{dtls, bytes.Repeat([]byte{1}, bufferSize), {7}, bytes.Repeat([]byte{2}, maxFrame)}
	var stream []byte
	for _, p := range packets {
		stream = appendFrame(stream, p)
		stream = append(stream, 0, 0) // an empty frame between
	}
	r := iotest.OneByteReader(bytes.NewReader(stream))
	for _, want := range packets {
		b, n, err := readFrame(r, &pool, maxFrame)
		if err != nil || !bytes.Equal(b.data[:n], want) {
			t.Fatalf("%d bytes, %v; want %d", n, err, len(want))
		}
		pool.give(b)
	}
	if _, _, err := readFrame(r, &pool, maxFrame); err != io.EOF {
		t.Fatal(err)
	}
	if pool.out.Load() != 0 {
		t.Fatalf("%d buffers lost", pool.out.Load())
	}
}

func TestBrokenFrames(t *testing.T) {
	for _, c := range []struct {
		name   string
		stream []byte
		want   error
	}{
		{"nothing", nil, io.EOF},
		{"half a length", []byte{0}, io.ErrUnexpectedEOF},
		{"half a packet", []byte{0, 4, 1, 2}, io.ErrUnexpectedEOF},
		{"too long", []byte{0x20, 0x01, 1}, errFrameTooLong},
	} {
		var pool bufferPool
		if _, _, err := readFrame(bytes.NewReader(c.stream), &pool, maxFrame); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if pool.out.Load() != 0 {
			t.Errorf("%s: a buffer was lost", c.name)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add(appendFrame(nil, stunMessage(stunRequest, "aaaa:x")))
	f.Add([]byte{0, 0, 0, 0, 255, 255, 1})
	f.Add([]byte{0x20, 0x00})
	f.Fuzz(func(t *testing.T, stream []byte) {
		var pool bufferPool
		r := bytes.NewReader(stream)
		for {
			before := r.Len()
			b, n, err := readFrame(r, &pool, maxFrame)
			if err != nil {
				break
			}
			if n == 0 || n > maxFrame || before-r.Len() < n+frameHeader {
				t.Fatalf("%d bytes out of %d", n, before-r.Len())
			}
			pool.give(b)
		}
		if pool.out.Load() != 0 {
			t.Fatal("a buffer was lost")
		}
	})
}
