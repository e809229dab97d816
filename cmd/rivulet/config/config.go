// Package config is what an operator can set: one strict YAML file, the
// environment and flags, in one tree of keys.
//
// Input is text from three places; output is a Config with every value in
// range, and for each key where its value came from. A flag goes before the
// environment, the environment before the file, the file before the default.
//
//	flags  --http :80           ─┐
//	env    RIVULET_HTTP_ADDRESS ─┼─► set(key, text) ─► Config ─► Engine(), TURN(), ...
//	file   http: {address: :80} ─┘      one reader for all three
//
// The struct tags below are the reference: key is the name in the file, doc and
// unit are what docs/operations/configuration.md prints, min and max are
// enforced when a value is read, so that an error can say where it stands.
// Defaults come from the packages that are configured.
package config

import (
	"net/netip"
	"time"

	"github.com/rivulet-rtc/rivulet/internal/secret"
	"github.com/rivulet-rtc/rivulet/internal/udp"
	"github.com/rivulet-rtc/rivulet/sfu"
	"github.com/rivulet-rtc/rivulet/sfu/switchboard"
	"github.com/rivulet-rtc/rivulet/sfu/token"
	"github.com/rivulet-rtc/rivulet/turn"
)

// Config is everything that can be set.
type Config struct {
	HTTP    HTTP    `key:"http" doc:"The listener for the call page, signalling, WHIP and WHEP."`
	Media   Media   `key:"media" doc:"The one port that carries all media."`
	TURN    TURN    `key:"turn" doc:"The relay for clients whose network lets nothing else through. It speaks with this node's media port and nobody else."`
	Auth    Auth    `key:"auth" doc:"Who may join. A backend signs tokens with one of the keys; docs/protocol.md describes them."`
	Calls   Calls   `key:"calls" doc:"Who rings whom: the call plane. An application that has its own ringing switches it off and uses rooms."`
	Webhook Webhook `key:"webhook" doc:"Where the call plane's events go: posted, signed, in order, and again until they are taken."`
	NATS    NATS    `key:"nats" doc:"A bus for backends: commands as requests, events on a stream. Without a URL a server runs inside of this process."`
	Limits  Limits  `key:"limits" doc:"What the node takes on."`
	Admin   Admin   `key:"admin" doc:"The listener for operators: health, metrics, profiles, rooms. Keep it away from the public."`
	Log     Log     `key:"log" doc:"What is written to standard error. Logs carry no names, identities or client addresses."`
	Drain   Drain   `key:"drain" doc:"What happens on SIGTERM."`
}

// HTTP is the public listener.
type HTTP struct {
	Address        string         `key:"address" unit:"host:port" doc:"Where to listen; without a host on all addresses."`
	Certificate    string         `key:"certificate" unit:"file" doc:"TLS certificate chain in PEM. Browsers give camera and microphone only to pages over HTTPS, or on localhost: set this or put a proxy with TLS in front."`
	Key            string         `key:"key" unit:"file" doc:"Private key of the certificate in PEM."`
	Origins        []string       `key:"origins" unit:"list" doc:"Hosts of other web pages that may use this server (example.org, *.example.org, or * for all)."`
	TrustedProxies []netip.Prefix `key:"trustedProxies" unit:"list" doc:"Networks of reverse proxies whose X-Forwarded-For is believed; limits count by that address then."`
}

// Media is the media port.
type Media struct {
	Bind          netip.Addr   `key:"bind" unit:"address" doc:"Where to listen, relay included: one address, or :: for every address of both IP versions, 0.0.0.0 for every IPv4 address."`
	Port          int          `key:"port" unit:"port" min:"0" max:"65535" doc:"UDP port of all media; 0 lets the system choose."`
	TCP           bool         `key:"tcp" doc:"Take media over TCP on the same number as well (ICE-TCP)."`
	Advertise     []netip.Addr `key:"advertise" unit:"list" doc:"Public addresses that lead here although no interface has them (NAT, a cloud's floating address)."`
	Addresses     []netip.Addr `key:"addresses" unit:"list" doc:"Which of this machine's addresses to serve and tell clients; empty for those of all interfaces but link-local and loopback ones. Listed once, at the start."`
	Loopback      bool         `key:"loopback" doc:"Serve loopback addresses too. serve --dev does, for pages on the same machine."`
	Workers       int          `key:"workers" min:"0" max:"1024" doc:"Egress workers; 0 for one for each core."`
	ReceiveBuffer int          `key:"receiveBuffer" unit:"bytes" min:"0" max:"1073741824" doc:"Receive queue asked of the kernel; 0 for its default."`
	SendBuffer    int          `key:"sendBuffer" unit:"bytes" min:"0" max:"1073741824" doc:"Send queue asked of the kernel; 0 for its default."`
	DSCP          int          `key:"dscp" min:"0" max:"63" doc:"Differentiated services code point of what is sent."`
}

