/**
 * A call: joins a room, stays in it whatever the network does, and tells what
 * happens there. All else in this folder is a part of it.
 */
import { AudioOutput } from "./audio";
import { Backoff, pause } from "./backoff";
import { Control } from "./control";
import type { DirectHost, DirectPath } from "./direct";
import { Elements } from "./elements";
import { asCallError, CallError, mayRetry } from "./errors";
import { type CallEvents, type CallState, TypedTarget } from "./events";
import { LocalTrack } from "./local";
import type { Slot } from "./media";
import type { ConnectOptions } from "./options";
import { type Participant, type RemoteTrack, Roster } from "./participants";
import type { Assignment, Command, DataBudgetInfo, DataMode, JoinedReply, ServerEvent, Source, TrackViewInfo } from "./protocol";
import { Publications } from "./publications";
import { type Effects, enter, reduce } from "./reduce";
import { type Counters, Session } from "./session";
import { Meter, type Statistics } from "./statistics";

/** Joins a room. Errors: CallError with a code of docs/protocol.md or of the SDK. */
export async function connect(options: ConnectOptions): Promise<Call> {
  const call = new Call(options);
  await call.start();
  return call;
}

export class Call extends TypedTarget<CallEvents> {
  readonly room: string;
  /** Milliseconds from connect to each stage of the first join, 0 before. */
  readonly timings = { joined: 0, connected: 0 };
  readonly counters: Counters = {
    sdp: 0,
    messagesSent: 0,
    messagesReceived: 0,
    messagesCompact: 0,
    resumes: 0,
    iceRestarts: 0,
    rejoins: 0,
  };
  dataMode: DataMode;
  /** How many bytes may be received; undefined for no bound. */
  dataBudget?: DataBudgetInfo;
  /** What moderators may do, attributes and messages. */
  readonly control = new Control((command) => {
    if (!this.session) throw new CallError("network", "the call is not connected at present; try again when it is");
    return this.session.signalling.request(command);
  });

  private readonly direct?: DirectPath;
  private session?: Session;
  private current: CallState = "connecting";
  private readonly roster = new Roster();
  private readonly publications: Publications;
  private readonly elements: Elements;
  private readonly audio: AudioOutput;
  private readonly meter = new Meter();
  private readonly effects: Effects = {
    emit: (type, detail) => this.emit(type, detail as CallEvents[typeof type]),
    touched: (track) => this.elements.refresh(track),
    removed: (track) => this.elements.forget(track),
    acknowledge: (slot, source) => void this.session?.media.negotiating.then(() => this.tell({ type: "ack", slot, source })),
  };
  private readonly abort = new AbortController();
  private readonly started = performance.now();
  private timer?: ReturnType<typeof setInterval>;
  private readonly onOnline = () => this.session?.networkChanged();
  private readonly onHide = () => void this.leave();

  /** @internal Use connect. */
  constructor(private readonly options: ConnectOptions) {
    super();
    this.room = options.room;
    this.dataMode = options.dataMode ?? "auto";
    this.dataBudget = options.dataBudget;
    this.audio = new AudioOutput(() => this.emit("audioblocked", undefined));
    this.elements = new Elements(
      ({ source, slot, participant }) =>
        this.direct?.slot(source, participant.identity) ?? (slot === undefined ? undefined : this.session?.media.slots.get(slot)),
      (slot) => this.roster.assignments.get(slot)?.source,
      (tracks) => void this.tell({ type: "view", tracks }),
      options.pauseWhenHidden ?? true,
    );
    this.publications = new Publications(
      () => this.session,
      () => this.dataMode,
      (source, track) => {
        this.direct?.changed();
        this.emit("localchanged", { source, track });
      },
    );
    if (!options.encryption) this.direct = options.direct?.(this.directHost());
    for (const [source, given] of Object.entries(options.publish ?? {})) {
      if (!given) continue;
      const { track, muted } = given instanceof MediaStreamTrack ? { track: given, muted: false } : given;
      this.publications.adopt(new LocalTrack(source as Source, track, muted ?? false, false));
    }
    options.signal?.addEventListener("abort", () => {
      if (this.timings.joined === 0) this.finish("aborted", "joining was cancelled");
    });
  }

  get state(): CallState {
    return this.current;
  }
  /** Oneself as others see it; undefined until joined. */
  get local(): Participant | undefined {
    return this.roster.local;
  }
  /** Nobody else gets in but moderators. */
  get locked(): boolean {
    return this.roster.locked;
  }
  /** One is a moderator. */
  get admin(): boolean {
    return this.roster.admin;
  }
  /** The members of the room, oneself not among them. */
  get participants(): ReadonlyMap<string, Participant> {
    return this.roster.participants;
  }
  /** What one publishes, by source. */
  get tracks(): ReadonlyMap<Source, LocalTrack> {
    return this.publications.tracks;
  }
  /** The slots with their receivers; changes only when the call rejoins. */
  get slots(): ReadonlyMap<number, Slot> {
    return this.session?.media.slots ?? new Map();
  }
  /** The connection, for statistics and tests. It is another one after a rejoin. */
  get pc(): RTCPeerConnection | undefined {
    return this.session?.media.pc;
  }
  /** The latest statistics. */
  get statistics(): Statistics {
    return this.meter.latest;
  }
  /** Round trip of the signalling in milliseconds, 0 when unknown. */
  get signallingRoundTrip(): number {
    return this.session?.signalling.roundTrip ?? 0;
  }

