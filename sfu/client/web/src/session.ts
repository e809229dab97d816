/**
 * One stay in a room: a signalling session and its media connection, from
 * join until one of them cannot be kept. Mends what can be mended (resume,
 * ICE restart) and otherwise says that it is gone, whereupon the call joins
 * anew with a new Session.
 */
import { asCallError, CallError } from "./errors";
import { Media, type Sending } from "./media";
import { type ConnectOptions, defaultURL, isPhone } from "./options";
import type { DataBudgetInfo, DataMode, JoinCommand, JoinedReply, ServerEvent, Source } from "./protocol";
import { isPicture, PROTOCOL_VERSION } from "./protocol";
import { type Channel, Signalling, type SignallingHandlers } from "./signalling";

export const VERSION = "0.1.0";

/** A disconnected path often comes back by itself; so long it may try. */
const DISCONNECTED_PATIENCE = 2_000; // milliseconds
/** So long an ICE restart may take, more than a dozen round trips on a thin link. */
const RESTART_PATIENCE = 10_000; // milliseconds
/** After so many restarts in vain the session is given up. */
const RESTART_ATTEMPTS = 3;

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

export interface SessionHandlers {
  event(event: ServerEvent): void;
  /** Signalling or media went up or down. */
  changed(): void;
  /** The session cannot be kept. */
  gone(error: CallError): void;
}

export class Session {
  readonly signalling: Channel;
  readonly media: Media;
  joined?: JoinedReply;

  private ended = false;
  private restarting = false;
  private restartWanted = false;
  private attempts = 0;
  private timer?: ReturnType<typeof setTimeout>;

  /** Error code no_webrtc. */
  constructor(
    private readonly options: ConnectOptions,
    private readonly counters: Counters,
    private readonly handlers: SessionHandlers,
  ) {
    const { rtc = {}, slots = {}, encryption, line, url = defaultURL() } = options;
    this.media = new Media(rtc, slots.audio ?? 3, slots.video ?? (isPhone() ? 4 : 9), () => counters.sdp++, encryption);
    const told: SignallingHandlers = {
      event: (event) => {
        if (brings(event)) this.media.expectPictures();
        handlers.event(event);
      },
      lost: () => handlers.changed(),
      resumed: () => {
        counters.resumes++;
        handlers.changed();
        if (this.restartWanted || !this.media.connected) void this.restart();
      },
      gone: (error) => this.fail(error),
      message: (direction, compact) => {
        if (direction === "sent") counters.messagesSent++;
        else counters.messagesReceived++;
        if (compact) counters.messagesCompact++;
      },
    };
    this.signalling = line ? line.share(told) : new Signalling(url, told);
  }

  /** Says whether commands and packets both flow. */
  get healthy(): boolean {
    return this.signalling.open && this.media.connected;
  }

  /**
   * Joins: the request that opens the socket carries the join where it can, so
   * that one round trip does both.
   * Errors: a refusal's code, network, media.
   */
  async join(sending: ReadonlyMap<Source, Sending>, mode: DataMode, dataBudget?: DataBudgetInfo): Promise<JoinedReply> {
    const { room, name, identity, client = `web/${VERSION}`, token } = this.options;
    try {
      const publish = [];
      for (const [source, one] of sending) publish.push(await this.media.send(source, one, mode));
      const { sdp, send } = await this.media.offer();
      const secret = typeof token === "function" ? await token() : token;
      const join: JoinCommand = {
        type: "join",
        version: PROTOCOL_VERSION,
        room,
        name,
        identity,
        client,
        encodes: true,
        dataBudget,
        ...(secret ? { token: secret } : {}),
        offer: sdp,
        send,
        publish,
        dataMode: mode,
        listensLate: true,
      };
      await this.signalling.connect(join);
      const reply = await this.signalling.join(join);
      if (!reply.answer) throw new CallError("media", "the server answered without media");
      this.joined = reply;
      if (reply.participants?.some(({ tracks }) => tracks?.some(({ source }) => isPicture(source)))) this.media.expectPictures();
      const pc = this.media.pc;
      pc.oniceconnectionstatechange = pc.onconnectionstatechange = () => this.pathChanged();
      await this.media.accept(reply.answer, reply.iceServers ?? [], reply.slots ?? []);
      if (this.ended) throw new CallError("network", "the connection broke while joining");
      return reply;
    } catch (error) {
      this.close();
      throw asCallError(error);
    }
  }

  /** The network may have changed: finds a new path unless the old one works. */
  networkChanged(): void {
    if (!this.ended && this.joined && !this.media.connected) void this.restart();
  }

  /** Renews ICE now. */
  async restart(): Promise<void> {
    if (this.restarting || this.ended) return;
    this.restartWanted = !this.signalling.open;
    if (this.restartWanted) return; // The resume comes back here.
    clearTimeout(this.timer);
    this.restarting = true;
    this.counters.iceRestarts++;
    try {
      const { sdp } = await this.media.offer(true);
      const reply = await this.signalling.request({ type: "restart", offer: sdp });
      if (this.ended) return;
      await this.media.accept(reply.answer, reply.iceServers);
    } catch (error) {
      this.fail(asCallError(error));
      return;
    } finally {
      this.restarting = false;
    }
    this.timer = setTimeout(() => this.restartEnded(), RESTART_PATIENCE);
  }

  /** Leaves the room and closes. */
  async leave(): Promise<void> {
    const left = this.signalling.leave();
    this.closeMedia();
    await left;
  }

  /** Closes without a word to the server. */
  close(): void {
    this.signalling.end();
    this.closeMedia();
  }

  private closeMedia(): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.media.pc.oniceconnectionstatechange = this.media.pc.onconnectionstatechange = null;
    this.media.close();
  }

  private pathChanged(): void {
    if (this.ended) return;
    const { pc } = this.media;
    if (this.media.connected) {
      clearTimeout(this.timer);
      this.attempts = 0;
    } else if (pc.iceConnectionState === "failed") {
      this.restartEnded();
    } else if (pc.iceConnectionState === "disconnected") {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.networkChanged(), DISCONNECTED_PATIENCE);
    } else if (pc.connectionState === "failed") {
      // ICE stands but DTLS failed: no restart mends that.
      this.fail(new CallError("connection_lost", "the encrypted media connection failed"));
    }
    this.handlers.changed();
  }

  private restartEnded(): void {
    if (this.ended || this.media.connected || this.restarting) return;
    if (this.attempts++ < RESTART_ATTEMPTS) void this.restart();
    else this.fail(new CallError("connection_lost", "no path for media was found"));
  }

  private fail(error: CallError): void {
    if (this.ended) return;
    this.ended = true;
    this.handlers.gone(error);
  }
}

/** Says whether an event brings pictures. */
function brings(event: ServerEvent): boolean {
  if (event.type === "track_published") return isPicture(event.track.source);
  return event.type === "participant_joined" && event.participant.tracks?.some(({ source }) => isPicture(source)) === true;
}
