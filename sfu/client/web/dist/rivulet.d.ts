/**
 * The interface of rivulet.js, Rivulet's JavaScript SDK.
 * See docs/protocol.md for the meaning of codes and reasons.
 */

export declare const PROTOCOL_VERSION = 1;

/** What a track shows; a participant publishes at most one of each. */
export type Source = "microphone" | "camera" | "screen" | "screen_audio";

/** How much data the participant wants to spend. */
export type DataMode = "auto" | "low" | "voice";

/** How well a connection does, from best to worst. */
export type Quality = "excellent" | "good" | "poor" | "lost";

/** How one layer is to be sent; what is missing is not limited. */
export interface EncodeLayerInfo {
  rid: string;
  active: boolean;
  maxRate?: number; // bits per second
  maxFrameRate?: number;
  scale?: number;
}

/** Bytes that may be received; 0 or missing for no bound. */
export interface DataBudgetInfo {
  call?: number;
  hour?: number;
}

/** One simulcast layer. Sizes in pixels, maxRate in bits per second. */
export interface LayerInfo {
  rid: string;
  width: number;
  height: number;
  maxRate?: number;
}

/** What a participant may do. */
export interface Permissions {
  publish: boolean;
  /** What may be published; missing or empty for all. */
  sources?: Source[];
  subscribe: boolean;
  /** Is a moderator. */
  admin?: boolean;
}

/** In which shape the voices of others come, where the path does not carry them all; reason is of single. */
export interface VoicesInfo {
  kind: "separate" | "thinned" | "mixed" | "single";
  reason?: "encrypted" | "no_codec";
}

export interface SlotStateInfo {
  slot: number;
  paused?: boolean;
  width?: number;
  height?: number;
  reason: string;
}

export interface TrackViewInfo {
  track: string;
  width?: number;
  height?: number;
  priority?: number;
}

/** The listener of one event type of a map. */
export type Listener<D> = (event: CustomEvent<D>) => void;

export declare class TypedTarget<M> extends EventTarget {
  /**
   * Listens to an event and answers a function that ends it.
   */
  on<K extends keyof M & string>(type: K, listener: Listener<M[K]>): () => void;
  /** Dispatches an event with its detail. */
  protected emit<K extends keyof M & string>(type: K, detail: M[K]): void;
}

export declare class CallError extends Error {
  constructor(code: string, message: string);
  /** A code of the server's closed list (docs/protocol.md), or one of the
   * SDK's own: "network", "no_webrtc", "aborted", "closed", "media". */
  readonly code: string;
}

/** Which device to open; ids are those of enumerateDevices. */
export interface CaptureOptions {
  deviceId?: string;
  /** Wanted size of the camera's picture in pixels. */
  width?: number;
  height?: number;
}

/** Opens the microphone: one channel, with echo cancellation. Error codes: see captureError. */
export declare function captureMicrophone(options?: CaptureOptions): Promise<MediaStreamTrack>;

/** Opens the camera, 1280x720 at 30 pictures a second unless asked otherwise. */
export declare function captureCamera(options?: CaptureOptions): Promise<MediaStreamTrack>;

/** Asks for a screen or window, with its sound where the browser offers that. */
export declare function captureScreen(): Promise<{
  video: MediaStreamTrack;
  audio?: MediaStreamTrack;
}>;

/**
 * Tells apart why a device did not open: denied (by the person or a policy),
 * no_device, device_busy, insecure (the page is not on HTTPS or localhost).
 */
export declare function captureError(error: unknown): CallError;

/** A track of one's own. */
export declare class LocalTrack {
  private constructor();
  readonly source: Source;
  readonly track: MediaStreamTrack;
  /** The SDK opened the device and stops it. */
  readonly owned: boolean;
  /** The server's id, once it is published. */
  id?: string;
  muted: boolean;
  /** Frees the device if the SDK opened it. */
  release(): void;
}

/** A track of another participant. */
export declare class RemoteTrack {
  private constructor();
  readonly participant: Participant;
  readonly id: string;
  readonly source: Source;
  muted: boolean;
  /** Encrypted end to end: only who has the key hears or sees it. */
  encrypted: boolean;
  /** Size of the source in pixels, 0 when unknown. */
  width: number;
  height: number;
  layers: LayerInfo[];
  /** The slot that carries this track now, if any. */
  slot?: number;
  /** What is received and why not more; undefined until the server tells. */
  state?: SlotStateInfo;
  get video(): boolean;
}

