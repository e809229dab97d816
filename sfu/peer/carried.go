package peer

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rivulet-rtc/rivulet/bwe/units"
)

const (
	// mostCarried is how many networks are remembered at once (some 200 kB).
	mostCarried = 4096
	// carriedLasts is how long what a network carried is believed.
	carriedLasts = 30 * time.Minute
	// carriedShare of it is what the next call there begins with: what is left to
	// learn is found within seconds, and a queue of too much is heard.
	carriedShare = 0.75
	// carriedEvery is how often it is written down.
	carriedEvery = 5 * time.Second
)

// networkKey stands for one participant on one network. Without the key of the
// process it tells nobody which; the zero one stands for nothing.
type networkKey [16]byte

// carried is what networks carried lately, so that who comes back from the same one
// (a lost session, the next call) need not find out again. It knows neither
// addresses nor names, but hashes of both under a key that ends with the process.
// It is safe for concurrent use; nil knows nothing.
type carried struct {
	secret [32]byte

	mu       sync.Mutex
	networks map[networkKey]carriedRate
}

type carriedRate struct {
	rate units.Rate
	at   time.Time
}

func newCarried() *carried {
	c := &carried{networks: make(map[networkKey]carriedRate)}
	rand.Read(c.secret[:]) // never fails (crypto/rand)
	return c
}

// key answers what stands for an owner behind the far end of a path: the same for
// an IPv4 address and for the /64 of an IPv6 one, which is what one household or
// device has. It answers the zero key where the network is not known: behind a
// relay, and for an owner without a name.
func (c *carried) key(owner string, remote *webrtc.ICECandidate) networkKey {
	var k networkKey
	if c == nil || owner == "" || remote == nil || remote.Typ == webrtc.ICECandidateTypeRelay {
		return k
	}
	addr, err := netip.ParseAddr(remote.Address)
	if err != nil {
		return k
	}
	addr = addr.WithZone("").Unmap()
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	network := netip.PrefixFrom(addr, bits).Masked()
	h := hmac.New(sha256.New, c.secret[:])
	h.Write([]byte(network.String()))
	h.Write([]byte{0})
	h.Write([]byte(owner))
	copy(k[:], h.Sum(nil))
	return k
}

// recall answers what to begin with on a network; 0 when nothing is known of it.
func (c *carried) recall(now time.Time, k networkKey) units.Rate {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.networks[k]
	if !ok || now.Sub(r.at) >= carriedLasts {
		return 0
	}
	return r.rate.Scale(carriedShare)
}

// keep notes what a network carries; one more than there is room for takes the
// place of the oldest.
func (c *carried) keep(now time.Time, k networkKey, rate units.Rate) {
	if c == nil || k == (networkKey{}) || rate <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.networks[k]; !known && len(c.networks) >= mostCarried {
		oldest, at := networkKey{}, now
		for other, r := range c.networks {
			if !r.at.After(at) {
				oldest, at = other, r.at
			}
		}
		delete(c.networks, oldest)
	}
	c.networks[k] = carriedRate{rate, now}
}