// TURN is the relay.
type TURN struct {
	Enabled             bool          `key:"enabled" doc:"Run the relay."`
	Port                int           `key:"port" unit:"port" min:"0" max:"65535" doc:"Port of the relay over UDP and TCP; 0 lets the system choose."`
	TCP                 bool          `key:"tcp" doc:"Take relay clients over TCP too."`
	Host                string        `key:"host" unit:"name" doc:"Name or address that clients are told for the relay; empty for the first advertised address, or else the name by which the client reached the server."`
	Secret              secret.Secret `key:"secret" unit:"secret" doc:"From it the time-limited passwords are made. Needed unless serve --dev, which draws one."`
	Realm               string        `key:"realm" doc:"Realm told to clients, 1 to 127 bytes."`
	CredentialTTL       time.Duration `key:"credentialTTL" unit:"duration" min:"1m" max:"168h" doc:"How long a password is good for: longer than a call."`
	Lifetime            time.Duration `key:"lifetime" unit:"duration" min:"1m" max:"1h" doc:"How long an allocation lives without a refresh."`
	MaxAge              time.Duration `key:"maxAge" unit:"duration" min:"1m" max:"168h" doc:"When an allocation ends whatever the client refreshes."`
	Allocations         int           `key:"allocations" min:"1" max:"60000" doc:"Allocations at one time."`
	AllocationsPerUser  int           `key:"allocationsPerUser" min:"1" max:"60000" doc:"Allocations at one time for one participant; a browser makes several."`
	TCPConnections      int           `key:"tcpConnections" min:"1" max:"1000000" doc:"TCP connections at one time."`
	TCPConnectionsPerIP int           `key:"tcpConnectionsPerIP" min:"1" max:"1000000" doc:"TCP connections at one time from one IPv4 address or IPv6 /64."`
	AnswersPerSecond    float64       `key:"answersPerSecond" unit:"per second" min:"0.1" max:"1000000" doc:"Answers to one address that has proved nothing yet."`
	AnswersBurst        int           `key:"answersBurst" min:"1" max:"1000000" doc:"How many such answers go out at once."`
}

// Auth is who may join.
type Auth struct {
	Keys       map[string]secret.Secret `key:"keys" unit:"map of id to secret" doc:"Keys under which tokens are accepted (HS256). Needed unless serve --dev, which asks for no tokens."`
	PublicKeys []string                 `key:"publicKeys" unit:"list" doc:"Keys whose private half the backend keeps, each as id:FILE with a public key in PEM (EdDSA with Ed25519, ES256 with P-256)."`
	JWKS       string                   `key:"jwks" unit:"URL" doc:"Key set (RFC 7517) of an identity provider, over https: cached, and believed for a day while the provider is away."`
	Tenants    []string                 `key:"tenants" unit:"list" doc:"Which key belongs to which tenant, each as key id:tenant; the others to the tenant without a name. Rooms, users and calls of different tenants never meet."`
	Issuer     string                   `key:"issuer" doc:"The issuer that every token must name; empty for any."`
	Leeway     time.Duration            `key:"leeway" unit:"duration" min:"0s" max:"5m" doc:"How far the clocks of backend and server may differ."`
}