/** A member of the room other than oneself, or oneself as others see it. */
export declare class Participant {
  private constructor();
  readonly local: boolean;
  readonly id: string;
  readonly identity: string;
  readonly name: string;
  readonly tracks: Map<string, RemoteTrack>;
  quality: Quality;
  /** 0 (silent) to 127 (loudest). */
  level: number;
  /** What it, a moderator or a backend has set, by name: at most 16, of at most 256 letters. */
  attributes: Record<string, string>;
  get speaking(): boolean;
  /** The track of a source, if it is published. */
  track(source: Source): RemoteTrack | undefined;
}

/**
 * Transforms of the page's own that encrypt and decrypt encoded frames, such as
 * RTCRtpScriptTransform makes (W3C webrtc-encoded-transform). Each answer is for one
 * section of one connection; a rejoin asks anew.
 */
export interface Encryption {
  /** For what is sent from a source; undefined leaves that as it is. */
  send(source: Source): RTCRtpTransform | undefined;
  /** For what is received in a slot, from one participant after another. It drops what it cannot decrypt. */
  receive(kind: "audio" | "video"): RTCRtpTransform;
}

/** Settings of the transport; the defaults suit everybody, tests narrow them. */
export interface RTCOptions {
  /** "relay" sends everything through the TURN relay. */
  iceTransportPolicy?: RTCIceTransportPolicy;
  /** Keeps only the TURN addresses of this transport. */
  turnTransport?: "udp" | "tcp";
  /** Keeps only the server's candidates of this transport. */
  candidates?: "udp" | "tcp";
  /** Prefers a video codec by its name, such as "vp8" or "av1". */
  videoCodec?: string;
  /**
   * Sends the camera as one scalable stream of this mode, such as "L3T3_KEY"
   * (W3C webrtc-svc), instead of simulcast. It wants a videoCodec that knows
   * the mode: "vp9" or "av1".
   */
  scalabilityMode?: string;
}

/** A slot with the section that receives it. */
export interface Slot {
  readonly slot: number;
  readonly video: boolean;
  readonly transceiver: RTCRtpTransceiver;
  readonly stream: MediaStream;
}

export interface ConnectOptions {
  /** Where the server listens; by default /v1/ws on the page's own host. */
  url?: string;
  /** The room's name, 1 to 64 bytes. */
  room: string;
  /** The access token, or a function that fetches a fresh one for each join. */
  token?: string | (() => string | Promise<string>);
  /** The name shown to others, at most 64 bytes; a name in the token wins. */
  name?: string;
  /**
   * Who one is, to a server that needs no tokens; otherwise the token says it.
   * Joining with the same identity again replaces the older session.
   */
  identity?: string;
  /** What is on from the start. */
  publish?: Partial<Record<Source, MediaStreamTrack | {
    track: MediaStreamTrack;
    muted?: boolean;
  }>>;
  dataMode?: DataMode;
  /** How many bytes may be received, in all or in any hour; no bound by default. */
  dataBudget?: DataBudgetInfo;
  /** How many streams can be received at once; 3 and 9 (4 on a phone) by default. */
  slots?: {
    audio?: number;
    video?: number;
  };
  /** Names the software to the server, for statistics. */
  client?: string;
  /** Play the sound of the call; true by default. */
  playAudio?: boolean;
  /** Receive no pictures while the page is hidden; true by default. */
  pauseWhenHidden?: boolean;
  /** Milliseconds between statistics events; 1000 by default, 0 for none. */
  statisticsInterval?: number;
  rtc?: RTCOptions;
  /**
   * Encrypts what one publishes, frame by frame, and decrypts what comes: the
   * server passes it on as it is. Error code no_encryption where the browser cannot.
   */
  encryption?: Encryption;
  /**
   * Sends directly to the other device of a call of two where server and other
   * device are willing: directPath(). Each learns the other's IP address, unless
   * it is directPath({ relayOnly: true }). Only over a line, and not with encryption.
   */
  direct?: MakeDirect;
  /** Aborts joining. */
  signal?: AbortSignal;
}

