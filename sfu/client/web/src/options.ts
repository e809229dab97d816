/**
 * What may be told to connect, and what is assumed otherwise.
 */
import type { MakeDirect } from "./direct";
import type { Encryption, RTCOptions } from "./media";
import type { Line } from "./ring";
import type { DataBudgetInfo, DataMode, Source } from "./protocol";

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
  publish?: Partial<Record<Source, MediaStreamTrack | { track: MediaStreamTrack; muted?: boolean }>>;
  dataMode?: DataMode;
  /** How many bytes may be received, in all or in any hour; no bound by default. */
  dataBudget?: DataBudgetInfo;
  /** How many streams can be received at once; 3 and 9 (4 on a phone) by default. */
  slots?: { audio?: number; video?: number };
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
  /** @internal Joins over a line; see Line.join. */
  line?: Line;
  /** Aborts joining. */
  signal?: AbortSignal;
}

/** The signalling address on the page's own host. */
export function defaultURL(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/ws`;
}

/** A phone: a coarse pointer and a small screen. */
export function isPhone(): boolean {
  return matchMedia("(pointer: coarse)").matches && Math.min(screen.width, screen.height) < 600;
}
