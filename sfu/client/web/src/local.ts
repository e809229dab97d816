/**
 * What this client publishes.
 */
import type { Source } from "./protocol";

/** A track of one's own. */
export class LocalTrack {
  /** The server's id, once it is published. */
  id?: string;
  muted: boolean;

  constructor(
    readonly source: Source,
    readonly track: MediaStreamTrack,
    muted: boolean,
    /** The SDK opened the device and stops it. */
    readonly owned: boolean,
  ) {
    this.muted = muted;
    track.enabled = !muted;
  }

  /** Frees the device if the SDK opened it. */
  release(): void {
    if (this.owned) this.track.stop();
  }
}
