package loadtest

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/rivulet-rtc/rivulet/sfu/client"
)

// totals adds up what all clients count.
func (f *fleet) totals() client.Stats {
	f.mu.Lock()
	joined := f.joined
	f.mu.Unlock()
	var sum client.Stats
	for _, m := range joined {
		s := m.call.Stats()
		sum.Received += s.Received
		sum.Recovered += s.Recovered
		sum.Duplicates += s.Duplicates
		sum.Lost += s.Lost
		sum.LostVoice += s.LostVoice
		sum.NACKs += s.NACKs
		sum.Unknown += s.Unknown
		sum.Overload += s.Overload
	}
	return sum
}

// report tells the progress once a second.
func (f *fleet) report(ctx context.Context, started time.Time) {
	if f.cfg.Progress == nil {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	var sent uint64
	last := client.Stats{}
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now, total := f.sent.Load(), f.totals()
		p := Progress{
			Elapsed: time.Since(started), Clients: len(f.members),
			Connected: int(f.connected.Load()), Failed: int(f.failed.Load()),
			Sent: float64(now - sent), Received: float64(total.Received - last.Received), Measuring: f.measuring.Load(),
		}
		// What was on its way a second ago may have come since.
		if lost := float64(total.Lost) - float64(last.Lost); lost > 0 {
			p.Loss = lost / (lost + p.Received)
		}
		sent, last = now, total
		f.cfg.Progress(p)
	}
}

// scrape reads the server's metrics; nil when there are none to read.
func (f *fleet) scrape(ctx context.Context) map[string]float64 {
	if f.cfg.Metrics == "" {
		return nil
	}
	web := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{}).DialContext}}
	defer web.CloseIdleConnections()
	values, err := scrape(ctx, web, f.cfg.Metrics)
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.problem == nil {
			f.problem = err
		}
		return nil
	}
	return values
}

// fill puts together what was measured.
func (f *fleet) fill(r *Result) {
	total := f.totals()
	p := &r.Packets
	p.Sent, p.Received, p.Lost = f.sent.Load(), total.Received, total.Lost
	p.LostVoice = total.LostVoice
	p.Recovered, p.NACKs, p.Duplicates = total.Recovered, total.NACKs, total.Duplicates
	p.Unknown, p.Overload = total.Unknown, total.Overload
	if due := total.Received + total.Lost; due > 0 {
		p.LossRatio = float64(total.Lost) / float64(due)
	}
	r.Clients.Connected, r.Clients.Failed = int(f.connected.Load()), int(f.failed.Load())
	var all []*delays
	for _, m := range f.members {
		all = append(all, m.delays)
	}
	r.OneWay, r.Lateness = distribution(merged(all...)), distribution(merged(f.late))
	r.Valid = r.Lateness.P99 <= maxLateness.Seconds()*1000
	var stages []client.Stages
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.joined {
		stages = append(stages, m.call.Stages())
	}
	r.Join = joinTimes(stages)
	if f.problem != nil {
		r.Problem = f.problem.Error()
	}
}
