package natsbus

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/rivulet-rtc/rivulet/internal/secret"
)

// startTimeout is how long the embedded server may take to start: it reads its
// store.
const startTimeout = 30 * time.Second

// EmbeddedConfig sets a NATS server up that runs inside of this process.
type EmbeddedConfig struct {
	// Address is where backends connect, as host:port; empty for nowhere: then
	// only this process does.
	Address string
	// Secret is the token that backends connect with; needed with an address
	// unless Open, which is for development.
	Secret secret.Secret
	Open   bool
	// Store is the directory of the stream; empty for memory, which a restart
	// forgets.
	Store string
	// Memory bounds the stream in memory, in bytes; 0 for 256 MiB.
	Memory int64
}

// Embedded is a NATS server inside of this process.
type Embedded struct {
	server *server.Server
	// scratch is the directory that even a stream in memory wants; empty where
	// the store is the operator's.
	scratch string
}

// StartEmbedded starts one and waits until it can be connected to.
func StartEmbedded(cfg EmbeddedConfig) (*Embedded, error) {
	if cfg.Memory == 0 {
		cfg.Memory = 256 << 20
	}
	scratch := ""
	if cfg.Store == "" {
		var err error
		if scratch, err = os.MkdirTemp("", "rivulet-nats-"); err != nil {
			return nil, fmt.Errorf("nats: %w", err)
		}
		cfg.Store = scratch
	}
	e, err := startEmbedded(cfg)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(scratch))
	}
	e.scratch = scratch
	return e, nil
}

func startEmbedded(cfg EmbeddedConfig) (*Embedded, error) {
	options := &server.Options{
		ServerName: "rivulet", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: cfg.Store, JetStreamMaxMemory: cfg.Memory,
		MaxPayload: maxMessage,
	}
	if cfg.Address != "" {
		host, port, err := net.SplitHostPort(cfg.Address)
		if err != nil {
			return nil, fmt.Errorf("nats: the address %q is not host:port", cfg.Address)
		}
		if cfg.Secret.IsZero() && !cfg.Open {
			return nil, errors.New("nats: an address needs a secret: whoever connects may ring and end any call")
		}
		options.DontListen, options.Host = false, host
		if options.Port, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("nats: the address %q has no port", cfg.Address)
		}
		if options.Port == 0 {
			options.Port = server.RANDOM_PORT
		}
	}
	if !cfg.Secret.IsZero() {
		options.Authorization = string(cfg.Secret.Bytes())
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("nats: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(startTimeout) {
		s.Shutdown()
		return nil, errors.New("nats: the embedded server did not start: the address may be taken, or the store broken")
	}
	return &Embedded{server: s}, nil
}

// URL is where backends connect; empty without an address.
func (e *Embedded) URL() string { return e.server.ClientURL() }

// InProcessConn connects without a socket; see nats.InProcessConnProvider.
func (e *Embedded) InProcessConn() (net.Conn, error) { return e.server.InProcessConn() }

// Close ends the server and waits for it.
func (e *Embedded) Close() error {
	e.server.Shutdown()
	e.server.WaitForShutdown()
	if e.scratch == "" {
		return nil
	}
	return os.RemoveAll(e.scratch)
}