/** The events of a call that the server causes. */
export interface RosterEvents {
  participantjoined: {
    participant: Participant;
  };
  participantleft: {
    participant: Participant;
    reason: string;
  };
  trackpublished: {
    participant: Participant;
    track: RemoteTrack;
  };
  trackunpublished: {
    participant: Participant;
    track: RemoteTrack;
  };
  /** A track was muted, unmuted, or changed its size or layers. */
  trackchanged: {
    participant: Participant;
    track: RemoteTrack;
  };
  /** Tracks gained or lost a slot. */
  slotschanged: {
    tracks: RemoteTrack[];
  };
  /** What is received of a track and why not more. */
  slotstate: {
    track: RemoteTrack;
    state: SlotStateInfo;
  };
  /** Everybody who speaks now, loudest first. */
  speakers: {
    speakers: {
      participant: Participant;
      level: number;
    }[];
  };
  quality: {
    participant: Participant;
    quality: Quality;
  };
  /** Voices come in another shape: made thinner, mixed, or the loudest alone with the reason. */
  voices: VoicesInfo;
  /** Attributes of somebody have changed, or what one may do oneself: permissions is there then. */
  participantupdated: {
    participant: Participant;
    permissions?: Permissions;
  };
  /** Nobody else gets in from now on, or everybody again. */
  roomlocked: {
    locked: boolean;
  };
  /** Somebody, or a backend (from is "" then), has sent data: at most 1024 bytes. */
  message: {
    /** The id of the participant. */
    from: string;
    participant?: Participant;
    topic: string;
    data: Uint8Array;
  };
}

/** How often things happened; a test can assert that nobody renegotiates. */
export interface Counters {
  /** SDP texts made or applied: 2 for a join, 2 for an ICE restart. */
  sdp: number;
  messagesSent: number;
  messagesReceived: number;
  /** Those of both that travelled in the compact form. */
  messagesCompact: number;
  /** Connections taken up again. */
  resumes: number;
  iceRestarts: number;
  /** Joins after the first one. */
  rejoins: number;
}

/** What one video slot receives. */
export interface ReceivedVideo {
  slot: number;
  track?: string;
  participant?: string;
  /** Size of the picture as decoded, in pixels. */
  width: number;
  height: number;
  framesPerSecond: number;
  framesDecoded: number;
  freezes: number;
  /** Bits per second of RTP payload. */
  rate: number;
}

/** What one layer sends. */
export interface SentVideo {
  source: "camera" | "screen";
  rid: string;
  width: number;
  height: number;
  framesPerSecond: number;
  rate: number;
  /** Why the browser sends less than asked: "none", "cpu", "bandwidth", "other". */
  limited: string;
}

/** Statistics of a call; rates are means over the last interval. */
export interface Statistics {
  /** Bytes of IP packets since the call began, across reconnections, and what went directly to the other device. */
  bytesSent: number;
  bytesReceived: number;
  /** Bits per second on the wire. */
  sendRate: number;
  receiveRate: number;
  /** Round trip of the media path in milliseconds, 0 when unknown. */
  roundTrip: number;
  /** Share of received packets lost in the last interval, 0 to 1. */
  loss: number;
  audio: {
    packetsReceived: number;
    /** Share of concealed samples in the last interval, 0 to 1. */
    concealed: number;
    /** Mean delay of the jitter buffer in milliseconds. */
    bufferDelay: number;
    /** Energy played since the beginning (WebRTC statistics, totalAudioEnergy). */
    energy: number;
  };
  received: ReceivedVideo[];
  sent: SentVideo[];
  /** The path in use: "udp", "tcp", "relay/udp", "relay/tcp", or "" before there is one. */
  path: string;
}

export declare const VERSION = "0.1.0";

/** connecting until media flows the first time; closed is final. */
export type CallState = "connecting" | "connected" | "reconnecting" | "closed";

export interface CallEvents extends RosterEvents {
  state: {
    state: CallState;
    before: CallState;
  };
  closed: {
    code: string;
    message: string;
  };
  /** Something of one's own was published, muted or ended. */
  localchanged: {
    source: Source;
    track?: LocalTrack;
  };
  /** A moderator has muted something of one's own, or asks to unmute it, which is left to the person. */
  moderated: {
    source: Source;
    muted: boolean;
  };
  statistics: Statistics;
  /** What is heard and seen comes directly from the other device now, or by the server. */
  path: {
    path: "sfu" | "direct";
  };
  /** The browser plays no sound before a click: call startAudio from one. */
  audioblocked: undefined;
}

/** Joins a room. Errors: CallError with a code of docs/protocol.md or of the SDK. */
export declare function connect(options: ConnectOptions): Promise<Call>;

