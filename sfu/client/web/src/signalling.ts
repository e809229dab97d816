/**
 * One signalling session: a WebSocket that may break and come back.
 *
 * Commands are numbered and kept until they are answered; after a resume the
 * unanswered ones are sent again with the same id, which the server treats as
 * the same command. Events are handed on in the order of their numbers, each
 * once. When a session cannot be resumed it is gone: the owner joins anew
 * with a new Signalling.
 */
import { Backoff, pause } from "./backoff";
import { CallError } from "./errors";
import { compactForm, type Form, PLAIN } from "./form";
import type { Command, ConnectCommand, ConnectedReply, ErrorReply, JoinCommand, JoinedReply, Reply, ReplyOf, ResumedReply, ServerEvent } from "./protocol";
import { PROTOCOL_VERSION } from "./protocol";

/** Opening a socket may take several round trips of two seconds on a thin link. */
const OPEN_TIMEOUT = 15_000; // milliseconds
/** Without any message for so long after a ping the connection counts as dead. */
const SILENCE_TIMEOUT = 10_000; // milliseconds
/** How long a leave may wait for its reply before the socket is closed anyway. */
const LEAVE_TIMEOUT = 500; // milliseconds

export interface SignallingHandlers {
  event(event: ServerEvent): void;
  /** The connection broke; the session tries to resume. */
  lost(): void;
  /** The session is taken up again. */
  resumed(reply: ResumedReply): void;
  /** The session cannot be resumed: join anew. */
  gone(error: CallError): void;
  /** A message went out or came in; for counters. */
  message(direction: "sent" | "received", compact: boolean): void;
}

/** A command with its id, as it is written. */
type Message = { type: string; id: string; offer?: string };

interface Pending {
  message: Message;
  resolve(reply: Reply): void;
  reject(error: CallError): void;
}

/** What a stay in a room needs of a connection; also a share of a line. */
export interface Channel {
  readonly roundTrip: number;
  readonly open: boolean;
  /** Opens the connection; first says what the first command will be, which may go with the request. */
  connect(first?: JoinCommand): Promise<void>;
  join(command: JoinCommand): Promise<JoinedReply>;
  begin(): void;
  request<C extends Command>(command: C): Promise<ReplyOf<C["type"]>>;
  leave(): Promise<void>;
  end(): void;
  interrupt(): void;
}

export class Signalling implements Channel {
  /** Round trip of the last ping in milliseconds, 0 before the first. */
  roundTrip = 0;

  private socket?: WebSocket;
  /** In which messages travel on the socket; undefined for text. */
  private form?: Form;
  /** The server took the first command with the request that opened the socket. */
  private saidFirst = false;
  private joined?: JoinedReply | ConnectedReply;
  private ready = false;
  private ended = false;
  private lastEvent = 0;
  private nextID = 1;
  private readonly pending = new Map<string, Pending>();
  private early: { seq: number; event: ServerEvent }[] = [];
  private readonly abort = new AbortController();
  private pingTimer?: ReturnType<typeof setInterval>;
  private lastHeard = 0;

  constructor(
    private readonly url: string,
    private readonly handlers: SignallingHandlers,
  ) {}

  /** Says whether commands go out at once. */
  get open(): boolean {
    return this.ready && this.socket?.readyState === WebSocket.OPEN;
  }

  /** Opens the socket. Error code network. */
  connect(first?: JoinCommand): Promise<void> {
    return new Promise((resolve, reject) => {
      let socket: WebSocket;
      const form = compactForm();
      const token = first && form?.token(this.bytes(form, this.message(first)));
      try {
        socket = new WebSocket(this.url, [...(token ? [form!.FIRST, token] : []), ...(form ? [form.COMPACT] : []), PLAIN]);
        socket.binaryType = "arraybuffer";
      } catch (cause) {
        reject(new CallError("network", `the address ${this.url} cannot be used: ${String(cause)}`));
        return;
      }
      const fail = (why: string) => {
        clearTimeout(timer);
        socket.onopen = socket.onerror = socket.onclose = null;
        socket.close();
        reject(new CallError("network", why));
      };
      const timer = setTimeout(() => fail("the server did not answer in time"), OPEN_TIMEOUT);
      socket.onerror = socket.onclose = () => fail("the server could not be reached");
      socket.onopen = () => {
        clearTimeout(timer);
        if (this.ended) return fail("the call was left");
        socket.onerror = null;
        socket.onmessage = (message) => this.receive(socket, message.data);
        socket.onclose = () => this.broken(socket);
        this.socket = socket;
        this.saidFirst = form !== undefined && socket.protocol === form.FIRST;
        this.form = this.saidFirst || socket.protocol === form?.COMPACT ? form : undefined;
        this.lastHeard = performance.now();
        resolve();
      };
    });
  }

