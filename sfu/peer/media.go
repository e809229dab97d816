// Package peer is the media plane's shell: the only importer of pion/webrtc on
// the server side. It owns sockets, PeerConnections, egress workers and timers,
// and decides nothing: what is forwarded, when and how is decided by the cores
// (sfu/uplink, sfu/downlink).
//
//	pion SRTP loop -> ingress.receiveRTP -> uplink.Stream -> Track.fanOut
//	     -> worker -> downlink.Forward/Poll -> slotTrack -> pion -> icemux.Batch
//	pion SRTCP loop -> rtcpBuffer -> worker -> downlink.Handle...
//
// A Media is one node's: it has about one egress worker for each core. A Peer is
// one participant's PeerConnection and belongs to one worker for life: only that
// worker's goroutine touches the peer's downlink and writes its RTP and RTCP. A
// Track is what a peer publishes on one media section; its packets go once to
// each worker that has a subscriber of it.
package peer

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/transport/v5"

	"github.com/rivulet-rtc/rivulet/bwe"
	"github.com/rivulet-rtc/rivulet/sfu/downlink"
	"github.com/rivulet-rtc/rivulet/sfu/packet"
	"github.com/rivulet-rtc/rivulet/sfu/peer/icemux"
)

// maxWorkers is the size of the bit mask in which a Track notes its workers.
const maxWorkers = 64

// Config is what the media plane of a node needs.
type Config struct {
	// UDP carries all media of all peers; it is closed by Media.Close.
	UDP *icemux.UDP
	// TCP accepts ICE-TCP; nil for none. It is closed by Media.Close.
	TCP *icemux.TCP
	// Advertise are public addresses to tell clients beside the local ones.
	Advertise []netip.Addr
	// Workers is how many egress workers run; 0 for one for each core.
	Workers int
	// Net is pion's view of the network; nil for the operating system's.
	Net transport.Net
	// PlainVoice passes sound on as it was published, to compare with.
	PlainVoice bool
	// Repair says how loss of pictures is made up for, to compare with.
	Repair downlink.RepairMode
	// OverTCP says of an address that packets come from whether it is a relay that
	// its client reaches by TCP; nil when there is none to ask. It is called on
	// pion's goroutines.
	OverTCP func(netip.AddrPort) bool
	// BWE sets the congestion controller of each downlink.
	BWE bwe.Config
	// DisconnectedAfter is how long a silent path is waited for; 0 for 5 s.
	DisconnectedAfter time.Duration
	// FailedAfter is how much longer until the path is given up; 0 for 25 s.
	FailedAfter time.Duration
	Logger      *slog.Logger
}

// Media is the media plane of one node.
type Media struct {
	cfg     Config
	pool    *packet.Pool
	workers []*worker
	next    atomic.Uint32 // round robin over workers
	peers   atomic.Int64
	serial  atomic.Uint64
	counts  counters
	carried *carried

	running sync.WaitGroup
}

// New starts the workers.
func New(cfg Config) (*Media, error) {
	if cfg.UDP == nil {
		return nil, errors.New("peer: no UDP socket was given")
	}
	if err := cfg.BWE.Validate(); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	cfg.Workers = min(cfg.Workers, maxWorkers)
	if cfg.DisconnectedAfter <= 0 {
		cfg.DisconnectedAfter = 5 * time.Second
	}
	if cfg.FailedAfter <= 0 {
		cfg.FailedAfter = 25 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Media{cfg: cfg, pool: packet.NewPool(), carried: newCarried()}
	for i := range cfg.Workers {
		w := newWorker(i, &m.counts)
		m.workers = append(m.workers, w)
		m.running.Go(w.run)
	}
	return m, nil
}

// Close ends the workers and the sockets. All peers must be closed before.
func (m *Media) Close() error {
	for _, w := range m.workers {
		w.stop()
	}
	m.running.Wait()
	err := m.cfg.UDP.Close()
	if m.cfg.TCP != nil {
		err = errors.Join(err, m.cfg.TCP.Close())
	}
	return err
}

// BuffersInUse is how many packet buffers are held by anything; 0 when no
// room is left.
func (m *Media) BuffersInUse() int64 { return m.pool.InUse() }

// Peers is how many peers are open.
func (m *Media) Peers() int64 { return m.peers.Load() }

// pickWorker answers the worker of the next peer.
func (m *Media) pickWorker() *worker {
	return m.workers[int(m.next.Add(1)-1)%len(m.workers)]
}
