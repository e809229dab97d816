package switchboard

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// TestRingsOfATenantAreBounded: users who each ring little may together ring too
// much for their tenant; others are not held up by it, and what was refused says
// for how long.
func TestRingsOfATenantAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Media = noMedia{}
		cfg.RingRate, cfg.RingBurst = 100, 100
		cfg.TenantRingRate, cfg.TenantRingBurst = 10, 30
		b, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}()
		calls := 0
		ring := func(tenant, user string) *signal.Error {
			calls++
			_, err := b.Do(t.Context(), signal.Command{Backend: &signal.Backend{Tenant: tenant}, Body: &signal.Call{
				Verb: signal.CallCreate, Call: fmt.Sprint("call", calls), From: &signal.Device{User: user, Device: "1"},
				Targets: []signal.Target{{User: "bob", Devices: []string{"2"}}},
			}})
			if err == nil {
				return nil
			}
			return signal.AsError(err)
		}
		for i := range 30 {
			if err := ring("one", fmt.Sprint("user", i)); err != nil {
				t.Fatalf("ring %d of a tenant: %v", i, err)
			}
		}
		refused := ring("one", "somebody else")
		if refused == nil || refused.Code != signal.RateLimited || refused.RetryAfterMS <= 0 || refused.RetryAfterMS > 100 {
			t.Fatalf("ring 31 at once: %+v", refused)
		}
		if err := ring("two", "ann"); err != nil {
			t.Errorf("another tenant is held up: %v", err)
		}
		time.Sleep(time.Duration(refused.RetryAfterMS) * time.Millisecond)
		if err := ring("one", "somebody else"); err != nil {
			t.Errorf("after the wait that was told: %v", err)
		}
		if err := ring("one", "somebody else"); err == nil {
			t.Error("the next one at once is let through")
		}
	})
}
