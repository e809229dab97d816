package bwe

import (
	"testing"
	"unsafe"
)

// What one path costs: docs/bwe.md says it.
func TestStateOfOnePath(t *testing.T) {
	c, err := New(DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	begin := int(unsafe.Sizeof(*c)) + len(c.history.ring)*int(unsafe.Sizeof(sent{}))
	most := int(unsafe.Sizeof(*c)) + maxHistory*int(unsafe.Sizeof(sent{}))
	t.Logf("%d bytes to begin with, %d at the most", begin, most)
	if begin > 20_000 || most > 350_000 {
		t.Errorf("the state of one path takes %d bytes, %d at the most", begin, most)
	}
}
