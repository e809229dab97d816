/**
 * The call plane: a line on which a device rings and is rung.
 *
 *     const line = await dial({ token, device: "laptop" });
 *     line.on("call", ({ detail }) => { if (detail.type === "call.ring") ... });
 *     const id = await line.create([{ user: "bob" }], { early: true });
 *     const call = await line.join(id, { publish: { microphone } });
 *
 * A line is one WebSocket; the calls that are joined over it use it too, so that
 * ringing, media and what happens in the room share one numbering and one
 * resume. A line whose session is gone dials again by itself: "calls" says then
 * what the user is in or rung by.
 */
import { Backoff, pause } from "./backoff";
import { Call } from "./call";
import { CallError } from "./errors";
import { TypedTarget } from "./events";
import { type ConnectOptions, defaultURL } from "./options";
import type {
  CallCommand, CallEventInfo, CallStateInfo, Command, ConnectedReply, DeviceInfo, JoinCommand, JoinedReply, ReplyOf, ServerEvent, TargetInfo,
} from "./protocol";
import { PROTOCOL_VERSION } from "./protocol";
import { type Channel, Signalling, type SignallingHandlers } from "./signalling";

export interface LineOptions {
  /** Where the server listens; by default /v1/ws on the page's own host. */
  url?: string;
  /** A token with rivulet.calls, or a function that fetches a fresh one. */
  token?: string | (() => string | Promise<string>);
  /** Who one is, to a server that needs no tokens. */
  user?: string;
  /** The device's id, the same each time. */
  device: string;
  /** Names the software to the server. */
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
export async function dial(options: LineOptions): Promise<Line> {
  const line = new Line(options);
  await line.start();
  return line;
}

export class Line extends TypedTarget<LineEvents> {
  /** Who one is, as the server says. */
  user = "";
  device = "";
  /** What the user was in or rung by when the line was last dialled. */
  calls: CallStateInfo[] = [];

  private signalling!: Signalling;
  private ended = false;
  /** Ends when the line is there again; missing while it is. */
  private dialling?: Promise<void>;
  private readonly abort = new AbortController();
  private channel?: LineChannel;

  /** @internal Use dial. */
  constructor(private readonly options: LineOptions) {
    super();
  }

  /** Says whether commands go out at once. */
  get open(): boolean {
    return this.signalling.open;
  }

  /** @internal */
  async start(): Promise<void> {
    const signalling = new Signalling(this.options.url ?? defaultURL(), {
      event: (event) => this.receive(event),
      lost: () => this.channel?.handlers.lost(),
      resumed: (reply) => this.channel?.handlers.resumed(reply),
      gone: (error) => this.redial(error),
      message: (direction, compact) => this.channel?.handlers.message(direction, compact),
    });
    this.signalling = signalling;
    await signalling.connect();
    const token = typeof this.options.token === "function" ? await this.options.token() : this.options.token;
    let reply: ConnectedReply;
    try {
      reply = await signalling.start({
        type: "connect",
        version: PROTOCOL_VERSION,
        ...(token ? { token } : {}),
        user: this.options.user,
        device: this.options.device,
        client: this.options.client ?? "web",
      });
    } catch (error) {
      signalling.end();
      throw error;
    }
    this.user = reply.user ?? "";
    this.device = reply.device ?? "";
    this.calls = reply.calls ?? [];
    // Who is told of a ring must be there to hear it: not before dial has answered.
    setTimeout(() => signalling.begin(), 0);
  }

  /** Makes a call and rings users; answers its id. */
  async create(targets: TargetInfo[], options: RingOptions = {}): Promise<string> {
    const reply = await this.signalling.request({ type: "call.create", targets, ...options });
    return reply.call;
  }

  /** Rings further users; with the third one in it the call is a group. */
  ring(call: string, targets: TargetInfo[], options: RingOptions = {}): Promise<unknown> {
    return this.tell({ type: "call.ring", ...options, call, targets });
  }
  /** Says that this device shows the ring. */
  ringing(call: string): Promise<unknown> {
    return this.tell({ type: "call.ringing", call });
  }
  /** Answers. Error code answered_elsewhere when another device was first. */
  accept(call: string, payload?: string): Promise<unknown> {
    return this.tell({ type: "call.accept", call, payload });
  }
  decline(call: string): Promise<unknown> {
    return this.tell({ type: "call.decline", call });
  }
  busy(call: string): Promise<unknown> {
    return this.tell({ type: "call.busy", call });
  }
  /** Ends the ring of some users, or of all. */
  cancel(call: string, targets?: TargetInfo[]): Promise<unknown> {
    return this.tell({ type: "call.cancel", call, targets });
  }
  hold(call: string): Promise<unknown> {
    return this.tell({ type: "call.hold", call });
  }
  resume(call: string): Promise<unknown> {
    return this.tell({ type: "call.resume", call });
  }
  /** Takes a call over from another device of the user. */
  take(call: string): Promise<unknown> {
    return this.tell({ type: "call.take", call });
  }
  leave(call: string): Promise<unknown> {
    return this.tell({ type: "call.leave", call });
  }
  /** Ends the call for everybody; its creator may. */
  end(call: string): Promise<unknown> {
    return this.tell({ type: "call.end", call });
  }

