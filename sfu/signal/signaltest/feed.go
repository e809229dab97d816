package signaltest

import (
	"context"

	"github.com/rivulet-rtc/rivulet/internal/eventlog"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// Feed gives the events that a backend gets of its tenant to who subscribes, for
// clients whose adapter has one stream of them.
type Feed struct{ log *eventlog.Log[signal.Event] }

// NewFeed answers a feed that has had no events.
func NewFeed() *Feed { return &Feed{eventlog.New[signal.Event](1<<16, 0)} }

// Publish adds an event that came.
func (f *Feed) Publish(e signal.Event) { f.log.Append(e) }

// Subscribe delivers what comes from now on; of one call also what was before,
// for which it asks by do.
func (f *Feed) Subscribe(ctx context.Context, filter signal.Filter, do func(context.Context, signal.Command) (signal.Reply, error)) (<-chan signal.Event, error) {
	from := f.log.Last()
	var before []signal.Event
	if filter.Call != "" {
		reply, err := do(ctx, signal.Command{ID: "history", Backend: backend, Body: &signal.CallHistory{Call: filter.Call, After: filter.After}})
		if err != nil {
			return nil, err
		}
		before = reply.(*signal.CallEvents).Events
	}
	out := make(chan signal.Event)
	go func() {
		defer close(out)
		last := filter.After
		send := func(e signal.Event) bool {
			select {
			case out <- e:
				last = e.Sequence
				return true
			case <-ctx.Done():
				return false
			}
		}
		for _, e := range before {
			if !send(e) {
				return
			}
		}
		for {
			entries, more, _, _ := f.log.After(from, 64)
			for _, e := range entries {
				from = e.Sequence
				event := e.Value
				if v, ok := event.Body.(*signal.CallEvent); filter.Call != "" {
					if !ok || v.Call != filter.Call || v.Number <= last {
						continue
					}
					event.Sequence = v.Number
				}
				if !send(event) {
					return
				}
			}
			if len(entries) > 0 {
				continue
			}
			select {
			case <-more:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// Read answers the events that came after so many, and what is closed when there
// are more.
func (f *Feed) Read(after uint64) (events []signal.Event, more <-chan struct{}) {
	entries, more, _, _ := f.log.After(after, 1<<16)
	for _, e := range entries {
		events = append(events, e.Value)
	}
	return events, more
}
