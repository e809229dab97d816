package sfu

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// checkCandidate judges one candidate line (RFC 8839 §5.1). A good one is
// accepted and needs no further work: the server is ICE-lite, learns a client's
// address from the checks that come from it, and never sends anything to an
// address that a client merely names. Names of hosts are refused, since looking
// them up would let a client make the server ask anybody's name server.
func checkCandidate(line string) error {
	line = strings.TrimPrefix(strings.TrimPrefix(line, "a="), "candidate:")
	if line == "" {
		return nil // end of candidates, RFC 8838 §8.2
	}
	fields := strings.Fields(line)
	if len(fields) < 8 || fields[6] != "typ" {
		return signal.Errorf(signal.BadCandidate, "the line is not a candidate: it needs foundation, component, transport, priority, address, port, typ and a type")
	}
	if _, err := netip.ParseAddr(fields[4]); err != nil {
		return signal.Errorf(signal.BadCandidate, "the candidate's address must be an IP address: names are not looked up")
	}
	if _, err := strconv.ParseUint(fields[5], 10, 16); err != nil {
		return signal.Errorf(signal.BadCandidate, "the candidate's port must be 0 to 65535")
	}
	return nil
}
