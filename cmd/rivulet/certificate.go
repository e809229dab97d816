package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificate is a key pair in files that somebody renews while the server runs.
type certificate struct {
	certificate, key string

	mu       sync.Mutex
	current  *tls.Certificate
	changed  time.Time // of the certificate file when it was read
	looked   time.Time
	complain func(error)
}

// lookEvery is how often the files are looked at, when somebody connects.
const lookEvery = time.Minute

// loadCertificate reads the files once, so that a mistake shows at the start.
func loadCertificate(certFile, keyFile string, complain func(error)) (*certificate, error) {
	c := &certificate{certificate: certFile, key: keyFile, complain: complain}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("http.certificate and http.key: %w", err)
	}
	c.looked = time.Now()
	return c, nil
}

func (c *certificate) read() error {
	info, err := os.Stat(c.certificate)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.certificate, c.key)
	if err != nil {
		return err
	}
	c.current, c.changed = &pair, info.ModTime()
	return nil
}

// get answers the certificate, read anew if its file has changed. One that
// cannot be read leaves the last good one in place.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		if info, err := os.Stat(c.certificate); err != nil || !info.ModTime().Equal(c.changed) {
			if err := c.read(); err != nil {
				c.complain(err)
			}
		}
	}
	return c.current, nil
}

// config is for a listener: HTTP/1.1, since a WebSocket begins there.
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"http/1.1"}}
}
