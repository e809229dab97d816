package client

import (
	"strconv"
	"testing"
	"time"
)

func TestMemory(t *testing.T) {
	now := time.Unix(1, 0)
	var none *Memory
	none.keep(now, "a", 1)
	if none.recall(now, "a") != 0 {
		t.Error("no memory knows something")
	}
	var m Memory
	m.keep(now, "a", 200_000)
	m.keep(now, "", 300_000)
	m.keep(now, "b", 0)
	if m.recall(now, "a") != 200_000 || m.recall(now, "b") != 0 || m.recall(now, "") != 0 || len(m.networks) != 1 {
		t.Errorf("it knows %v", m.networks)
	}
	if m.recall(now.Add(memoryLasts), "a") != 0 {
		t.Error("what was long ago is believed")
	}
	for i := range 2 * mostNetworks {
		m.keep(now.Add(time.Duration(i+1)*time.Second), strconv.Itoa(i), 1000)
	}
	if len(m.networks) != mostNetworks || m.recall(now, "a") != 0 || m.recall(now.Add(time.Minute), strconv.Itoa(2*mostNetworks-1)) != 1000 {
		t.Errorf("%d networks are remembered", len(m.networks))
	}
}
