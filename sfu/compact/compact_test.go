package compact

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "make the dictionary anew from testdata/samples; only before a version is published")

// message is one recorded message of testdata.
func message(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

// shorten writes the description in a message in its compact form.
func shorten(t testing.TB, b []byte, field string) []byte {
	t.Helper()
	var all map[string]json.RawMessage
	var sdp string
	if json.Unmarshal(b, &all) != nil || json.Unmarshal(all[field], &sdp) != nil {
		t.Fatalf("no %s in %.60s", field, b)
	}
	short, err := json.Marshal(SDP(sdp))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(b, all[field], short, 1)
}

// random is what differs from call to call: it is of no use in a dictionary.
var random = regexp.MustCompile(`(ice-ufrag:|ice-pwd:|fingerprint:sha-256 |cname:|msid:- |o=- |ssrc-group:FID |a=ssrc:)[^\\ ]*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(p|t|r)_[\w-]{16,}`)

// frozen is the SHA-256 of dictionary 1: who has another cannot read a word.
const frozen = "f42c2d79669461260f8d8d728b6238d60a362c8fba49228016b66ae976fc9c49"

// frozenTwo is that of dictionary 2, which is the first and dictionary2.txt: a join
// with a picture, an answer and a join of a voice call, of the Go client in November
// 2026, without what is random in them.
const frozenTwo = "5801900e97bbd6d06c1bb4c2a2ec8987d31eb8c1ee376c208b554683e5cdf358"

// frozenThree is that of dictionary 3, which is dictionary2.txt and dictionary3.txt:
// messages of the Go client and the server to it without SDP.
const frozenThree = "7264fde1db9b803efa3b5b1b8e3a52ec5b21b55a5a56c21b1eda39f7a74d187d"

func TestDictionaryIsFrozen(t *testing.T) {
	if !*update {
		if sum := fmt.Sprintf("%x", sha256.Sum256(dictionary)); sum != frozen {
			t.Errorf("dictionary 1 has changed to %s: another one needs another subprotocol", sum)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(Two.dictionary)); sum != frozenTwo {
			t.Errorf("dictionary 2 has changed to %s: another one needs another subprotocol", sum)
		}
		if sum := fmt.Sprintf("%x", sha256.Sum256(Three.dictionary)); sum != frozenThree {
			t.Errorf("dictionary 3 has changed to %s: another one needs another subprotocol", sum)
		}
		return
	}
	var d bytes.Buffer
	// What is at the end is cheapest to point at: the joins come last.
	d.Write(message(t, "samples/events.json"))
	d.Write(random.ReplaceAll(shorten(t, message(t, "samples/joined-chromium.json"), "answer"), []byte("$1")))
	d.Write(random.ReplaceAll(shorten(t, message(t, "samples/join-chromium.json"), "offer"), []byte("$1")))
	if err := os.WriteFile("dictionary.txt", d.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", d.Len())
}

// A join of a browser and its reply are a kilobyte each, whatever call it is.
func TestSizes(t *testing.T) {
	for _, test := range []struct {
		name, field string
		most        int
	}{
		{"join-chromium.json", "offer", 1000},
		{"joined-chromium.json", "answer", 1000},
	} {
		b := message(t, test.name)
		short := Encode(shorten(t, b, test.field))
		t.Logf("%s: %d bytes, compact %d", test.name, len(b), len(short))
		if len(short) > test.most {
			t.Errorf("%s: %d bytes of %d, at most %d", test.name, len(short), len(b), test.most)
		}
	}
	for line := range strings.SplitSeq(string(message(t, "changes.json")), "\n") {
		n, three := len(Encode([]byte(line))), len(Three.Encode([]byte(line)))
		t.Logf("%d bytes, compact %d, in form 3 %d: %.24s", len(line), n, three, line)
		if n > 60 || three > 60 {
			t.Errorf("%d bytes, in form 3 %d, at most 60: %s", n, three, line)
		}
	}
}

func TestDescriptionsComeBack(t *testing.T) {
	for name, field := range map[string]string{"join-chromium.json": "offer", "joined-chromium.json": "answer", "samples/join-chromium.json": "offer"} {
		var all map[string]any
		if err := json.Unmarshal(message(t, name), &all); err != nil {
			t.Fatal(err)
		}
		sdp := all[field].(string)
		short := SDP(sdp)
		if back, compact, err := Expand(short, len(sdp)); back != sdp || !compact || err != nil {
			t.Errorf("%s: does not come back: %v", name, err)
		}
		if len(short)*3 > len(sdp) {
			t.Errorf("%s: %d bytes of %d", name, len(short), len(sdp))
		}
		if _, _, err := Expand(short, len(sdp)-1); !errors.Is(err, ErrSDP) {
			t.Errorf("%s: beyond the limit: %v", name, err)
		}
	}
}

// What is no ordinary description passes as it is.
func TestOtherTextsPass(t *testing.T) {
	for _, text := range []string{"", "v=0", "v=0\n", "v=0\r\n\r\n", "v=0\r\n=1\r\n", "v=0\r\n-1\r\n", "a\rb\r\n", "a\nb\r\n"} {
		if got := SDP(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
		if back, compact, err := Expand(text, 0); back != text || compact || err != nil {
			t.Errorf("%q expanded to %q, %v", text, back, err)
		}
	}
}

func TestBadForms(t *testing.T) {
	for _, text := range []string{
		"~1", "~1\n", "~1v=0", "~1\n=1", "~1\n-1", "~1\nm=audio 9\n=1", "~1\nm=audio 9\na=x\nm=audio 9\n=2", "~1\nm=audio 9\na=x\nm=audio 9\n=0",
		"~1\nm=audio 9\na=x\nm=audio 9\n=-1", "~1\nm=audio 9\na=x\nm=video 9\n=1", "~1\na=x\r", "~1\na=x\n\na=y", "~1\n=99999999999999999999", "~1\n=",
	} {
		if back, _, err := Expand(text, 1000); !errors.Is(err, ErrSDP) {
			t.Errorf("%q expanded to %q, %v", text, back, err)
		}
	}
	// A short text cannot become a long one.
	bomb := "~1\nm=a\n" + strings.Repeat("a=0123456789\n", 100) + strings.Repeat("m=a\n=100\n", 1000) + "m=a"
	if _, _, err := Expand(bomb, 100_000); !errors.Is(err, ErrSDP) {
		t.Errorf("a bomb: %v", err)
	}
}

func TestAnyDescriptionComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.SampledFrom([]string{"m=audio 9", "m=video 9", "a=a", "a=b", "a=c", "b=~1", "~1"})).Draw(t, "lines")
		text := "v=0\r\n" + strings.Join(append(lines, ""), "\r\n")
		if back, compact, err := Expand(SDP(text), len(text)); back != text || !compact || err != nil {
			t.Fatalf("%q came back as %q, %v", text, back, err)
		}
	})
}

