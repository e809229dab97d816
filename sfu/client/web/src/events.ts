/**
 * A typed EventTarget, and the events of a call with the type of their detail.
 */
import type { LocalTrack } from "./local";
import type { Source } from "./protocol";
import type { RosterEvents } from "./reduce";
import type { Statistics } from "./statistics";

/** The listener of one event type of a map. */
export type Listener<D> = (event: CustomEvent<D>) => void;

export class TypedTarget<M> extends EventTarget {
  /**
   * Listens to an event and answers a function that ends it.
   */
  on<K extends keyof M & string>(type: K, listener: Listener<M[K]>): () => void {
    this.addEventListener(type, listener as EventListener);
    return () => this.removeEventListener(type, listener as EventListener);
  }

  /** Dispatches an event with its detail. */
  protected emit<K extends keyof M & string>(type: K, detail: M[K]): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** connecting until media flows the first time; closed is final. */
export type CallState = "connecting" | "connected" | "reconnecting" | "closed";

export interface CallEvents extends RosterEvents {
  state: { state: CallState; before: CallState };
  closed: { code: string; message: string };
  /** Something of one's own was published, muted or ended. */
  localchanged: { source: Source; track?: LocalTrack };
  /** A moderator has muted something of one's own, or asks to unmute it, which is left to the person. */
  moderated: { source: Source; muted: boolean };
  statistics: Statistics;
  /** What is heard and seen comes directly from the other device now, or by the server. */
  path: { path: "sfu" | "direct" };
  /** The browser plays no sound before a click: call startAudio from one. */
  audioblocked: undefined;
}