// Calls is the call plane.
type Calls struct {
	Enabled         bool          `key:"enabled" doc:"Run the call plane."`
	Journal         string        `key:"journal" unit:"file" doc:"From it calls go on after a restart or crash of the server: who was in a call connects again within calls.deadAfter and is in it. Empty: calls end with the server. It holds user ids and payloads."`
	JournalSync     bool          `key:"journalSync" doc:"Answer a command only when its line in the journal is on the disk, so that it outlives a power failure too. Commands that come together share one wait."`
	RingLifetime    time.Duration `key:"ringLifetime" unit:"duration" min:"5s" max:"2m" doc:"How long a user is rung where the ring says nothing."`
	DeadAfter       time.Duration `key:"deadAfter" unit:"duration" min:"1s" max:"1h" doc:"The dead-man's switch: how long a device may be heard of neither by signalling nor by media before it has left its calls."`
	Direct          string        `key:"direct" oneof:"never prefer relay" doc:"Whether the two devices of a call of two send to each other instead of through this server, where both are willing. With prefer they learn each other's IP addresses; with relay they meet at relays alone and do not. A third user brings the call back."`
	RingRate        float64       `key:"ringRate" unit:"per second" min:"0.01" max:"1000000" doc:"Users whom one user may ring, lasting."`
	RingBurst       float64       `key:"ringBurst" min:"1" max:"1000000" doc:"Users whom one user may ring at once."`
	TenantRingRate  float64       `key:"tenantRingRate" unit:"per second" min:"0.01" max:"1000000" doc:"Users who may be rung in a whole tenant, lasting."`
	TenantRingBurst float64       `key:"tenantRingBurst" min:"1" max:"1000000" doc:"Users who may be rung in a whole tenant at once."`
	Sessions        int           `key:"sessions" min:"1" max:"10000000" doc:"Devices connected at one time."`
	SessionsPerUser int           `key:"sessionsPerUser" min:"1" max:"64" doc:"Devices of one user connected at one time."`
}

// Webhook is the receiver of events.
type Webhook struct {
	URL     string        `key:"url" unit:"URL" doc:"The receiver; empty for none. https, but where the way there is trusted."`
	Secret  secret.Secret `key:"secret" unit:"secret" doc:"Signs each webhook. Needed with a URL."`
	Former  secret.Secret `key:"former" unit:"secret" doc:"Signs beside it while receivers change to a new secret."`
	Tenant  string        `key:"tenant" doc:"Whose events go there; empty for the tenant without a name."`
	Timeout time.Duration `key:"timeout" unit:"duration" min:"1s" max:"1m" doc:"How long the receiver has to answer."`
}

// NATS is the bus for backends.
type NATS struct {
	Enabled     bool          `key:"enabled" doc:"Serve backends on a bus."`
	URL         string        `key:"url" unit:"URL" doc:"An outside server or cluster (nats://a:4222,nats://b:4222, or tls://); empty for the one inside of this process."`
	Address     string        `key:"address" unit:"host:port" doc:"Where the server inside of this process listens for backends; empty for nowhere."`
	Secret      secret.Secret `key:"secret" unit:"secret" doc:"Token to connect with. Whoever has it may ring and end any call of the tenant. Needed for the server inside unless serve --dev."`
	Store       string        `key:"store" unit:"directory" doc:"Where the server inside keeps the stream of events; empty for memory, which a restart forgets."`
	Credentials string        `key:"credentials" unit:"file" doc:"A user's JWT and key for the outside server."`
	CA          string        `key:"ca" unit:"file" doc:"Certificates in PEM that the outside server's is checked against; empty for the system's."`
	Certificate string        `key:"certificate" unit:"file" doc:"Client certificate in PEM for the outside server."`
	Key         string        `key:"key" unit:"file" doc:"Private key of the certificate in PEM."`
	Tenant      string        `key:"tenant" doc:"Whose calls the bus is about; empty for the tenant without a name."`
	Replicas    int           `key:"replicas" min:"1" max:"5" doc:"Copies of the stream of events in an outside cluster."`
	Keep        time.Duration `key:"keep" unit:"duration" min:"1m" max:"168h" doc:"How long events stay on the stream."`
}