export declare class Call extends TypedTarget<CallEvents> {
  private constructor();
  readonly room: string;
  /** Oneself as others see it; undefined until joined. */
  local?: Participant;
  /** Milliseconds from connect to each stage of the first join, 0 before. */
  readonly timings: {
    joined: number;
    connected: number;
  };
  readonly counters: Counters;
  dataMode: DataMode;
  /** How many bytes may be received; undefined for no bound. */
  dataBudget?: DataBudgetInfo;
  /** Nobody else gets in but moderators. */
  locked: boolean;
  /** One is a moderator. */
  admin: boolean;
  /** What moderators may do, attributes and messages. */
  readonly control: Control;
  get state(): CallState;
  /** The members of the room, oneself not among them. */
  get participants(): ReadonlyMap<string, Participant>;
  /** What one publishes, by source. */
  get tracks(): ReadonlyMap<Source, LocalTrack>;
  /** The slots with their receivers; changes only when the call rejoins. */
  get slots(): ReadonlyMap<number, Slot>;
  /** The connection, for statistics and tests. It is another one after a rejoin. */
  get pc(): RTCPeerConnection | undefined;
  /** The latest statistics. */
  get statistics(): Statistics;
  /** Round trip of the signalling in milliseconds, 0 when unknown. */
  get signallingRoundTrip(): number;
  /**
   * Publishes a track, or opens the source's usual device when none is given.
   * A track already published from this source is replaced.
   */
  publish(source: Source, track?: MediaStreamTrack, options?: {
    muted?: boolean;
  }): Promise<LocalTrack>;
  /** Ends what is published from a source. */
  unpublish(source: Source): Promise<void>;
  /** Silences or blanks what is published from a source, or ends that. */
  mute(source: Source, muted: boolean): Promise<void>;
  /** Changes how much data the call may use, both ways. */
  setDataMode(mode: DataMode): Promise<void>;
  /**
   * Bounds how many bytes are received, for the call or for any hour; {} for no
   * bound. Voice goes on whatever it says.
   */
  setDataBudget(budget: DataBudgetInfo): Promise<void>;
  /** Shows a track in a video element; size and visibility become the view. */
  attach(track: RemoteTrack, element: HTMLVideoElement): void;
  /** Ends attach. */
  detach(element: HTMLVideoElement): void;
  /** Gives tracks precedence over all others. */
  pin(...tracks: RemoteTrack[]): void;
  /** Says by hand what is wanted, instead of what attached elements show; undefined undoes it. */
  view(tracks: TrackViewInfo[] | undefined): void;
  /** Plays the call's sound after the browser refused to; call it from a click. */
  startAudio(): Promise<void>;
  /** Chooses the loudspeaker by device id, where the browser can. */
  setAudioOutput(deviceId: string): Promise<void>;
  /** How media go: by the server, or directly to the other device. */
  get path(): "sfu" | "direct";
  /** The connection to the other device, while there is one; for statistics and tests. */
  get directPC(): RTCPeerConnection | undefined;
  /** Renews ICE, as after a network change. */
  restartICE(): Promise<void>;
  /** Breaks the signalling connection as the network might; for tests. */
  interruptSignalling(): void;
  /** Leaves the room. */
  leave(): Promise<void>;
}

/** A participant, its id, or its identity. */
export type Who = Participant | string;

/**
 * What moderators may do, and what everybody may: set attributes of its own, and
 * send messages. Errors of all: CallError with not_permitted, unknown_participant,
 * unknown_track, rate_limited, too_large or bad_message, and network while the call
 * joins anew.
 */
export declare class Control {
  private constructor();
  /** Takes a participant out; it may not come back for banMs milliseconds, 0 to 30 days, 0 by default. */
  remove(who: Who, banMs?: number): Promise<void>;
  /** Mutes what a participant publishes, or asks it to unmute. It may unmute itself; permit forbids that. */
  mute(who: Who, source: Source, muted: boolean): Promise<void>;
  /** Replaces what a participant may do; what it may not publish any longer ends. */
  permit(who: Who, permissions: Permissions): Promise<void>;
  /** Lets nobody else in but moderators, or everybody again. */
  lock(locked: boolean): Promise<void>;
  /** Ends the room, and the call that it carries, for everybody. */
  end(): Promise<void>;
  /**
   * Sets attributes that everybody sees, one's own or (a moderator) another's: at
   * most 16, of 64 and 256 bytes. "" takes one away; those not named stay.
   */
  attributes(attributes: Record<string, string>, who?: Who): Promise<void>;
  /**
   * Carries up to 1024 bytes to some participants, or to everybody else; ten
   * messages a second. Nothing is kept for who is not there.
   */
  message(data: string | Uint8Array, options?: {
    to?: Who[];
    /** At most 64 bytes. */
    topic?: string;
  }): Promise<void>;
}

