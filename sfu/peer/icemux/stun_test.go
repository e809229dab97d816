package icemux

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pion/stun/v4"
)

func TestUfragOfBindingRequests(t *testing.T) {
	request := stunMessage(stunRequest, "server:client")
	edit := func(f func(p []byte) []byte) []byte { return f(bytes.Clone(request)) }
	for _, c := range []struct {
		name string
		p    []byte
		want string // "" refused
	}{
		{"request", request, "server"},
		{"padded", stunMessage(stunRequest, "abcde:f"), "abcde"},
		{"longest", stunMessage(stunRequest, strings.Repeat("u", maxUfrag)+":c"), strings.Repeat("u", maxUfrag)},
		{"too long", stunMessage(stunRequest, strings.Repeat("u", maxUfrag+1)+":c"), ""},
		{"no colon", stunMessage(stunRequest, "server"), ""},
		{"nothing before the colon", stunMessage(stunRequest, ":client"), ""},
		{"no username", stunMessage(stunRequest, ""), ""},
		{"response", stunMessage(stunSuccess, "server:client"), ""},
		{"indication", stunMessage(0x0011, "server:client"), ""},
		{"other method", stunMessage(0x0003, "server:client"), ""},
		{"wrong cookie", edit(func(p []byte) []byte { p[4] ^= 1; return p }), ""},
		{"longer than it says", append(bytes.Clone(request), 0, 0, 0, 0), ""},
		{"shorter than it says", request[:len(request)-4], ""},
		{"attribute past the end", edit(func(p []byte) []byte { p[stunHeader+3] = 200; return p }), ""},
		{"odd length", edit(func(p []byte) []byte { p[3]++; return append(p, 0) }), ""},
		{"empty", nil, ""},
		{"RTP", rtp(96, 1, 1, 40), ""},
		{"DTLS", dtls, ""},
	} {
		got, ok := requestUfrag(c.p)
		if ok != (c.want != "") || string(got) != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, ok, c.want)
		}
	}
}

// What an ICE agent sends has the username behind other attributes.
func TestUfragBehindOtherAttributes(t *testing.T) {
	m, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewSoftware("odd"), stun.NewUsername("server:client"),
		stun.NewShortTermIntegrity("password"), stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := requestUfrag(m.Raw); !ok || string(got) != "server" {
		t.Fatalf("%q, %v", got, ok)
	}
}

func FuzzRequestUfrag(f *testing.F) {
	f.Add(stunMessage(stunRequest, "server:client"))
	f.Add(stunMessage(stunSuccess, ""))
	f.Add(stunMessage(stunRequest, strings.Repeat("x", 300)))
	f.Add(rtp(96, 1, 2, 30))
	f.Add([]byte{0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 255, 255})
	f.Fuzz(func(t *testing.T, p []byte) {
		ufrag, ok := requestUfrag(p)
		if !ok {
			return
		}
		if len(ufrag) == 0 || len(ufrag) > maxUfrag || bytes.IndexByte(ufrag, ':') >= 0 {
			t.Fatalf("ufrag %q", ufrag)
		}
		// Whatever we route as STUN, the agent's parser must see as STUN too.
		if !stun.IsMessage(p) {
			t.Fatal("not STUN")
		}
	})
}