  /** Joins on the open socket. Errors: a refusal's code, or network. */
  join(command: JoinCommand): Promise<JoinedReply> {
    return this.start(command);
  }

  /** Begins the session with its first command: join, or connect. */
  async start<C extends JoinCommand | ConnectCommand>(command: C): Promise<ReplyOf<C["type"]>> {
    const reply = (await this.send(command)) as JoinedReply | ConnectedReply;
    this.joined = reply;
    this.ready = true;
    this.lastEvent = reply.sequence;
    this.startPing(reply.pingSeconds);
    return reply as ReplyOf<C["type"]>;
  }

  /**
   * Hands on the events that came with the join's reply. Called once by the
   * owner when it has taken in that reply, since events build upon it.
   */
  begin(): void {
    const early = this.early;
    this.early = [];
    this.begun = true;
    for (const { seq, event } of early) this.deliver(seq, event);
  }
  private begun = false;

  /**
   * Sends a command and answers its reply. While the connection is broken the
   * command waits for the resume. Error code session_ended when the session
   * ends first, otherwise the refusal's.
   */
  request<C extends Command>(command: C): Promise<ReplyOf<C["type"]>> {
    return this.send(command) as Promise<ReplyOf<C["type"]>>;
  }

  /** Leaves and closes. Ends within half a second whatever the network does. */
  async leave(all?: true): Promise<void> {
    if (this.open) {
      const reply = this.send({ type: "leave", ...(all ? { all } : {}) }).catch(() => undefined);
      this.ended = true;
      await Promise.race([reply, new Promise((resolve) => setTimeout(resolve, LEAVE_TIMEOUT))]);
    }
    this.end();
  }

  /** Closes without a word. */
  end(): void {
    this.ended = true;
    this.ready = false;
    this.abort.abort();
    clearInterval(this.pingTimer);
    const socket = this.socket;
    this.socket = undefined;
    if (socket) {
      socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
    }
    this.rejectAll(new CallError("session_ended", "the session has ended"));
  }

  /** Closes the socket as if the network had; for tests. */
  interrupt(): void {
    const socket = this.socket;
    if (!socket) return;
    socket.close();
    this.broken(socket);
  }