// Each dictionary is within DEFLATE's window, and what one has made the other does
// not take for something else silently.
func TestForms(t *testing.T) {
	join := message(t, "join-chromium.json")
	for _, f := range Forms {
		if len(f.dictionary) > 32<<10 {
			t.Errorf("%s has %d bytes", f.Subprotocol, len(f.dictionary))
		}
		if back, err := f.Decode(f.Encode(join), 96<<10); err != nil || !bytes.Equal(back, join) {
			t.Errorf("%s: %d bytes came back, %v", f.Subprotocol, len(back), err)
		}
		for name, first := range map[string]bool{f.Subprotocol: false, f.First: true} {
			if got, said := Of(name); got != f || said != first {
				t.Errorf("%s is %v, %v", name, got, said)
			}
		}
	}
	if f, _ := Of(PlainSubprotocol); f != nil {
		t.Errorf("text is %s", f.Subprotocol)
	}
	if back, err := One.Decode(Two.Encode(join), 96<<10); err == nil && bytes.Equal(back, join) {
		t.Error("the dictionaries are the same")
	}
}

// What is attached comes back, from the one form that has it.
func TestAttachedBytes(t *testing.T) {
	join, attached := message(t, "join-chromium.json"), []byte{0, 1, 2, 255}
	frame := Three.EncodeWith(join, attached)
	if b, rest, err := Three.DecodeWith(frame, 96<<10); err != nil || !bytes.Equal(b, join) || !bytes.Equal(rest, attached) {
		t.Errorf("%d bytes and %v, %v", len(b), rest, err)
	}
	if _, rest, err := Three.DecodeWith(Three.Encode(join), 96<<10); err != nil || len(rest) != 0 {
		t.Errorf("%v of nothing, %v", rest, err)
	}
	if _, err := Three.Decode(frame, 96<<10); !errors.Is(err, ErrCorrupt) {
		t.Errorf("what is attached is passed over: %v", err)
	}
	if _, _, err := Two.DecodeWith(Two.EncodeWith(join, attached), 96<<10); !errors.Is(err, ErrCorrupt) {
		t.Errorf("form 2 attaches: %v", err)
	}
	if _, _, err := Three.DecodeWith(Three.Encode(make([]byte, 1000)), 999); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
}

func TestMessagesComeBack(t *testing.T) {
	for _, b := range [][]byte{nil, []byte("{}"), message(t, "join-chromium.json"), bytes.Repeat([]byte{0}, 90_000)} {
		got, err := Decode(Encode(b), 96<<10)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes came back as %d, %v", len(b), len(got), err)
		}
	}
	if _, err := Decode(Encode(make([]byte, 10<<20)), 96<<10); !errors.Is(err, ErrTooLarge) {
		t.Errorf("10 MB of zeros: %v", err)
	}
	for name, b := range map[string][]byte{"empty": nil, "JSON": []byte(`{"type":"ping"}`), "cut": Encode([]byte(`{"type":"something"}`))[:4], "more": append(Encode([]byte("{}")), 1)} {
		if got, err := Decode(b, 1000); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode([]byte(`{"type":"ping","id":"1"}`)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Decode(data, 1<<16)
		if err != nil {
			return
		}
		if again, err := Decode(Encode(b), 1<<16); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q does not come back: %v", b, err)
		}
	})
}

func FuzzDecodeWith(f *testing.F) {
	f.Add(Three.EncodeWith([]byte(`{"type":"ping","id":"1"}`), []byte("attached")))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, attached, err := Three.DecodeWith(data, 1<<16)
		if err != nil {
			return
		}
		back, rest, err := Three.DecodeWith(Three.EncodeWith(b, attached), 1<<16)
		if err != nil || !bytes.Equal(back, b) || !bytes.Equal(rest, attached) {
			t.Fatalf("%q with %q does not come back: %v", b, attached, err)
		}
	})
}

func FuzzExpand(f *testing.F) {
	f.Add("~1\nv=0\nm=audio 9\na=x\nm=audio 9\n=1")
	f.Fuzz(func(t *testing.T, text string) {
		sdp, compact, err := Expand(text, 1<<16)
		if err != nil || !compact {
			return
		}
		if len(sdp) > 1<<16 {
			t.Fatalf("%d bytes", len(sdp))
		}
		if back, _, err := Expand(SDP(sdp), 1<<16); err != nil || back != sdp {
			t.Fatalf("%q came back as %q, %v", sdp, back, err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	m := shorten(b, message(b, "join-chromium.json"), "offer")
	b.ReportAllocs()
	for b.Loop() {
		Encode(m)
	}
}