// Limits bound the node.
type Limits struct {
	Rooms        int           `key:"rooms" min:"1" max:"1000000" doc:"Rooms at one time."`
	Participants int           `key:"participants" min:"1" max:"1000000" doc:"Participants at one time, in all rooms."`
	RoomSize     int           `key:"roomSize" min:"1" max:"100000" doc:"Participants at one time in one room."`
	JoinRate     float64       `key:"joinRate" unit:"per second" min:"0.01" max:"1000000" doc:"Joins from one address, lasting."`
	JoinBurst    float64       `key:"joinBurst" min:"1" max:"1000000" doc:"Joins from one address at once."`
	ResumeFor    time.Duration `key:"resumeFor" unit:"duration" min:"1s" max:"1h" doc:"How long a participant is kept that is heard of neither by signalling nor by media."`
	LowerVoice   bool          `key:"lowerVoice" doc:"Let the thinnest receiver of a voice lower it for everybody, where it cannot be made thinner for that receiver alone."`
}

// Admin is the operators' listener.
type Admin struct {
	Address     string `key:"address" unit:"host:port" doc:"Where to listen; empty for not at all. Only a loopback address is accepted unless allowRemote is set."`
	AllowRemote bool   `key:"allowRemote" doc:"Accept an address that is not loopback. There is no password: whoever reaches it sees rooms and profiles."`
}

// Log is how to write logs.
type Log struct {
	Level  string `key:"level" oneof:"debug info warn error" doc:"The least that is written."`
	Format string `key:"format" oneof:"text json" doc:"One line for people or one JSON object for programs."`
}

// Drain is how to end.
type Drain struct {
	Grace time.Duration `key:"grace" unit:"duration" min:"0s" max:"24h" doc:"How long running calls may go on after new joins are refused. serve --dev does not wait unless this is set."`
}

// Default answers the configuration of a server that nobody has configured. It
// lacks the secrets.
func Default() Config {
	engine, relay, socket, tokens := sfu.DefaultConfig(), turn.DefaultConfig(), udp.DefaultConfig(), token.DefaultConfig()
	calls := switchboard.DefaultConfig()
	return Config{
		HTTP: HTTP{Address: ":8080"},
		Media: Media{
			Bind: netip.IPv6Unspecified(), Port: 7882, TCP: true,
			ReceiveBuffer: socket.ReceiveBuffer, SendBuffer: socket.SendBuffer, DSCP: int(socket.DSCP),
		},
		TURN: TURN{
			Enabled: true, Port: 3478, TCP: true, Realm: relay.Realm, CredentialTTL: 12 * time.Hour,
			Lifetime: relay.Lifetime, MaxAge: relay.MaxAge,
			Allocations: relay.Limits.Allocations, AllocationsPerUser: relay.Limits.AllocationsPerUser,
			TCPConnections: relay.Limits.TCPConnections, TCPConnectionsPerIP: relay.Limits.TCPConnectionsPerIP,
			AnswersPerSecond: relay.Limits.AnswersPerSecond, AnswersBurst: relay.Limits.AnswersBurst,
		},
		Auth: Auth{Leeway: tokens.Leeway},
		Calls: Calls{
			Enabled: true, JournalSync: calls.JournalSync, RingLifetime: calls.Calls.RingLifetime, DeadAfter: calls.DeadAfter, Direct: string(switchboard.DirectNever),
			RingRate: calls.RingRate, RingBurst: calls.RingBurst, TenantRingRate: calls.TenantRingRate, TenantRingBurst: calls.TenantRingBurst,
			Sessions: calls.MaxSessions, SessionsPerUser: calls.MaxSessionsOfUser,
		},
		Webhook: Webhook{Timeout: 10 * time.Second},
		NATS:    NATS{Address: "127.0.0.1:4222", Replicas: 1, Keep: time.Hour},
		Limits: Limits{
			Rooms: engine.MaxRooms, Participants: engine.MaxParticipants, RoomSize: engine.MaxRoomSize,
			JoinRate: engine.JoinRate, JoinBurst: engine.JoinBurst, ResumeFor: engine.ResumeFor,
		},
		Admin: Admin{Address: "127.0.0.1:9090"},
		Log:   Log{Level: "info", Format: "text"},
		Drain: Drain{Grace: 5 * time.Second},
	}
}
