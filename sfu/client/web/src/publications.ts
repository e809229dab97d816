/**
 * What one publishes, kept in step with the session: devices, encodings and
 * what the server was told. Between two sessions changes are only remembered;
 * the next join tells them.
 */
import { capture } from "./capture";
import { asCallError, CallError } from "./errors";
import { LocalTrack } from "./local";
import { isMuted } from "./media";
import type { Command, DataMode, EncodeInfo, ReplyOf, ServerEvent, Source, TrackInfo } from "./protocol";
import { isPicture } from "./protocol";
import type { Session } from "./session";

/** What was told to the server in a join. */
export type Told = Map<Source, { local: LocalTrack; muted: boolean }>;

export class Publications {
  readonly tracks = new Map<Source, LocalTrack>();
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly session: () => Session | undefined,
    private readonly mode: () => DataMode,
    private readonly changed: (source: Source, track?: LocalTrack) => void,
  ) {}

  /** Remembers a track without telling anybody, as before a join. */
  adopt(local: LocalTrack): void {
    this.tracks.set(local.source, local);
    local.track.addEventListener("ended", () => {
      if (this.tracks.get(local.source) === local) this.unpublish(local.source).catch(() => undefined);
    });
  }

  async publish(source: Source, track: MediaStreamTrack | undefined, muted: boolean): Promise<LocalTrack> {
    const local = new LocalTrack(source, track ?? (await capture(source)), muted, !track);
    const before = this.tracks.get(source);
    if (before && before.track !== local.track) before.release();
    this.adopt(local);
    try {
      await this.announce(local);
    } catch (error) {
      if (this.tracks.get(source) === local) await this.unpublish(source);
      throw error;
    }
    this.changed(source, local);
    return local;
  }

  async unpublish(source: Source): Promise<void> {
    const local = this.tracks.get(source);
    if (!local) return;
    this.tracks.delete(source);
    local.release();
    this.changed(source);
    await this.withdraw(source);
  }

  async mute(source: Source, muted: boolean): Promise<void> {
    const local = this.tracks.get(source);
    if (!local) return;
    local.muted = muted;
    await this.applyMute(local);
    this.changed(source, local);
  }

  /**
   * The data mode changed: pictures are sent smaller or not at all. The tracks
   * stay as announced, since the server sees which layers still come.
   */
  async modeChanged(): Promise<void> {
    for (const local of this.tracks.values()) {
      if (isPicture(local.source)) await this.applyMute(local);
    }
  }

  /** The server asks for other encodings of a source. */
  async order(order: EncodeInfo): Promise<void> {
    await this.enqueue(async (session) => {
      session.media.order(order);
      const local = this.tracks.get(order.source);
      if (local) await session.media.encode(order.source, local, this.mode());
    });
  }

  /** Sends nothing by the session's connection, or again; the server is not told. */
  async pause(paused: boolean): Promise<void> {
    await this.enqueue(async (session) => {
      session.media.paused = paused;
      for (const local of this.tracks.values()) await session.media.encode(local.source, local, this.mode());
    });
  }

  /** What a join that begins now tells. */
  snapshot(): Told {
    return new Map([...this.tracks].map(([source, local]) => [source, { local, muted: local.muted }]));
  }

  /** A join told this and got these ids; what changed meanwhile is told now. */
  reconcile(told: Told, ids: TrackInfo[]): void {
    for (const info of ids) {
      const local = this.tracks.get(info.source);
      if (local) local.id = info.id;
    }
    for (const [source, { local, muted }] of told) {
      const now = this.tracks.get(source);
      if (!now) this.withdraw(source).catch(() => undefined);
      else if (now === local && now.muted !== muted) this.applyMute(now).catch(() => undefined);
    }
    for (const [source, local] of this.tracks) {
      if (told.get(source)?.local !== local) this.announce(local).catch(() => undefined);
    }
  }

  /** Obeys what a moderator does to something of one's own; answers what the person should hear of it. */
  obey(event: ServerEvent): { source: Source; muted: boolean } | undefined {
    if (event.type !== "track_muted" && event.type !== "track_unpublished") return undefined;
    for (const [source, { id, muted }] of this.tracks) {
      if (id !== event.track) continue;
      if (event.type === "track_unpublished") return void this.unpublish(source).catch(() => undefined);
      // What is muted stays so: the server is told again, and the person asked.
      void this.mute(source, muted || event.muted).catch(() => undefined);
      return { source, muted: event.muted };
    }
    return undefined;
  }

  /** Frees all devices that the SDK opened. */
  close(): void {
    for (const local of this.tracks.values()) local.release();
  }

  /** Sends a command; between two sessions it is dropped, since a join tells everything. */
  async command<C extends Command>(command: C): Promise<ReplyOf<C["type"]> | undefined> {
    const session = this.session();
    if (!session) return undefined;
    try {
      return await session.signalling.request(command);
    } catch (error) {
      if (error instanceof CallError && error.code === "session_ended") return undefined;
      throw error;
    }
  }

  private async announce(local: LocalTrack): Promise<void> {
    const { source } = local;
    const info = await this.enqueue(async (session) =>
      this.tracks.get(source) === local ? session.media.send(source, local, this.mode()) : undefined,
    );
    if (!info) return;
    const reply = await this.command({ type: "publish", ...info } as const);
    if (reply) local.id = reply.track.id;
  }

  private async withdraw(source: Source): Promise<void> {
    await this.enqueue((session) => (this.tracks.has(source) ? Promise.resolve() : session.media.stop(source)));
    if (this.tracks.has(source)) return; // Published again meanwhile: the new publish replaces.
    await this.command({ type: "unpublish", source }).catch(() => undefined); // What the server does not know has ended too.
  }

  private async applyMute(local: LocalTrack): Promise<void> {
    const muted = isMuted(local.source, local, this.mode());
    local.track.enabled = !muted;
    await this.enqueue((session) => session.media.encode(local.source, local, this.mode()));
    await this.command({ type: "mute", source: local.source, muted });
  }

  /** Media changes happen one after the other; a closed connection ends them quietly. */
  private enqueue<T>(act: (session: Session) => Promise<T>): Promise<T | undefined> {
    const run = async () => {
      const session = this.session();
      if (!session) return undefined;
      try {
        return await act(session);
      } catch (error) {
        if (this.session() !== session) return undefined;
        throw asCallError(error);
      }
    };
    const result = this.queue.then(run, run);
    this.queue = result.catch(() => undefined);
    return result;
  }
}
