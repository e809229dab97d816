/**
 * The wire format of the signalling, version 1: the same names as the Go
 * package sfu/signal, which is the source of truth. docs/protocol.md explains
 * every message and field.
 */

export const PROTOCOL_VERSION = 1;

/** What a track shows; a participant publishes at most one of each. */
export type Source = "microphone" | "camera" | "screen" | "screen_audio";

/** Sources in the order of the media sections in the offer. */
export const SOURCES: readonly Source[] = ["microphone", "camera", "screen", "screen_audio"];

/** Says whether a source is a picture. */
export function isPicture(source: Source): boolean {
  return source === "camera" || source === "screen";
}

/** How much data the participant wants to spend. */
export type DataMode = "auto" | "low" | "voice";

/** How well a connection does, from best to worst. */
export type Quality = "excellent" | "good" | "poor" | "lost";

/** One simulcast layer. Sizes in pixels, maxRate in bits per second. */
export interface LayerInfo {
  rid: string;
  width: number;
  height: number;
  maxRate?: number;
}

export interface TrackInfo {
  id: string;
  source: Source;
  muted?: boolean;
  encrypted?: boolean;
  width?: number;
  height?: number;
  layers?: LayerInfo[];
}

export interface ParticipantInfo {
  id: string;
  identity: string;
  name?: string;
  tracks?: TrackInfo[] | null;
  attributes?: Record<string, string> | null;
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

export interface ICEServerInfo {
  urls: string[];
  username?: string;
  credential?: string;
}

export interface SlotInfo {
  slot: number;
  mid: string;
  video?: boolean;
}

export interface Assignment {
  slot: number;
  track?: string;
  participant?: string;
  source?: number;
  /** Everybody else's voices in one stream. */
  mixed?: boolean;
}

export interface SlotStateInfo {
  slot: number;
  paused?: boolean;
  width?: number;
  height?: number;
  reason: string;
}

export interface PublishInfo {
  source: Source;
  muted?: boolean;
  encrypted?: boolean;
  width?: number;
  height?: number;
  layers?: LayerInfo[];
}

export interface TrackViewInfo {
  track: string;
  width?: number;
  height?: number;
  priority?: number;
}

/** How one layer is to be sent; what is missing is not limited. */
export interface EncodeLayerInfo {
  rid: string;
  active: boolean;
  maxRate?: number; // bits per second
  maxFrameRate?: number;
  scale?: number;
  /** Layers inside a scalable stream, from the smallest up; missing for all. */
  spatials?: number;
}

/** How a source is to be encoded from now on. */
export interface EncodeInfo {
  source: Source;
  layers?: EncodeLayerInfo[] | null;
  audio?: EncodeAudioInfo | null;
}

/** How sound is to be encoded from now on. */
export interface EncodeAudioInfo {
  maxRate: number; // bits per second of payload
  packetTime: number; // milliseconds
  dtx: boolean;
  fec: boolean;
  /** Earlier packets that each packet repeats. */
  red: number;
}

/** Bytes that may be received; 0 or missing for no bound. */
export interface DataBudgetInfo {
  call?: number;
  hour?: number;
}

/** Commands: what a client sends. `id` is added by the signalling. */
export interface JoinCommand {
  type: "join";
  version: number;
  room: string;
  token?: string;
  name?: string;
  identity?: string;
  offer?: string;
  send?: { mid: string; source: Source }[];
  publish?: PublishInfo[];
  dataMode?: DataMode;
  dataBudget?: DataBudgetInfo;
  /** This client obeys the event encode. */
  encodes?: boolean;
  listensLate?: boolean;
  client?: string;
}
export interface ResumeCommand {
  type: "resume";
  version: number;
  token: string;
  after: number;
}
export interface ConnectCommand {
  type: "connect";
  version: number;
  token?: string;
  user?: string;
  device: string;
  client?: string;
}

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

/** A command of the call plane. */
export interface CallCommand {
  type:
    | "call.ring" | "call.ringing" | "call.accept" | "call.decline" | "call.busy" | "call.cancel"
    | "call.hold" | "call.resume" | "call.take" | "call.leave" | "call.end";
  call: string;
  targets?: TargetInfo[];
  lifetimeMs?: number;
  early?: boolean;
  reason?: string;
  payload?: string;
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
  payload?: string;
  summary?: { durationMs: number; ringMs: number; group?: boolean; sent: number; received: number; mos?: number; worst?: number };
}

/** A command of a moderator, or one that everybody may give; see docs/protocol.md. */
export interface RoomCommand {
  type: "room.remove" | "room.mute" | "room.permit" | "room.lock" | "room.end" | "room.attributes" | "room.message";
  /** An id or an identity. */
  participant?: string;
  banMs?: number;
  source?: Source;
  muted?: boolean;
  permissions?: Permissions;
  locked?: boolean;
  attributes?: Record<string, string>;
  to?: string[];
  topic?: string;
  payload?: string;
}

export type Command =
  | JoinCommand
  | ConnectCommand
  | CallCommand
  | RoomCommand
  | { type: "call.create"; call?: string; targets?: TargetInfo[]; lifetimeMs?: number; early?: boolean; payload?: string }
  | ResumeCommand
  | ({ type: "publish" } & PublishInfo)
  | { type: "unpublish"; source: Source }
  | { type: "mute"; source: Source; muted: boolean }
  | { type: "view"; tracks: TrackViewInfo[] }
  | { type: "restart"; offer: string }
  | { type: "candidate"; candidate: string; mid?: string }
  | { type: "data_mode"; mode: DataMode; budget?: DataBudgetInfo }
  | { type: "ack"; slot: number; source: number }
  | { type: "ping" }
  | DirectCommand
  | { type: "leave"; all?: true; room?: string };

/** Replies: each carries the command's id in `re`. */
export interface JoinedReply {
  type: "joined";
  participant: string;
  identity: string;
  room: string;
  resume: string;
  resumeSeconds: number;
  answer?: string;
  iceServers?: ICEServerInfo[];
  slots?: SlotInfo[];
  participants: ParticipantInfo[] | null;
  assignments?: Assignment[];
  tracks?: TrackInfo[];
  sequence: number;
  pingSeconds: number;
  locked?: boolean;
  /** One is a moderator. */
  admin?: boolean;
}
export interface ResumedReply {
  type: "resumed";
  participant: string;
  sequence: number;
  iceServers?: ICEServerInfo[];
}
export interface RestartedReply {
  type: "restarted";
  answer: string;
  iceServers?: ICEServerInfo[];
}
export interface ConnectedReply {
  type: "connected";
  user?: string;
  device?: string;
  resume?: string;
  resumeSeconds?: number;
  calls?: CallStateInfo[];
  sequence: number;
  pingSeconds: number;
}

export type Reply =
  | JoinedReply
  | ConnectedReply
  | { type: "call.created"; call: string }
  | ResumedReply
  | RestartedReply
  | { type: "published"; track: TrackInfo }
  | { type: "pong" }
  | { type: "done" };

/** The reply that answers a command type. */
export type ReplyOf<T extends Command["type"]> = T extends "join"
  ? JoinedReply
  : T extends "connect"
  ? ConnectedReply
  : T extends "call.create"
  ? Extract<Reply, { type: "call.created" }>
  : T extends "resume"
    ? ResumedReply
    : T extends "restart"
      ? RestartedReply
      : T extends "publish"
        ? Extract<Reply, { type: "published" }>
        : T extends "ping"
          ? Extract<Reply, { type: "pong" }>
          : Extract<Reply, { type: "done" }>;

export interface ErrorReply {
  type: "error";
  re?: string;
  code: string;
  message: string;
}

/** What a device says of a direct path; see docs/protocol.md. */
export interface DirectCommand {
  type: "direct";
  call: string;
  step: string;
  epoch: number;
  payload?: string;
}

/** A step on the way to a direct path and back; see docs/protocol.md. */
export interface DirectEvent {
  type: "direct";
  call: string;
  step: "start" | "offer" | "answer" | "candidate" | "direct" | "return" | "back" | "sfu";
  epoch: number;
  from?: DeviceInfo;
  offers?: boolean;
  relay?: boolean;
  iceServers?: ICEServerInfo[];
  reason?: string;
  payload?: string;
}

/** In which shape the voices of others come, where the path does not carry them all; reason is of single. */
export interface VoicesInfo {
  kind: "separate" | "thinned" | "mixed" | "single";
  reason?: "encrypted" | "no_codec";
}

/** Events: numbered by `seq`, 1 upwards without gaps within a session. */
export type ServerEvent =
  | { type: "participant_joined"; participant: ParticipantInfo }
  | { type: "participant_left"; participant: string; reason: string }
  | { type: "track_published"; participant: string; track: TrackInfo }
  | { type: "track_unpublished"; participant: string; track: string }
  | { type: "track_muted"; participant: string; track: string; muted: boolean }
  | { type: "slots"; slots: Assignment[] | null }
  | { type: "slot_states"; states: SlotStateInfo[] | null }
  | { type: "speakers"; speakers: { participant: string; level: number }[] | null }
  | { type: "quality"; participants: { participant: string; quality: Quality }[] | null }
  | ({ type: "voices" } & VoicesInfo)
  | ({ type: "encode" } & EncodeInfo)
  | { type: "participant_updated"; participant: string; attributes?: Record<string, string> | null; permissions?: Permissions }
  | { type: "room_locked"; locked: boolean }
  | { type: "message"; from?: string; topic?: string; payload?: string }
  | DirectEvent
  | { type: "left"; room: string; code: string; message: string; rejoin: boolean }
  | { type: "closed"; code: string; message: string; rejoin: boolean };
