package switchboard

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// onDisk starts a board with a journal whose fsync is the test's.
func onDisk(t testing.TB, path string, wait bool, sync func() error) *Board {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Journal, cfg.JournalSync = path, wait
	cfg.RingRate, cfg.RingBurst, cfg.TenantRingRate, cfg.TenantRingBurst = 1e9, 1e9, 1e9, 1e9
	cfg.Calls.MaxCallsOfUser = 1e6
	cfg.Media = noMedia{}
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if sync != nil {
		b.journal.commits.mu.Lock()
		b.journal.commits.sync = sync
		b.journal.commits.mu.Unlock()
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func create(b *Board, call string) error {
	_, err := b.Do(b.ctx, signal.Command{ID: call, Backend: &signal.Backend{}, Body: &signal.Call{
		Verb: signal.CallCreate, Call: call, From: &signal.Device{User: "ann", Device: "1"},
	}})
	return err
}

// TestNothingIsAnsweredBeforeItIsOnTheDisk: an answer waits for the disk; others
// that come meanwhile wait for the next fsync, one for all of them; and the board
// goes on all the while.
func TestNothingIsAnsweredBeforeItIsOnTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var syncs, answered atomic.Int32
		slow := false
		b := onDisk(t, filepath.Join(t.TempDir(), "journal"), true, func() error {
			if slow {
				syncs.Add(1)
				time.Sleep(time.Second)
			}
			return nil
		})
		if err := create(b, "the tenant's first"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		slow = true
		begin := time.Now()
		for i := range 20 {
			go func() {
				if i > 0 {
					time.Sleep(300 * time.Millisecond)
				}
				if err := create(b, fmt.Sprint("call", i)); err != nil {
					t.Error(err)
				}
				answered.Add(1)
			}()
		}
		go func() { // a repeat of what waits for the disk waits too
			time.Sleep(400 * time.Millisecond)
			if err := create(b, "call0"); err != nil {
				t.Error(err)
			}
			answered.Add(1)
		}()
		time.Sleep(500 * time.Millisecond)
		if n := b.Stats().Calls; n != 21 || answered.Load() != 0 || time.Since(begin) != 500*time.Millisecond {
			t.Errorf("after half a second %d calls, %d answered, at %v: want all, none, and no wait to ask", n, answered.Load(), time.Since(begin))
		}
		time.Sleep(600 * time.Millisecond)
		if answered.Load() != 1 {
			t.Errorf("%d answered after the first fsync, want 1", answered.Load())
		}
		time.Sleep(time.Second)
		if answered.Load() != 21 || syncs.Load() != 2 {
			t.Errorf("%d answered after %d fsyncs, want 21 after 2", answered.Load(), syncs.Load())
		}
	})
}

// TestADiskThatFails ends no calls and holds up nobody.
func TestADiskThatFails(t *testing.T) {
	b := onDisk(t, filepath.Join(t.TempDir(), "journal"), true, func() error { return errors.New("input/output error") })
	for i := range 3 {
		if err := create(b, fmt.Sprint(i)); err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkJournal is what a command costs with a journal, by how many come at a
// time; the disk is that of TMPDIR.
func BenchmarkJournal(b *testing.B) {
	for _, wait := range []bool{false, true} {
		for _, callers := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("fsync=%v/callers=%d", wait, callers), func(b *testing.B) {
				board := onDisk(b, filepath.Join(b.TempDir(), "journal"), wait, nil)
				var next atomic.Int64
				b.SetParallelism(callers)
				b.ResetTimer()
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						if err := create(board, fmt.Sprint(next.Add(1))); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}
