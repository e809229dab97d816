package turn

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"

	"github.com/rivulet-rtc/rivulet/internal/secret"
)

// transportUDP is the protocol number in REQUESTED-TRANSPORT (RFC 8656 §18.7).
const transportUDP = 17

// tuple is what identifies an allocation: the socket or connection it came on,
// by the pointer that this package hands to pion, and the client's address.
type tuple struct {
	local  net.Addr
	remote netip.AddrPort
}

// owner is whose allocation a tuple is. Live counts creations less deletions:
// pion may report the deletion of an old allocation after the creation of the
// next one on the same tuple.
type owner struct {
	user string
	live int
}

// gate stands between the sockets and pion: it looks at every datagram or frame
// on its way in, and at every answer on its way out. Any goroutine may use it.
//
// It answers by itself only who has shown MESSAGE-INTEGRITY with a valid key;
// everything else that is well formed is left to pion, which challenges.
type gate struct {
	secret   secret.Secret
	realm    string
	policy   *policy
	pairs    *pairs
	counters *counters

	mu      sync.Mutex // a leaf: nothing is called under it
	limiter *limiter
	owners  map[tuple]owner
}

func newGate(config Config, policy *policy, pairs *pairs, counters *counters) *gate {
	return &gate{
		secret: config.Secret, realm: config.Realm, policy: policy, pairs: pairs, counters: counters,
		limiter: newLimiter(config.Limits.AnswersPerSecond, config.Limits.AnswersBurst),
		owners:  make(map[tuple]owner),
	}
}

// admit judges b, which came from at.remote: pass says that pion shall have it,
// and reply, if not nil, is to be sent back.
func (g *gate) admit(now time.Time, b []byte, at tuple) (pass bool, reply []byte) {
	switch kindOf(b) {
	case kindChannelData:
		return true, nil
	case kindOther:
		g.counters.malformed.Add(1)
		return false, nil
	}
	r, ok := scan(b)
	if !ok {
		g.counters.malformed.Add(1)
		return false, nil
	}
	switch r.typ & classBits {
	case classRequest:
	case classIndication:
		// Others mean nothing to a relay, and Send nothing without an
		// allocation (RFC 8656 §11.2): spare pion the reading.
		_, exists := g.owner(at)
		return r.typ == typeSend && exists, nil
	default:
		g.counters.malformed.Add(1)
		return false, nil
	}
	if !r.hasIntegrity {
		if !g.mayAnswer(now, at.remote.Addr()) {
			g.counters.rateLimited.Add(1)
			return false, nil
		}
		return true, nil
	}
	if code, counter := g.objection(b, r, at); code != 0 {
		if reply := g.refuse(now, b, code); reply != nil {
			counter.Add(1)
			return false, reply
		}
	}
	return true, nil
}

// objection answers the error that r deserves if it is authentic and pion would
// keep silent about it or answer something else, and where to count it; 0 for
// none.
func (g *gate) objection(b []byte, r request, at tuple) (stun.ErrorCode, *atomic.Uint64) {
	switch method := methodOf(r.typ); method {
	case stun.MethodAllocate:
		if r.transport != 0 && r.transport != transportUDP {
			return stun.CodeUnsupportedTransProto, &g.counters.unsupported
		}
		if r.reserves { // pion would promise the next port and not keep it
			return stun.CodeInsufficientCapacity, &g.counters.unsupported
		}
	case stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind, stun.MethodConnect:
		own, exists := g.owner(at)
		// pion is silent in both cases. RFC 8656 §5: 437 for an unknown
		// allocation, 441 for another's.
		if !exists {
			return stun.CodeAllocMismatch, &g.counters.noAllocation
		}
		if _, id, err := parseUsername(string(r.username)); err == nil && id != own.user {
			return stun.CodeWrongCredentials, &g.counters.wrongUser
		}
		// pion answers 401 here, which clients take for a wrong password,
		// and does not look at the port.
		if method == stun.MethodChannelBind && r.hasPeer && !g.allowedPeer(b, own.user) {
			return stun.CodeForbidden, &g.counters.peerRefused
		}
	}
	return 0, nil
}

// allowedPeer says whether the peer named in b is allowed for a user. A peer that cannot be
// read is pion's to refuse.
func (g *gate) allowedPeer(b []byte, user string) bool {
	m := stun.Message{Raw: append([]byte(nil), b...)}
	if m.Decode() != nil {
		return true
	}
	var peer stun.XORMappedAddress
	if peer.GetFromAs(&m, stun.AttrXORPeerAddress) != nil {
		return true
	}
	addr, ok := netip.AddrFromSlice(peer.IP)
	if !ok {
		return true
	}
	at := netip.AddrPortFrom(addr, uint16(peer.Port))
	_, paired := g.pairs.to(pairOf(user), at)
	return paired || g.policy.peer(at)
}

// refuse makes the error response to b, under the key of its sender. It answers
// nil unless b is authentic.
func (g *gate) refuse(now time.Time, b []byte, code stun.ErrorCode) []byte {
	m := stun.Message{Raw: append([]byte(nil), b...)}
	if m.Decode() != nil {
		return nil
	}
	var username stun.Username
	var realm stun.Realm
	if username.GetFrom(&m) != nil || realm.GetFrom(&m) != nil || realm.String() != g.realm {
		return nil
	}
	_, key, err := authorize(now, g.secret, g.realm, username.String())
	if err != nil {
		return nil
	}
	integrity := stun.MessageIntegrity(key)
	if integrity.Check(&m) != nil {
		return nil
	}
	answer, err := stun.Build(
		&stun.Message{TransactionID: m.TransactionID},
		stun.NewType(m.Type.Method, stun.ClassErrorResponse),
		code, integrity,
	)
	if err != nil {
		return nil
	}
	return answer.Raw
}

// answer says whether an answer to a request that proved nothing may go out to
// remote. They are limited, since their source may be forged (amplification).
func (g *gate) answer(now time.Time, remote netip.AddrPort) bool {
	g.mu.Lock()
	ok := g.limiter.take(now, remote.Addr())
	g.mu.Unlock()
	if !ok {
		g.counters.rateLimited.Add(1)
	}
	return ok
}

// mayAnswer says whether answer would agree.
func (g *gate) mayAnswer(now time.Time, remote netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.limiter.ready(now, remote)
}

// owner answers whose allocation at is, if there is one.
func (g *gate) owner(at tuple) (owner, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	own, exists := g.owners[at]
	return own, exists
}

// created and deleted follow pion's allocations.
func (g *gate) created(at tuple, user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.owners[at] = owner{user: user, live: g.owners[at].live + 1}
}

func (g *gate) deleted(at tuple) {
	g.mu.Lock()
	defer g.mu.Unlock()
	own := g.owners[at]
	if own.live--; own.live > 0 {
		g.owners[at] = own
		return
	}
	delete(g.owners, at)
}