  /** @internal */
  async start(): Promise<void> {
    try {
      if (this.options.signal?.aborted) throw new CallError("aborted", "joining was cancelled");
      await this.join();
    } catch (error) {
      const refusal = asCallError(error);
      this.finish(refusal.code, refusal.message);
      throw refusal;
    }
    this.timings.joined = performance.now() - this.started;
    const interval = this.options.statisticsInterval ?? 1000;
    if (interval > 0) this.timer = setInterval(() => void this.measure(), interval);
    globalThis.addEventListener("online", this.onOnline);
    globalThis.addEventListener("pagehide", this.onHide);
  }

  /**
   * Publishes a track, or opens the source's usual device when none is given.
   * A track already published from this source is replaced.
   */
  async publish(source: Source, track?: MediaStreamTrack, options: { muted?: boolean } = {}): Promise<LocalTrack> {
    if (this.current === "closed") throw new CallError("closed", "the call has ended");
    return this.publications.publish(source, track, options.muted ?? false);
  }

  /** Ends what is published from a source. */
  unpublish(source: Source): Promise<void> {
    return this.publications.unpublish(source);
  }

  /** Silences or blanks what is published from a source, or ends that. */
  mute(source: Source, muted: boolean): Promise<void> {
    return this.publications.mute(source, muted);
  }

  /** Changes how much data the call may use, both ways. */
  async setDataMode(mode: DataMode): Promise<void> {
    if (mode === this.dataMode) return;
    this.dataMode = mode;
    this.tell({ type: "data_mode", mode });
    this.direct?.changed();
    await this.publications.modeChanged();
  }

  /**
   * Bounds how many bytes are received, for the call or for any hour; {} for no
   * bound. Voice goes on whatever it says.
   */
  async setDataBudget(budget: DataBudgetInfo): Promise<void> {
    this.dataBudget = budget;
    await this.publications.command({ type: "data_mode", mode: this.dataMode, budget });
  }

  /** Shows a track in a video element; size and visibility become the view. */
  attach(track: RemoteTrack, element: HTMLVideoElement): void {
    this.elements.attach(track, element);
  }

  /** Ends attach. */
  detach(element: HTMLVideoElement): void {
    this.elements.detach(element);
  }

  /** Gives tracks precedence over all others. */
  pin(...tracks: RemoteTrack[]): void {
    this.elements.pin(tracks.map((track) => track.id));
  }

  /** Says by hand what is wanted, instead of what attached elements show; undefined undoes it. */
  view(tracks: TrackViewInfo[] | undefined): void {
    this.elements.setView(tracks);
  }

  /** Plays the call's sound after the browser refused to; call it from a click. */
  startAudio(): Promise<void> {
    return this.audio.start();
  }

  /** Chooses the loudspeaker by device id, where the browser can. */
  setAudioOutput(deviceId: string): Promise<void> {
    return this.audio.use(deviceId);
  }

  /** How media go: by the server, or directly to the other device. */
  get path(): "sfu" | "direct" {
    return this.direct?.playing ? "direct" : "sfu";
  }
  /** The connection to the other device, while there is one; for statistics and tests. */
  get directPC(): RTCPeerConnection | undefined {
    return this.direct?.pc;
  }

  /** Renews ICE, as after a network change. */
  async restartICE(): Promise<void> {
    await this.session?.restart();
  }

  /** Breaks the signalling connection as the network might; for tests. */
  interruptSignalling(): void {
    this.session?.signalling.interrupt();
  }

  /** Leaves the room. */
  async leave(): Promise<void> {
    if (this.current === "closed") return;
    this.direct?.leave();
    const session = this.session;
    this.session = undefined;
    const left = session?.leave();
    this.finish("left", "the call was left");
    await left;
  }

  private async join(): Promise<void> {
    const session: Session = new Session(this.options, this.counters, {
      event: (event) => this.session === session && this.receive(event),
      changed: () => this.session === session && this.update(),
      gone: (error) => this.session === session && void this.rejoin(error),
    });
    const stop = () => session.close();
    this.abort.signal.addEventListener("abort", stop);
    const told = this.publications.snapshot();
    const mode = this.dataMode;
    let reply: JoinedReply;
    try {
      reply = await session.join(this.publications.tracks, mode, this.meter.left(this.dataBudget));
    } finally {
      this.abort.signal.removeEventListener("abort", stop);
    }
    if (this.ended) {
      void session.leave();
      throw new CallError("aborted", "the call was left");
    }
    this.session = session;
    this.enter(reply);
    session.signalling.begin();
    this.publications.reconcile(told, reply.tracks ?? []);
    if (mode !== this.dataMode) this.tell({ type: "data_mode", mode: this.dataMode });
    this.update();
  }

