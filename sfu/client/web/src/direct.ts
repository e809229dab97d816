/**
 * The direct path of a call of two: a second connection, from device to device,
 * beside the one to the server. The server says when to build it, when to change
 * over and when to come back (docs/protocol.md, direct; package sfu/direct); what
 * the devices tell each other it passes on unread.
 *
 * Nothing is heard of a change: both paths carry media until both sides play the
 * new one. Each step belongs to an epoch; what is of another is ignored.
 */
import { rateFor } from "./layers";
import type { LocalTrack } from "./local";
import { isMuted, type Slot } from "./media";
import { pack, unpack } from "./pack";
import type { Participant } from "./participants";
import type { DataMode, DirectCommand, DirectEvent, Source } from "./protocol";
import { SOURCES } from "./protocol";
import type { Line } from "./ring";

/** How often it is asked whether media has come on the path that is wanted. */
const LOOK = 40; // milliseconds
/** So long a sound may be missing from the direct path; comfort noise comes every 400 ms. */
const SILENCE = 1_500; // milliseconds
/** So long media by the server is waited for on the way back, where the other may say nothing. */
const PATIENCE = 1_500; // milliseconds
/** Candidates that are found within this time go in one message. */
const GATHER = 100; // milliseconds
/** Sound: enough for speech, and a fifth of it while nobody speaks. */
const VOICE_RATE = 24_000; // bits per second

/** Answers what Line.join takes as direct: builds a path where the server and the other device agree. */
export function directPath(options: { relayOnly?: boolean } = {}): MakeDirect {
  return (host) => new DirectPath({ ...options }, host);
}

export type MakeDirect = (host: DirectHost) => DirectPath;

/** What the path needs of its call. */
export interface DirectHost {
  readonly call: string;
  readonly line?: Line;
  mode(): DataMode;
  readonly tracks: ReadonlyMap<Source, LocalTrack>;
  readonly participants: ReadonlyMap<string, Participant>;
  request(command: DirectCommand): Promise<unknown>;
  /** The connection to the server. */
  serverPC(): RTCPeerConnection | undefined;
  /** Sends nothing by the server, or again. */
  pauseServer(paused: boolean): Promise<void>;
  /** The streams that have come up, silent as yet; none when the path is closed. */
  streams(streams: MediaStream[]): void;
  /** Plays the direct path, or the server's again. */
  play(direct: boolean): void;
}

export class DirectPath {
  /** Whether the direct path is what one hears and sees. */
  playing = false;
  /** The user at the other end, once it has said something. */
  peer = "";
  pc?: RTCPeerConnection;

