package node

import (
	"github.com/rivulet-rtc/rivulet/sfu/signal/natsbus"
	"github.com/rivulet-rtc/rivulet/sfu/signal/rest"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
)

// calls is what the call plane and its adapters say at one scrape; zero without
// them.
type calls struct {
	board   switchboard.Stats
	webhook rest.WebhookStats
	bus     natsbus.Stats
}

func (n *Node) callStats() (s calls) {
	if n.board != nil {
		s.board = n.board.Stats()
	}
	for _, a := range n.cfg.Adapters {
		switch a := a.(type) {
		case *rest.Webhook:
			s.webhook = a.Stats()
		case *natsbus.Bus:
			s.bus = a.Stats()
		}
	}
	return s
}

// callMetrics lists the families of the call plane.
func callMetrics() []metric {
	return []metric{
		{"rivulet_calls", "Calls, those included that have ended within two minutes.", gauge, "", false,
			func(s *snapshot) []sample { return number(s.calls.board.Calls) }},
		{"rivulet_call_sessions", "Devices and backends connected to the call plane, or expected back.", gauge, "", false,
			func(s *snapshot) []sample { return number(s.calls.board.Sessions) }},
		{"rivulet_webhook_events_total", "Events for the webhook, by what became of them. Lost ones were not taken before the queue was full.", counter, "outcome", false,
			func(s *snapshot) []sample {
				return []sample{reason("delivered", s.calls.webhook.Delivered), reason("lost", s.calls.webhook.Lost)}
			}},
		{"rivulet_webhook_failed_attempts_total", "Webhooks that the receiver did not take, or not in time.", counter, "", false,
			func(s *snapshot) []sample { return number(s.calls.webhook.Failed) }},
		{"rivulet_bus_events_total", "Events that the bus's stream has acknowledged.", counter, "", false,
			func(s *snapshot) []sample { return number(s.calls.bus.Published) }},
		{"rivulet_bus_failed_attempts_total", "Batches of events that the bus did not acknowledge in time.", counter, "", false,
			func(s *snapshot) []sample { return number(s.calls.bus.Failed) }},
		{"rivulet_bus_refused_commands_total", "Commands on the bus that found no place to wait.", counter, "", false,
			func(s *snapshot) []sample { return number(s.calls.bus.Refused) }},
	}
}