  /** Takes in the snapshot of the room that a join brings. */
  private enter(reply: JoinedReply): void {
    const attributes = this.local?.attributes ?? {};
    enter(this.roster, reply, this.options.name, this.effects);
    // The server knows nothing of an earlier stay.
    if (Object.keys(attributes).length > 0) this.control.attributes(attributes).catch(() => undefined);
    if (this.options.playAudio ?? true) this.audio.play(this.slots.values());
    this.receive({ type: "slots", slots: reply.assignments ?? [] });
    this.elements.resend();
  }

  private directHost(): DirectHost {
    return {
      call: this.room,
      line: this.options.line,
      mode: () => this.dataMode,
      tracks: this.publications.tracks,
      participants: this.participants,
      request: (command) => this.publications.command(command),
      serverPC: () => this.pc,
      pauseServer: (paused) => this.publications.pause(paused),
      streams: (streams) => this.audio.beside(streams),
      play: (direct) => {
        this.audio.hear(direct);
        this.elements.refreshAll();
        this.emit("path", { path: direct ? "direct" : "sfu" });
      },
    };
  }

  private async rejoin(cause: CallError): Promise<void> {
    const session = this.session;
    this.session = undefined;
    if (!session || this.ended) return;
    this.direct?.reset();
    void session.leave();
    this.meter.carry();
    this.emit("statistics", this.meter.latest);
    this.update();
    const backoff = new Backoff();
    let error = cause;
    for (;;) {
      await pause(backoff.next(), this.abort.signal);
      if (this.ended) return;
      this.counters.rejoins++;
      try {
        await this.join();
        return;
      } catch (failure) {
        error = asCallError(failure);
        if (this.ended) return;
        const fresh = error.code === "token_expired" && typeof this.options.token === "function";
        if (!mayRetry(error) && !fresh) break;
      }
    }
    this.finish(error.code, error.message);
  }

  private receive(event: ServerEvent): void {
    if (event.type === "closed") {
      if (event.rejoin) void this.rejoin(new CallError(event.code, event.message));
      else this.finish(event.code, event.message);
      return;
    }
    if (event.type === "direct") {
      if (event.call === this.room) this.direct?.receive(event);
      return;
    }
    if (event.type === "encode") {
      this.publications.order(event).catch(() => undefined); // A track that ends meanwhile.
      return;
    }
    if (event.type === "slots" && !this.options.encryption) this.silence(event.slots ?? []);
    if ("participant" in event && event.participant === this.local?.id) {
      const moderated = this.publications.obey(event);
      if (moderated) this.emit("moderated", moderated);
    }
    reduce(this.roster, event, this.effects);
  }

  /** Plays nothing of what would have to be decrypted: it sounds like noise. */
  private silence(changes: Assignment[]): void {
    for (const { slot, track } of changes) {
      const receiver = this.slots.get(slot)?.transceiver.receiver;
      if (receiver) receiver.track.enabled = !this.roster.track(track)?.encrypted;
    }
  }

  /** Sends a command whose refusal nobody can act upon. */
  private tell(command: Command): void {
    this.publications.command(command).catch(() => undefined);
  }

  private async measure(): Promise<void> {
    const { session } = this;
    if (!session) return;
    const statistics = await this.meter.read(session.media.pc, session.media.slots, this.roster, this.directPC).catch(() => undefined);
    if (statistics && this.session === session) this.emit("statistics", statistics);
  }

  private get ended(): boolean {
    return this.current === "closed";
  }

  private update(): void {
    if (this.current === "closed") return;
    if (this.session?.healthy) {
      void this.direct?.ready();
      if (this.timings.connected === 0) this.timings.connected = performance.now() - this.started;
      this.become("connected");
    } else {
      this.become(this.timings.connected > 0 ? "reconnecting" : "connecting");
    }
  }

  private become(state: CallState): void {
    const before = this.current;
    if (before === state) return;
    this.current = state;
    this.emit("state", { state, before });
  }

  private finish(code: string, message: string): void {
    if (this.current === "closed") return;
    this.become("closed");
    this.abort.abort();
    clearInterval(this.timer);
    globalThis.removeEventListener("online", this.onOnline);
    globalThis.removeEventListener("pagehide", this.onHide);
    this.direct?.end();
    this.session?.close();
    this.session = undefined;
    this.elements.close();
    this.audio.stop();
    this.publications.close();
    this.emit("closed", { code, message });
  }
}
