package main

import (
	"errors"
	"log/slog"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/config"
	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/natsbus"
	"github.com/rivulet-rtc/rivulet/sfu/signal/rest"
)

// adapters makes those that are served beside the HTTP ones, and answers what to
// close when they have ended.
func adapters(l *config.Loaded, dev bool, log *slog.Logger) (all []signal.Adapter, closeAll func() error, err error) {
	closeAll = func() error { return nil }
	if l.Webhook.URL != "" {
		secrets := []secret.Secret{l.Webhook.Secret}
		if !l.Webhook.Former.IsZero() {
			secrets = append(secrets, l.Webhook.Former)
		}
		hook, err := rest.NewWebhook(rest.WebhookConfig{
			URL: l.Webhook.URL, Secrets: secrets, Tenant: l.Webhook.Tenant, Timeout: l.Webhook.Timeout, Logger: log,
		})
		if err != nil {
			return nil, nil, err
		}
		all = append(all, hook)
	}
	if !l.NATS.Enabled {
		return all, closeAll, nil
	}
	cfg := natsbus.Config{
		URL: l.NATS.URL, Secret: l.NATS.Secret, Credentials: l.NATS.Credentials, CA: l.NATS.CA,
		Certificate: l.NATS.Certificate, Key: l.NATS.Key, Tenant: l.NATS.Tenant, Replicas: l.NATS.Replicas, Keep: l.NATS.Keep, Logger: log,
	}
	if cfg.URL == "" {
		cfg.Embedded, err = natsbus.StartEmbedded(natsbus.EmbeddedConfig{Address: l.NATS.Address, Secret: l.NATS.Secret, Open: dev, Store: l.NATS.Store})
		if err != nil {
			return nil, nil, err
		}
		closeAll = cfg.Embedded.Close
		log.Info("a NATS server runs inside of this process", "url", cfg.Embedded.URL())
	}
	bus, err := natsbus.New(cfg)
	if err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return append(all, bus), closeAll, nil
}
