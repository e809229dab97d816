package switchboard

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/call"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// The journal is why a restart forgets no call. The core is deterministic, so
// what went into it and when is enough: one JSON object a line, written before
// the answer is given, and read back at the start, which makes the same calls,
// the same events and the same numbers again. No command is answered before its
// line is on the disk (commit.go).

// maxLine bounds one line: a payload in base64, and what is beside it.
const maxLine = 256 << 10

// entry is one line: one of its fields beside At and Tenant.
type entry struct {
	At      int64             `json:"at"` // nanoseconds since 1970
	Tenant  string            `json:"tenant,omitempty"`
	Base    uint64            `json:"base,omitempty"` // a tenant's first line: the number before its first event
	Command *call.Command     `json:"command,omitempty"`
	Tick    bool              `json:"tick,omitempty"`
	Room    *signal.RoomEvent `json:"room,omitempty"`
	Kind    string            `json:"kind,omitempty"` // of Room
	Mark    string            `json:"mark,omitempty"` // a reader of the feed has come to Number
	Number  uint64            `json:"number,omitempty"`
}

// journal writes lines; nil writes nothing. It belongs to the board's goroutine.
type journal struct {
	file *os.File
	path string
	fail func(error)
	// lines counts those written that are not handed to the committer yet.
	lines int
	// commits is nil where nothing waits for the disk.
	commits *committer
}

func (j *journal) write(e entry) {
	if j == nil {
		return
	}
	b, err := json.Marshal(e)
	if err == nil {
		_, err = j.file.Write(append(b, '\n'))
	}
	j.lines++
	if err != nil {
		j.fail(err)
	}
}

// recall reads the journal into a board that nobody uses yet, and opens it for
// what follows. What is older than any call can be is left out from then on.
func (b *Board) recall(path string, now time.Time) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("switchboard: the journal: %w", err)
	}
	b.recalling = true
	kept, err := b.replay(file, now)
	b.recalling = false
	if err != nil {
		return errors.Join(fmt.Errorf("switchboard: the journal %s: %w", path, err), file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	// Written anew beside, so that a crash leaves the one or the other.
	fresh, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	j := &journal{file: fresh, path: path, fail: func(err error) {
		b.log.Error("the journal cannot be written: a restart will forget what happens now", "error", err)
	}}
	for _, e := range kept {
		j.write(e)
	}
	if err := errors.Join(fresh.Sync(), os.Rename(path+".new", path), syncFolder(path)); err != nil {
		return errors.Join(err, fresh.Close())
	}
	j.lines = 0
	if b.cfg.JournalSync {
		j.commits = newCommitter(fresh.Sync, j.fail)
		b.running.Go(j.commits.run)
	}
	b.journal = j
	b.expectBack(now)
	return nil
}

// syncFolder puts on the disk that a file has another name.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// replay carries the lines out and answers those to keep. A last line that was
// cut off by a crash was never answered, and is no error.
func (b *Board) replay(file io.Reader, now time.Time) (kept []entry, err error) {
	oldest := now.Add(-b.cfg.Calls.MaxDuration - b.cfg.Calls.Linger - time.Minute).UnixNano()
	based := make(map[string]bool)
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			if lines.Scan() {
				return nil, errors.New("a line in its middle is damaged; move it away to begin without the calls it holds")
			}
			break
		}
		if e.Mark == "" {
			if e.At < oldest {
				b.again(e)
				continue
			}
			if e.Base == 0 && !based[e.Tenant] {
				kept = append(kept, entry{At: e.At, Tenant: e.Tenant, Base: b.tenant(e.Tenant).feed.Last()})
			}
			based[e.Tenant] = true
		}
		b.again(e)
		kept = append(kept, e)
	}
	return kept, lines.Err()
}

// again carries out one line.
func (b *Board) again(e entry) {
	at := time.Unix(0, e.At)
	if e.Base != 0 && b.tenants[e.Tenant] == nil {
		b.tenantFrom(e.Tenant, e.Base)
	}
	if e.Mark != "" {
		b.marks[e.Mark] = e.Number
		return
	}
	t := b.tenant(e.Tenant)
	switch {
	case e.Command != nil:
		events, _ := t.calls.Do(at, *e.Command) // refused then, refused now
		t.deliver(at, events)
	case e.Tick:
		t.deliver(at, t.calls.Tick(at))
	case e.Room != nil:
		e.Room.Kind = signal.RoomEventKind(e.Kind)
		t.feed.Append(e.Room)
	}
}

// expectBack gives every device that was in a call the time of the dead-man's
// switch to come back.
func (b *Board) expectBack(now time.Time) {
	for _, t := range b.tenants {
		for id := range t.histories {
			c, known := t.calls.Call(id)
			if !known || c.State == call.StateEnded {
				continue
			}
			for _, u := range c.Users {
				d := signal.Device{User: u.User, Device: u.Device}
				if (u.State == call.UserJoined || u.State == call.UserHeld) && t.devices[d] == nil {
					s := b.newSession(now, t)
					s.device, s.events = d, newDeviceLog()
					b.sessions[s.id], t.devices[d], s.resume = s, s, ""
					b.away[s] = struct{}{}
				}
			}
		}
	}
}

// Mark answers how far a reader of a tenant's feed had come, 0 if it never has.
// SetMark notes it, so that it goes on from there after a restart.
func (b *Board) Mark(reader string) (number uint64) {
	b.call(func(time.Time) { number = b.marks[reader] })
	return number
}

// SetMark notes how far a reader has come.
func (b *Board) SetMark(reader string, number uint64) {
	b.post(func(now time.Time) {
		b.marks[reader] = number
		b.journal.write(entry{At: now.UnixNano(), Mark: reader, Number: number})
	})
}
