package icemux

import (
	"net/netip"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func owner(max int) *udpConn { return &udpConn{maxClaims: max} }

func TestFreeAddressGoesToWhoeverAnswers(t *testing.T) {
	o, a := newOwners(), owner(4)
	if o.of(alice) != nil {
		t.Fatal("an address nobody claimed has an owner")
	}
	if v, _ := o.take(noon, a, alice, true); v != granted || o.of(alice) != a {
		t.Fatalf("verdict %v", v)
	}
	if v, _ := o.take(noon, a, alice, true); v != kept {
		t.Fatalf("verdict %v", v)
	}
}

func TestNamingAnAddressDoesNotTakeIt(t *testing.T) {
	o, attacker, victim := newOwners(), owner(4), owner(4)
	// The attacker's candidate is the victim's address: we send checks there.
	o.take(noon, attacker, alice, false)
	if v, _ := o.take(noon, victim, alice, true); v != granted || o.of(alice) != victim {
		t.Fatal("the victim did not get its own address")
	}
	if v, _ := o.take(noon.Add(time.Hour), attacker, alice, false); v != contested || o.of(alice) != victim {
		t.Fatal("a check sent there took the address away")
	}
}

func TestSpoofedRequestsDoNotTakeALiveAddress(t *testing.T) {
	o, attacker, victim := newOwners(), owner(4), owner(4)
	o.take(noon, victim, alice, true)
	for s := range 60 {
		now := noon.Add(time.Duration(s) * time.Second)
		if s%6 == 5 { // the slowest consent checks there are
			o.take(now, victim, alice, true)
		}
		if v, _ := o.take(now, attacker, alice, true); v != contested || o.of(alice) != victim {
			t.Fatalf("after %d s the attacker has the address", s)
		}
	}
}

func TestSilentOwnerLosesItsAddress(t *testing.T) {
	o, old, young := newOwners(), owner(4), owner(4)
	o.take(noon, old, alice, true)
	if v, _ := o.take(noon.Add(holdAddress), young, alice, true); v != granted || o.of(alice) != young {
		t.Fatal("the address was not handed over")
	}
	if len(old.claims) != 0 || len(young.claims) != 1 {
		t.Fatalf("%d and %d claims", len(old.claims), len(young.claims))
	}
}

func TestAddressesOfAConnectionAreBounded(t *testing.T) {
	o, a := newOwners(), owner(3)
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(alice.Addr(), port) }
	o.take(noon, a, at(1), true)
	o.take(noon.Add(time.Second), a, at(2), true)
	o.take(noon.Add(2*time.Second), a, at(3), false)
	o.take(noon.Add(3*time.Second), a, at(1), true) // used again
	// The one that never proved itself goes first, then the oldest.
	for i, gone := range []uint16{3, 2} {
		if _, evicted := o.take(noon.Add(4*time.Second), a, at(uint16(10+i)), true); !evicted || o.of(at(gone)) != nil {
			t.Fatalf("port %d was not the one to go", gone)
		}
	}
	if len(o.byAddr) != 3 || len(a.claims) != 3 || o.of(at(1)) != a {
		t.Fatalf("%d addresses, %d claims", len(o.byAddr), len(a.claims))
	}
	o.forget(a)
	if len(o.byAddr) != 0 || len(a.claims) != 0 {
		t.Fatal("addresses outlive their connection")
	}
}