  /**
   * Joins a call's room, over this line. While it rings nothing flows, and the
   * answer lets it flow at once. One room at a time.
   */
  async join(call: string, options: Omit<ConnectOptions, "room" | "url" | "token" | "identity" | "line"> = {}): Promise<Call> {
    const joined = new Call({ ...options, room: call, line: this });
    await joined.start();
    return joined;
  }

  /** Leaves all calls and closes the line. */
  async close(): Promise<void> {
    if (this.ended) return;
    this.finish("left", "the line was closed");
    await this.signalling.leave(true);
  }

  /** Breaks the connection as the network might; for tests. */
  interrupt(): void {
    this.signalling.interrupt();
  }

  /** @internal A room's share of the line. */
  share(handlers: SignallingHandlers): Channel {
    const forget = (c: LineChannel) => {
      if (this.channel === c) this.channel = undefined;
    };
    this.channel = new LineChannel(() => this.signalling, handlers, forget, () => this.dialling);
    return this.channel;
  }

  private tell(command: CallCommand): Promise<unknown> {
    return this.signalling.request(command);
  }

  private receive(event: ServerEvent | CallEventInfo): void {
    if (event.type.startsWith("call.")) return this.emit("call", event as CallEventInfo);
    if (event.type === "closed") {
      this.channel?.receive(event as ServerEvent);
      if (event.rejoin) this.redial(new CallError(event.code, event.message));
      else this.finish(event.code, event.message);
      return;
    }
    this.channel?.receive(event as ServerEvent);
  }

  /** Dials again, once at a time. */
  private redial(error: CallError): void {
    this.dialling ??= this.dialAgain(error).finally(() => (this.dialling = undefined));
    this.dialling.catch(() => undefined); // Told by finish.
  }

  private async dialAgain(error: CallError): Promise<void> {
    const backoff = new Backoff();
    const channel = this.channel;
    while (!this.ended) {
      await pause(backoff.next(), this.abort.signal);
      if (this.ended) break;
      try {
        await this.start();
        this.emit("calls", this.calls);
        channel?.handlers.gone(error); // the call joins anew, over the new session
        return;
      } catch (refusal) {
        const code = refusal instanceof CallError ? refusal.code : "network";
        if (code === "network" || code === "rate_limited" || code === "internal" || code === "draining" || code === "server_full") continue;
        this.finish(code, String(refusal));
        throw refusal;
      }
    }
    throw new CallError("closed", "the line was closed");
  }

  private finish(code: string, message: string): void {
    if (this.ended) return;
    this.ended = true;
    this.abort.abort();
    this.emit("closed", { code, message });
  }
}

/** What a room's session sees of a line, in place of a connection of its own. */
class LineChannel implements Channel {
  private early: ServerEvent[] | undefined = [];
  private ended = false;
  private room = "";

  constructor(
    private readonly signalling: () => Signalling,
    readonly handlers: SignallingHandlers,
    private readonly forget: (channel: LineChannel) => void,
    private readonly dialling: () => Promise<void> | undefined,
  ) {}

  get roundTrip(): number {
    return this.signalling().roundTrip;
  }
  get open(): boolean {
    return !this.ended && this.signalling().open;
  }
  connect(): Promise<void> {
    return this.dialling() ?? Promise.resolve(); // A call that joins anew may be quicker than the line.
  }
  join(command: JoinCommand): Promise<JoinedReply> {
    this.room = command.room;
    return this.signalling().request(command) as Promise<JoinedReply>;
  }
  begin(): void {
    const early = this.early ?? [];
    this.early = undefined;
    for (const event of early) this.receive(event);
  }
  request<C extends Command>(command: C): Promise<ReplyOf<C["type"]>> {
    if (this.ended) return Promise.reject(new CallError("session_ended", "the room was left"));
    return this.signalling().request(command);
  }
  async leave(): Promise<void> {
    const open = this.open;
    this.end();
    // Named: the line may have joined the next call's room already.
    if (open) await this.signalling().request({ type: "leave", room: this.room }).catch(() => undefined);
  }
  end(): void {
    this.ended = true;
    this.forget(this);
  }
  interrupt(): void {
    this.signalling().interrupt();
  }

  receive(event: ServerEvent): void {
    if (this.ended) return;
    if (this.early) {
      this.early.push(event);
      return;
    }
    if (event.type === "left") {
      this.end();
      this.handlers.event({ type: "closed", code: event.code, message: event.message, rejoin: event.rejoin });
      return;
    }
    if (event.type === "closed") this.end();
    this.handlers.event(event);
  }
}

export type { CallEventInfo, CallStateInfo, DeviceInfo, TargetInfo };