  private send(command: Command): Promise<Reply> {
    if (this.ended) return Promise.reject(new CallError("session_ended", "the session has ended"));
    const message = this.message(command);
    this.nextID++;
    const { type, id } = message;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { message, resolve, reject });
      const opening = type === "connect" || type === "resume" || (type === "join" && !this.joined);
      if (type === "join" && this.saidFirst) {
        this.saidFirst = false;
        this.handlers.message("sent", true);
      } else if (opening || this.open) this.write(message);
    });
  }

  private message(command: Command): Message {
    const { type, ...fields } = command;
    return { type, id: String(this.nextID), ...fields };
  }

  private bytes(form: Form, message: Message): Uint8Array<ArrayBuffer> {
    const short = message.offer === undefined ? message : { ...message, offer: form.shorten(message.offer) };
    return form.encode(JSON.stringify(short));
  }

  private write(message: Message): void {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const form = this.form;
    if (form) {
      this.socket.send(this.bytes(form, message));
    } else {
      this.socket.send(JSON.stringify(message));
    }
    this.handlers.message("sent", form !== undefined);
  }

  private receive(socket: WebSocket, data: unknown): void {
    if (socket !== this.socket) return;
    this.lastHeard = performance.now();
    this.handlers.message("received", this.form !== undefined);
    let message: (Reply | ErrorReply | ServerEvent) & { re?: string; seq?: number };
    try {
      message = JSON.parse(this.form && data instanceof ArrayBuffer ? this.form.decode(data) : String(data));
      if (this.form && "answer" in message && message.answer) message.answer = this.form.expand(message.answer);
    } catch {
      return; // Not of this protocol; a later message may be.
    }
    if (typeof message.seq === "number") {
      if (!this.begun) this.early.push({ seq: message.seq, event: message as ServerEvent });
      else this.deliver(message.seq, message as ServerEvent);
      return;
    }
    if (message.re === undefined) {
      if (message.type === "error") this.refused(new CallError(message.code, message.message));
      return;
    }
    const pending = this.pending.get(message.re);
    if (!pending) return;
    this.pending.delete(message.re);
    if (message.type === "error") pending.reject(new CallError(message.code, message.message));
    else pending.resolve(message as Reply);
  }

  /** An error that names no command: it matters only if it ends the session. */
  private refused(error: CallError): void {
    if (!this.ready || (error.code !== "unknown_session" && error.code !== "events_lost")) return;
    this.end();
    this.handlers.gone(error);
  }

  private deliver(seq: number, event: ServerEvent): void {
    if (seq <= this.lastEvent || this.ended) return;
    if (seq > this.lastEvent + 1) {
      this.interrupt(); // One is missing: the resume brings it again.
      return;
    }
    this.lastEvent = seq;
    if (event.type === "closed") this.end();
    this.handlers.event(event);
  }

  private broken(socket: WebSocket): void {
    if (socket !== this.socket) return;
    socket.onmessage = socket.onclose = null;
    this.socket = undefined;
    if (this.ended) return;
    clearInterval(this.pingTimer);
    if (!this.joined) {
      this.ended = true;
      this.rejectAll(new CallError("network", "the connection to the server broke while joining"));
      return;
    }
    if (!this.ready) return; // The resume below is already at work and sees its own request fail.
    this.ready = false;
    this.handlers.lost();
    void this.resume();
  }

  private async resume(): Promise<void> {
    const backoff = new Backoff();
    while (!this.ended) {
      await pause(backoff.next(), this.abort.signal);
      if (this.ended) return;
      const waiting = [...this.pending];
      try {
        await this.connect();
        const reply = (await this.resumeOnce()) as ResumedReply;
        this.ready = true;
        this.startPing(this.joined!.pingSeconds);
        for (const [id, { message }] of waiting) if (this.pending.has(id)) this.write(message);
        this.handlers.resumed(reply);
        return;
      } catch (error) {
        if (this.ended) return;
        const code = error instanceof CallError ? error.code : "network";
        if (code === "network" || code === "rate_limited" || code === "internal") {
          this.drop();
          continue;
        }
        this.end();
        this.handlers.gone(error as CallError);
        return;
      }
    }
  }

  /** Sends resume; unlike other commands it dies with its socket. */
  private resumeOnce(): Promise<Reply> {
    const socket = this.socket;
    if (!socket) return Promise.reject(new CallError("network", "the connection broke while resuming"));
    const id = String(this.nextID);
    return new Promise<Reply>((resolve, reject) => {
      const timer = setTimeout(() => socket.close(), OPEN_TIMEOUT);
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.pending.delete(id);
        act();
      };
      socket.onclose = () => {
        if (this.socket === socket) this.socket = undefined;
        settle(() => reject(new CallError("network", "the connection broke while resuming")));
      };
      this.send({
        type: "resume",
        version: PROTOCOL_VERSION,
        token: this.joined!.resume ?? "",
        after: this.lastEvent,
      }).then(
        (reply) =>
          settle(() => {
            socket.onclose = () => this.broken(socket);
            resolve(reply);
          }),
        (error) => settle(() => reject(error)),
      );
    });
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = undefined;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  private startPing(seconds: number): void {
    clearInterval(this.pingTimer);
    const interval = Math.min(60, Math.max(1, seconds || 15)) * 1000;
    this.pingTimer = setInterval(() => {
      const sent = performance.now();
      const socket = this.socket;
      this.request({ type: "ping" }).then(
        () => (this.roundTrip = performance.now() - sent),
        () => undefined,
      );
      setTimeout(() => {
        // Any message counts as life; a socket that is silent is given up,
        // which TCP itself would do only after minutes.
        if (this.socket === socket && this.open && this.lastHeard < sent) this.interrupt();
      }, SILENCE_TIMEOUT);
    }, interval);
  }

  private rejectAll(error: CallError): void {
    const all = [...this.pending.values()];
    this.pending.clear();
    for (const pending of all) pending.reject(error);
  }
}