  private epoch = 0;
  private moved = false;
  private peerIsBack = false;
  private willing = false;
  /** The path is of an earlier session: its epoch means something else to the server by now. */
  private stale = false;
  private ended = false;
  private readonly stop?: () => void;
  private sections: RTCRtpTransceiver[] = [];
  private readonly slots = new Map<Source, Slot>();
  private early: RTCIceCandidateInit[] = [];
  private found: RTCIceCandidateInit[] = [];
  private gathering?: ReturnType<typeof setTimeout>;
  private looking?: ReturnType<typeof setInterval>;
  /** Steps are taken one after the other. */
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    /** relayOnly: only relayed candidates, whatever the server allows. */
    private readonly options: { relayOnly?: boolean },
    private readonly host: DirectHost,
  ) {
    this.stop = host.line?.on("call", ({ detail: { type, call, from } }) => {
      if (call !== host.call) return;
      const own = from?.user === host.line!.user && from.device === host.line!.device;
      if (type === "call.accepted") void this.ready();
      // The server has forgotten a device that was held.
      if ((type === "call.resumed" || type === "call.taken") && own) void this.ready(true);
    });
  }

  /** Says once that this device is willing; before the answer that is refused, and said again. */
  async ready(anew = false): Promise<void> {
    if (anew) this.willing = false;
    // Where no session stands yet nothing could be said: it is once that does.
    if (this.willing || this.ended || !this.host.line || !this.host.serverPC()) return;
    this.willing = true;
    await this.send("ready", 0).catch(() => (this.willing = false));
  }

  /** The device leaves, which the other should not have to notice by silence. */
  leave(): void {
    if (this.willing) void this.send("unready", 0).catch(() => undefined);
    this.willing = false;
  }

  /**
   * The session is gone and another one follows. What comes directly goes on
   * meanwhile; the new session sends by the server too, and says ready anew.
   */
  reset(): void {
    this.willing = this.moved = false;
    this.stale = true;
  }

  /** Ends for good. */
  end(): void {
    this.ended = true;
    this.stop?.();
    this.close();
  }

  /** The slot in which a source is to be seen while the path plays. */
  slot(source: Source, user: string): Slot | undefined {
    return this.playing && user === this.peer ? this.slots.get(source) : undefined;
  }

  /** Something of one's own was published, muted or ended. */
  changed(): void {
    if (this.pc) this.enqueue(() => this.put());
  }

  receive(event: DirectEvent): void {
    const act = event.step === "start" ? () => this.begin(event) : () => this.step(event);
    this.enqueue(act, event.epoch);
  }

  private enqueue(act: () => Promise<void>, epoch = this.epoch): void {
    this.work = this.work.then(act).catch(() => {
      if (this.pc && this.epoch === epoch) this.fail();
    });
  }

  private async begin(event: DirectEvent): Promise<void> {
    // An earlier path, of a server that was started anew: the other one may still play what comes by it.
    const again = this.playing;
    if (again) await this.audible();
    this.close(again ? PATIENCE : 0);
    if (this.ended) return;
    this.stale = false;
    this.epoch = event.epoch;
    const pc = new RTCPeerConnection({
      bundlePolicy: "max-bundle",
      iceServers: event.iceServers ?? [],
      iceTransportPolicy: event.relay || this.options.relayOnly ? "relay" : "all",
    });
    this.pc = pc;
    pc.onicecandidate = ({ candidate }) => candidate?.candidate && this.gather(candidate.toJSON());
    pc.onconnectionstatechange = () => {
      if (this.pc === pc && (pc.connectionState === "failed" || (this.playing && pc.connectionState === "disconnected"))) this.fail();
    };
    if (!event.offers) return;
    for (const source of SOURCES) pc.addTransceiver(kindOf(source), { direction: "sendrecv" });
    await this.take(pc.getTransceivers());
    await pc.setLocalDescription();
    await this.tell("offer", thrifty(pc.localDescription!.sdp));
  }

  private async step(event: DirectEvent): Promise<void> {
    const { pc } = this;
    if (!pc || event.epoch !== this.epoch) return;
    if (event.from) this.peer = event.from.user;
    switch (event.step) {
      case "offer":
        await pc.setRemoteDescription({ type: "offer", sdp: await unpack<string>(event.payload) });
        await this.take(pc.getTransceivers());
        await pc.setLocalDescription();
        await this.tell("answer", thrifty(pc.localDescription!.sdp));
        return this.described();
      case "answer":
        await pc.setRemoteDescription({ type: "answer", sdp: await unpack<string>(event.payload) });
        return this.described();
      case "candidate":
        for (const candidate of await unpack<RTCIceCandidateInit[]>(event.payload)) {
          if (pc.remoteDescription) await pc.addIceCandidate(candidate);
          else this.early.push(candidate);
        }
        return;
      case "direct":
        this.moved = true;
        return this.host.pauseServer(true);
      case "back":
        this.peerIsBack = true;
        return;
      case "return":
        return this.back();
      case "sfu":
        return this.close();
    }
  }

  /** Takes the sections, one of each source in their order, and what is to be sent on them. */
  private async take(sections: RTCRtpTransceiver[]): Promise<void> {
    this.sections = sections.slice(0, SOURCES.length);
    this.sections.forEach((section, index) => {
      section.direction = "sendrecv";
      const stream = new MediaStream([section.receiver.track]);
      const source = SOURCES[index]!;
      this.slots.set(source, { slot: -1, video: kindOf(source) === "video", transceiver: section, stream });
    });
    await this.put();
  }

  /** Puts what is published onto the sections. */
  private async put(): Promise<void> {
    for (const [index, section] of this.sections.entries()) {
      const source = SOURCES[index]!;
      const local = this.host.tracks.get(source);
      if (section.sender.track !== (local?.track ?? null)) await section.sender.replaceTrack(local?.track ?? null);
      if (!local) continue;
      const parameters = section.sender.getParameters();
      const { width = 640, height = 360 } = local.track.getSettings();
      for (const encoding of parameters.encodings) {
        encoding.active = !isMuted(source, local, this.host.mode());
        encoding.maxBitrate = kindOf(source) === "audio" ? VOICE_RATE : this.host.mode() === "low" ? 150_000 : rateFor(width, height);
      }
      await section.sender.setParameters(parameters);
    }
  }

  /** Both sides are described: waits until media comes. */
  private async described(): Promise<void> {
    const pc = this.pc!;
    for (const candidate of this.early.splice(0)) await pc.addIceCandidate(candidate);
    await this.put(); // Encodings can be set only now.
    this.host.streams([...this.slots.values()].filter((slot) => !slot.video).map((slot) => slot.stream));
    this.look(async () => {
      if (pc.connectionState !== "connected" || !(await this.flows(pc))) return false;
      this.switchTo(true);
      void this.say("proven");
      this.watch(pc);
      return true;
    });
  }

  /** Says whether sound comes and is decoded, where some is to be expected. */
  private async flows(pc: RTCPeerConnection): Promise<boolean> {
    if (!this.expectsSound()) return true;
    const { packets, played } = await sound(pc);
    return packets > 2 && played > 0;
  }

  /** Says whether the other one publishes sound that is not muted. */
  private expectsSound(): boolean {
    const others = [...this.host.participants.values()].filter((one) => one.identity === this.peer);
    return others.some((one) => [...one.tracks.values()].some((track) => !track.video && !track.muted));
  }

  /** While the path plays: notices that nothing comes any longer. */
  private watch(pc: RTCPeerConnection): void {
    const heard = () => Math.max(0, ...pc.getReceivers().flatMap((receiver) => receiver.getSynchronizationSources().map((source) => source.timestamp)));
    let latest = heard();
    let since = performance.now();
    this.look(async () => {
      if (!this.playing) return true;
      const now = heard();
      if (now !== latest || !this.expectsSound()) since = performance.now();
      latest = now;
      if (performance.now() - since < SILENCE) return false;
      this.fail();
      return true;
    });
  }

  /** On the way back: sends by the server again, and plays it when both do and it is heard. */
  private async back(): Promise<void> {
    this.moved = false;
    await this.host.pauseServer(false);
    const before = await sound(this.host.serverPC());
    void this.say("back");
    let until = 0;
    this.look(async () => {
      if (!this.peerIsBack) return false;
      until ||= performance.now() + PATIENCE;
      const heard = !this.expectsSound() || (await this.hearsServer(before));
      if (!heard && performance.now() < until) return false;
      this.switchTo(false);
      void this.say("returned");
      return true;
    });
  }

  /** Waits until sound comes by the server, for as long as patience lasts. */
  private async audible(): Promise<void> {
    const [before, until] = [await sound(this.host.serverPC()), performance.now() + PATIENCE];
    while (this.expectsSound() && performance.now() < until && !(await this.hearsServer(before))) {
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
  }

  /** Says whether sound has come by the server since, and some of it has left the jitter buffer: a new one takes its time. */
  private async hearsServer(since: Sound): Promise<boolean> {
    const now = await sound(this.host.serverPC());
    return now.packets > since.packets + 2 && now.played > since.played;
  }

  /** Gives the direct path up: the server brings both back. */
  private fail(): void {
    clearInterval(this.looking);
    // A server that was started anew counts epochs from 1 again: it would take this for the path to come.
    if (this.stale) return this.close();
    if (this.moved) void this.host.pauseServer(false).catch(() => undefined); // At once, not a round trip later.
    // A server that knows of no such path brings nobody back: it was started anew.
    const { epoch } = this;
    this.send("failed", epoch).catch(() => this.epoch === epoch && this.close());
  }

  /** Asks every so often until it is done; a newer question ends it. */
  private look(done: () => Promise<boolean>): void {
    clearInterval(this.looking);
    let asking = false;
    const timer = setInterval(() => {
      if (asking) return;
      asking = true;
      done().then(
        (yes) => yes && clearInterval(timer),
        () => undefined,
      ).finally(() => (asking = false));
    }, LOOK);
    this.looking = timer;
  }

  private switchTo(direct: boolean): void {
    if (this.playing === direct) return;
    this.playing = direct;
    this.host.play(direct);
  }

  /** Closes the connection, after so many milliseconds; what is played is the server's at once. */
  private close(after = 0): void {
    const { pc } = this;
    clearInterval(this.looking);
    clearTimeout(this.gathering);
    this.switchTo(false);
    if (this.moved) void this.host.pauseServer(false).catch(() => undefined);
    this.moved = this.peerIsBack = false;
    this.pc = undefined;
    this.early = [];
    this.found = [];
    this.sections = [];
    this.slots.clear();
    if (!pc) return;
    this.host.streams([]);
    pc.onicecandidate = pc.onconnectionstatechange = null;
    setTimeout(() => pc.close(), after);
  }

  private gather(candidate: RTCIceCandidateInit): void {
    this.found.push(candidate);
    if (this.found.length > 1) return;
    const { epoch } = this;
    this.gathering = setTimeout(() => {
      if (this.epoch === epoch) this.enqueue(() => this.tell("candidate", this.found.splice(0)));
    }, GATHER);
  }

  private async tell(step: string, value: unknown): Promise<void> {
    const { epoch } = this;
    const payload = await pack(value);
    if (this.pc && this.epoch === epoch) await this.send(step, epoch, payload).catch(() => undefined);
  }

  /** Says a step whose refusal means that the server has moved on. */
  private say(step: string): Promise<unknown> {
    return this.send(step, this.epoch).catch(() => undefined);
  }

  private send(step: string, epoch: number, payload?: string): Promise<unknown> {
    return this.host.request({ type: "direct", call: this.host.call, step, epoch, payload });
  }
}

function kindOf(source: Source): "audio" | "video" {
  return source === "microphone" || source === "screen_audio" ? "audio" : "video";
}

/** Packets of sound that have come, and samples that were played of them. */
interface Sound {
  packets: number;
  played: number;
}

/** Counts what has come over a connection. */
async function sound(pc: RTCPeerConnection | undefined): Promise<Sound> {
  let packets = 0;
  let played = 0;
  for (const report of (await pc?.getStats())?.values() ?? []) {
    if (report.type !== "inbound-rtp" || report.kind !== "audio") continue;
    packets += report.packetsReceived;
    played += report.jitterBufferEmittedCount;
  }
  return { packets, played };
}

/** Asks the other side to send nothing while nobody speaks. */
function thrifty(sdp: string): string {
  return sdp.replace(/useinbandfec=1/g, "useinbandfec=1;usedtx=1");
}
