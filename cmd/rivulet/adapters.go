package main

import (
	"log/slog"

	"github.com/rivulet-rtc/rivulet/cmd/rivulet/config"
	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/sfu/signal"
	"github.com/rivulet-rtc/rivulet/sfu/signal/rest"
)

// adapters makes those that are served beside the HTTP ones.
func adapters(l *config.Loaded, log *slog.Logger) (all []signal.Adapter, err error) {
	if l.Webhook.URL != "" {
		secrets := []secret.Secret{l.Webhook.Secret}
		if !l.Webhook.Former.IsZero() {
			secrets = append(secrets, l.Webhook.Former)
		}
		hook, err := rest.NewWebhook(rest.WebhookConfig{
			URL: l.Webhook.URL, Secrets: secrets, Tenant: l.Webhook.Tenant, Timeout: l.Webhook.Timeout, Logger: log,
		})
		if err != nil {
			return nil, err
		}
		all = append(all, hook)
	}
	return all, nil
}
