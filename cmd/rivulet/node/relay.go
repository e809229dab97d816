package node

import (
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/turn"
)

// startRelay starts the relay for this node's own media addresses.
func (n *Node) startRelay() error {
	if n.cfg.TURN == nil {
		return nil
	}
	cfg := *n.cfg.TURN
	cfg.Peers = turn.Peers{Addresses: mediaAddresses(n.cfg.Engine)}
	var err error
	n.relay, err = turn.New(cfg, n.log)
	return err
}

// mediaAddresses are the addresses that clients are told for media: the only
// ones with which a relay may speak.
func mediaAddresses(cfg sfu.Config) []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range cfg.Sockets {
		local := s.LocalAddr()
		hosts := []netip.Addr{local.Addr()}
		if local.Addr().IsUnspecified() {
			hosts = cfg.Addresses
		}
		for _, h := range slices.Concat(hosts, cfg.Advertise) {
			all = append(all, netip.AddrPortFrom(h.Unmap(), local.Port()))
		}
	}
	return all
}

// iceServers answers this node's relay with credentials for one participant.
func (n *Node) iceServers(now time.Time, participant, host string) []signal.ICEServer {
	if n.cfg.TURNHost != "" {
		host = n.cfg.TURNHost
	}
	c, err := n.relay.IssueCredentials(now, participant, n.cfg.CredentialTTL)
	if err != nil {
		n.log.Error("no relay credentials could be issued", "error", err)
		return nil
	}
	var urls []string
	add := func(local net.Addr, transport string) {
		// One port listens on each address of the machine; all have one name.
		if url := relayURL(host, local, transport); !slices.Contains(urls, url) {
			urls = append(urls, url)
		}
	}
	for _, s := range n.cfg.TURN.UDP {
		add(s.LocalAddr(), "udp")
	}
	for _, l := range n.cfg.TURN.TCP {
		add(l.Addr(), "tcp")
	}
	return []signal.ICEServer{{URLs: urls, Username: c.Username, Credential: c.Password}}
}

// relayURL is a URI of RFC 7065 §3.1. The host may be an IPv6 address with or
// without its brackets.
func relayURL(host string, local net.Addr, transport string) string {
	port := 0
	switch a := local.(type) {
	case *net.UDPAddr:
		port = a.Port
	case *net.TCPAddr:
		port = a.Port
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return "turn:" + net.JoinHostPort(host, strconv.Itoa(port)) + "?transport=" + transport
}

// directServers answers what a device may use on the way to the other one of its
// call: this node tells it its outer address (RFC 8489), and relays between it
// and the other (docs/adr/0022).
func (n *Node) directServers(now time.Time, tenant, call string, device signal.Device, host string) []signal.ICEServer {
	if n.cfg.TURNHost != "" {
		host = n.cfg.TURNHost
	}
	if host == "" {
		return nil
	}
	var urls []string
	for _, s := range n.cfg.TURN.UDP {
		url, _, _ := strings.Cut(relayURL(host, s.LocalAddr(), "udp"), "?")
		if url = "stun" + strings.TrimPrefix(url, "turn"); !slices.Contains(urls, url) {
			urls = append(urls, url)
		}
	}
	var all []signal.ICEServer
	if urls != nil {
		all = append(all, signal.ICEServer{URLs: urls})
	}
	return append(all, n.iceServers(now, turn.PairID(opaque(tenant, call), opaque(device.User, device.Device)), host)...)
}

// opaque answers 16 letters that stand for names without telling them.
func opaque(names ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}
