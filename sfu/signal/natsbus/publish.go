package natsbus

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rivulet-rtc/rivulet/sfu/signal"
)

// publish writes the tenant's events onto the stream until ctx or they end.
func (b *Bus) publish(ctx context.Context, e signal.Engine, conn *nats.Conn) error {
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(window))
	if err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	reader, after := "nats "+b.cfg.Tenant, uint64(0)
	if b.marks != nil {
		after = b.marks.Mark(reader)
	}
	events, err := e.Subscribe(ctx, signal.Filter{Backend: &signal.Backend{Tenant: b.cfg.Tenant}, After: after, Lossy: true})
	if err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	made := false
	for {
		batch := next(ctx, events)
		if len(batch) == 0 {
			return nil
		}
		for attempt := 0; ; attempt++ {
			if !made {
				made = b.makeStream(ctx, js)
			}
			if made && b.publishBatch(ctx, js, batch) {
				break
			}
			b.failed.Add(1)
			select {
			case <-time.After(min(longestPause, firstPause<<min(attempt, 10))):
			case <-ctx.Done():
				return nil
			}
		}
		b.published.Add(uint64(len(batch)))
		if b.marks != nil {
			b.marks.SetMark(reader, batch[len(batch)-1].Sequence)
		}
	}
}

// next waits for an event and takes those that are there with it.
func next(ctx context.Context, events <-chan signal.Event) (batch []signal.Event) {
	select {
	case e, ok := <-events:
		if !ok {
			return nil
		}
		batch = append(batch, e)
	case <-ctx.Done():
		return nil
	}
	for len(batch) < window {
		select {
		case e, ok := <-events:
			if !ok {
				return batch
			}
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// makeStream makes the stream, or leaves the one that is there as it is: its
// operator may have set it up.
func (b *Bus) makeStream(ctx context.Context, js jetstream.JetStream) bool {
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	if _, err := js.Stream(ctx, Stream); err == nil {
		return true
	}
	storage := jetstream.FileStorage
	if b.cfg.Embedded != nil && b.cfg.Embedded.scratch != "" {
		storage = jetstream.MemoryStorage
	}
	_, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: Stream, Subjects: []string{root + ".call.*.evt", root + ".room.*.evt"},
		Storage: storage, Replicas: b.cfg.Replicas, MaxAge: b.cfg.Keep, MaxBytes: b.cfg.KeepBytes,
		Discard: jetstream.DiscardOld, Duplicates: min(2*time.Minute, b.cfg.Keep),
	})
	if err != nil {
		b.log.Warn("the stream of events cannot be made yet", "error", err)
	}
	return err == nil
}

// publishBatch writes events in order and waits until all are acknowledged.
func (b *Bus) publishBatch(ctx context.Context, js jetstream.JetStream, batch []signal.Event) bool {
	futures := make([]jetstream.PubAckFuture, 0, len(batch))
	for _, e := range batch {
		data, err := signal.EncodeEvent(e)
		if err != nil {
			b.log.Error("an event cannot be written", "error", err)
			continue
		}
		f, err := js.PublishMsgAsync(&nats.Msg{Subject: eventSubject(e.Body), Data: data, Header: nats.Header{
			nats.MsgIdHdr: {b.cfg.Tenant + ":" + strconv.FormatUint(e.Sequence, 10)},
		}})
		if err != nil {
			b.log.Debug("events were not published; trying again", "error", err)
			return false
		}
		futures = append(futures, f)
	}
	deadline := time.NewTimer(ackTimeout)
	defer deadline.Stop()
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			b.log.Debug("an event was not acknowledged; trying again", "error", err)
			return false
		case <-deadline.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func eventSubject(e signal.EventBody) string {
	switch e := e.(type) {
	case *signal.CallEvent:
		return root + ".call." + Escape(e.Call) + ".evt"
	case *signal.RoomEvent:
		return root + ".room." + Escape(e.Room) + ".evt"
	}
	return root + ".room.%.evt" // not reached: the feed has no others
}
