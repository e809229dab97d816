// Package compact makes signalling small: messages by DEFLATE with a dictionary
// that both sides know, descriptions by the difference of their sections.
//
// On a link of 35 kbit/s a browser's offer for a whole call (60 kB with nine
// pictures) takes 14 seconds as it is, and more than half a second if it is
// merely compressed. In both forms together it is less than a kilobyte.
//
//	offer -> SDP (sections by difference) -> JSON -> Encode (DEFLATE, dictionary) -> one binary frame
//
// The dictionary is part of the protocol: it is frozen under the number in
// Subprotocol, and another one needs another number. It holds what messages of
// ours and descriptions of Chromium, of this project's server and of its client
// have in common.
package compact

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"errors"
	"io"
	"slices"
	"sync"
)

// Subprotocol is the name under which a WebSocket carries messages in this form
// (RFC 6455 §1.9): each is one binary frame. It is that of dictionary 1.
const Subprotocol = "rivulet.v1.compact.1"

// firstSuffix marks a connection whose first messages came with the request that
// opens it: see Token.
const firstSuffix = ".first"

// FirstSubprotocol is Subprotocol for such a connection.
const FirstSubprotocol = Subprotocol + firstSuffix

// PlainSubprotocol is the name for text frames with JSON, for clients that want
// to name something: browsers fail when none of the names they offer is taken.
const PlainSubprotocol = "rivulet.v1"

var (
	// ErrTooLarge says that a message is longer than the limit once decoded.
	ErrTooLarge = errors.New("compact: the message is too large")
	// ErrCorrupt says that a message is not DEFLATE.
	ErrCorrupt = errors.New("compact: the message cannot be decompressed: it is not raw DEFLATE with the dictionary agreed")
)

//go:embed dictionary.txt
var dictionary []byte

// second is what dictionary 2 has beside the first: joins of the Go client as
// they are now, and answers to them.
//
//go:embed dictionary2.txt
var second []byte

// third is what dictionary 3 has beside the second: what the Go client and the
// server say to each other without SDP.
//
//go:embed dictionary3.txt
var third []byte

// Form is the compact form with one dictionary.
type Form struct {
	// Subprotocol is its name, First that of a connection whose first messages
	// came with the request.
	Subprotocol, First string
	// Attaches says that bytes may stand behind the message in its frame: a brief
	// description (sfu/peer/brief) in place of SDP.
	Attaches bool

	// Compressors are large (about 600 kB with their tables) and reset quickly.
	dictionary       []byte
	writers, readers sync.Pool
}

// The forms that there are: Forms are all, the best for who knows both first.
var (
	One   = newForm("1", false, dictionary)
	Two   = newForm("2", false, slices.Concat(dictionary, second))
	Three = newForm("3", true, slices.Concat(second, third))
	Forms = []*Form{Three, Two, One}
)

func newForm(number string, attaches bool, dictionary []byte) *Form {
	const family = "rivulet.v1.compact."
	f := &Form{Subprotocol: family + number, First: family + number + firstSuffix, Attaches: attaches, dictionary: dictionary}
	f.writers.New = func() any {
		w, err := flate.NewWriterDict(io.Discard, flate.BestCompression, dictionary)
		if err != nil {
			panic(err) // the level is a constant
		}
		return w
	}
	f.readers.New = func() any { return flate.NewReaderDict(bytes.NewReader(nil), dictionary) }
	return f
}

// Of answers the form of a subprotocol, and whether its first messages came with
// the request; nil for others.
func Of(subprotocol string) (f *Form, first bool) {
	for _, f := range Forms {
		if subprotocol == f.Subprotocol || subprotocol == f.First {
			return f, subprotocol == f.First
		}
	}
	return nil, false
}

// Encode is that of dictionary 1.
func Encode(message []byte) []byte { return One.Encode(message) }

// Decode is that of dictionary 1.
func Decode(data []byte, limit int) ([]byte, error) { return One.Decode(data, limit) }

// Encode answers a message as raw DEFLATE (RFC 1951) with the dictionary.
func (f *Form) Encode(message []byte) []byte {
	var out bytes.Buffer
	w := f.writers.Get().(*flate.Writer)
	defer f.writers.Put(w)
	w.Reset(&out)
	// A buffer refuses nothing.
	_, _ = w.Write(message)
	_ = w.Close()
	return out.Bytes()
}

// EncodeWith is Encode with bytes attached, in a form that attaches.
func (f *Form) EncodeWith(message, attached []byte) []byte {
	return append(f.Encode(message), attached...)
}

// Decode answers a message of at most limit bytes, ErrTooLarge or ErrCorrupt.
// What is attached is ErrCorrupt too.
func (f *Form) Decode(data []byte, limit int) ([]byte, error) {
	message, attached, err := f.decode(data, limit)
	if err == nil && len(attached) > 0 {
		return nil, ErrCorrupt
	}
	return message, err
}

// DecodeWith answers what is attached beside: what stands behind the end of DEFLATE,
// which marks its own (RFC 1951 §3.2.3). In a form that attaches nothing it is Decode.
func (f *Form) DecodeWith(data []byte, limit int) (message, attached []byte, err error) {
	if !f.Attaches {
		message, err = f.Decode(data, limit)
		return message, nil, err
	}
	return f.decode(data, limit)
}

func (f *Form) decode(data []byte, limit int) (message, attached []byte, err error) {
	r := f.readers.Get().(io.ReadCloser)
	defer f.readers.Put(r)
	// A bytes.Reader is read byte by byte and never beyond the end (flate.Reader).
	source := bytes.NewReader(data)
	if err := r.(flate.Resetter).Reset(source, f.dictionary); err != nil {
		return nil, nil, ErrCorrupt
	}
	message, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, nil, ErrCorrupt
	case len(message) > limit:
		return nil, nil, ErrTooLarge
	}
	return message, data[len(data)-source.Len():], nil
}