/** Made by directPath alone. */
export type MakeDirect = (host: never) => object;

/** Answers what Line.join takes as direct: builds a path where the server and the other device agree. */
export declare function directPath(options?: {
  /** Only relayed candidates, whatever the server allows. */
  relayOnly?: boolean;
}): MakeDirect;

export {};

/** One device of one user. */
export interface DeviceInfo {
  user: string;
  device: string;
}

/** Whom to ring; without devices those that the server knows. */
export interface TargetInfo {
  user: string;
  devices?: string[];
}

/** How a call stands. */
export interface CallStateInfo {
  call: string;
  state: "created" | "ringing" | "active" | "ended";
  creator: DeviceInfo;
  group?: boolean;
  reason?: string;
  number: number;
  users: { user: string; state: string; device?: string; expiresMs?: number }[];
}

/** Something that happened to a call; see docs/protocol.md. */
export interface CallEventInfo {
  type: `call.${string}`;
  call: string;
  number: number;
  at: number;
  from?: DeviceInfo;
  user?: string;
  reason?: string;
  lifetimeMs?: number;
  early?: boolean;
  into?: string;
  /** In base64. */
  payload?: string;
  summary?: { durationMs: number; ringMs: number; group?: boolean; sent: number; received: number; mos?: number; worst?: number };
}

export interface LineOptions {
  /** Where the server listens; by default /v1/ws on the page's own host. */
  url?: string;
  /** A token with rivulet.calls, or a function that fetches a fresh one. */
  token?: string | (() => string | Promise<string>);
  /** Who one is, to a server that needs no tokens. */
  user?: string;
  /** The device's id, the same each time. */
  device: string;
  client?: string;
}

export interface RingOptions {
  /** The call's id; the server chooses if it is missing. */
  call?: string;
  /** Let the rung devices build their media while it rings. */
  early?: boolean;
  /** How long to ring, in milliseconds. */
  lifetimeMs?: number;
  /** Bytes for the other side, in base64. */
  payload?: string;
}

export interface LineEvents {
  /** Something happened to a call that concerns this device. */
  call: CallEventInfo;
  /** The line was dialled again; these are the user's calls. */
  calls: CallStateInfo[];
  /** The line has ended and does not come back. */
  closed: { code: string; message: string };
}

/** Opens a line. Errors: CallError with a code of docs/protocol.md or of the SDK. */
export declare function dial(options: LineOptions): Promise<Line>;

/** A device's connection to the call plane, on which it rings and is rung. */
export declare class Line extends TypedTarget<LineEvents> {
  private constructor();
  readonly user: string;
  readonly device: string;
  /** What the user was in or rung by when the line was last dialled. */
  readonly calls: CallStateInfo[];
  get open(): boolean;
  /** Makes a call and rings users; answers its id. */
  create(targets: TargetInfo[], options?: RingOptions): Promise<string>;
  /** Rings further users; with the third one in it the call is a group. */
  ring(call: string, targets: TargetInfo[], options?: RingOptions): Promise<unknown>;
  ringing(call: string): Promise<unknown>;
  /** Answers. Error code answered_elsewhere when another device was first. */
  accept(call: string, payload?: string): Promise<unknown>;
  decline(call: string): Promise<unknown>;
  busy(call: string): Promise<unknown>;
  cancel(call: string, targets?: TargetInfo[]): Promise<unknown>;
  hold(call: string): Promise<unknown>;
  resume(call: string): Promise<unknown>;
  /** Takes a call over from another device of the user. */
  take(call: string): Promise<unknown>;
  leave(call: string): Promise<unknown>;
  end(call: string): Promise<unknown>;
  /** Joins a call's room over this line; while it rings nothing flows. */
  join(call: string, options?: Omit<ConnectOptions, "room" | "url" | "token" | "identity">): Promise<Call>;
  /** Leaves all calls and closes the line. */
  close(): Promise<void>;
  interrupt(): void;
}
