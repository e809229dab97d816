/**
 * What a call costs and how well it does, read from the browser's statistics.
 */
import type { Slot } from "./media";
import type { Roster } from "./participants";
import type { DataBudgetInfo } from "./protocol";

/** The least budget that the server takes, in bytes. */
const LEAST_BUDGET = 100_000;

/** What one video slot receives. */
export interface ReceivedVideo {
  slot: number;
  track?: string;
  participant?: string;
  /** Size of the picture as decoded, in pixels. */
  width: number;
  height: number;
  framesPerSecond: number;
  framesDecoded: number;
  freezes: number;
  /** Bits per second of RTP payload. */
  rate: number;
}

/** What one layer sends. */
export interface SentVideo {
  source: "camera" | "screen";
  rid: string;
  width: number;
  height: number;
  framesPerSecond: number;
  rate: number;
  /** Why the browser sends less than asked: "none", "cpu", "bandwidth", "other". */
  limited: string;
}

/** Statistics of a call; rates are means over the last interval. */
export interface Statistics {
  /** Bytes of IP packets since the call began, across reconnections, and what went directly to the other device. */
  bytesSent: number;
  bytesReceived: number;
  /** Bits per second on the wire. */
  sendRate: number;
  receiveRate: number;
  /** Round trip of the media path in milliseconds, 0 when unknown. */
  roundTrip: number;
  /** Share of received packets lost in the last interval, 0 to 1. */
  loss: number;
  audio: {
    packetsReceived: number;
    /** Share of concealed samples in the last interval, 0 to 1. */
    concealed: number;
    /** Mean delay of the jitter buffer in milliseconds. */
    bufferDelay: number;
    /** Energy played since the beginning (WebRTC statistics, totalAudioEnergy). */
    energy: number;
  };
  received: ReceivedVideo[];
  sent: SentVideo[];
  /** The path in use: "udp", "tcp", "relay/udp", "relay/tcp", or "" before there is one. */
  path: string;
}

/** Headers that the browser's counters leave out, in bytes a packet. */
const HEADERS = { udp4: 28, udp6: 48, tcp4: 42, tcp6: 62 };

/**
 * Sizes of ICE checks and their answers, which the browser counts and does not
 * weigh: on a thin call they are a twentieth of all there is. As Chromium 156
 * sends them (RFC 8445 §7.1, RFC 8489): name, priority, role, network info,
 * integrity and fingerprint; the answer has the address, integrity, fingerprint.
 */
const CHECK = { request: 111, answer: 64 };

interface Totals {
  sent: number;
  received: number;
}

type Entry = Record<string, unknown> & { id: string; type: string; timestamp: number };

/** Reads one connection after another and carries the totals over. */
export class Meter {
  latest: Statistics = empty();
  private carried: Totals = { sent: 0, received: 0 };
  private current: Totals = { sent: 0, received: 0 };
  private before = new Map<string, Entry>();
  private at = 0;
  /** The connection to the other device that was read last, and what it had carried. */
  private beside?: { pc: RTCPeerConnection; totals: Totals };

  /** The connection was replaced: its bytes stay counted. */
  carry(): void {
    this.carried.sent += this.current.sent;
    this.carried.received += this.current.received;
    this.current = { sent: 0, received: 0 };
    this.before.clear();
    this.at = 0;
    this.latest = { ...empty(), bytesSent: this.carried.sent, bytesReceived: this.carried.received };
  }

  /** A session counts from its beginning: what earlier ones received is taken off a budget for the call. */
  left(budget?: DataBudgetInfo): DataBudgetInfo | undefined {
    if (!budget?.call) return budget;
    return { ...budget, call: Math.max(LEAST_BUDGET, Math.floor(budget.call - this.latest.bytesReceived)) };
  }

  /**
   * Reads the connection; answers what was found, with rates since the last reading.
   * Of a connection to the other device only the bytes are counted.
   */
  async read(pc: RTCPeerConnection, slots: ReadonlyMap<number, Slot>, roster: Roster, directly?: RTCPeerConnection): Promise<Statistics> {
    const entries = await entriesOf(pc);
    const more = await this.besides(directly);
    const now = performance.now();
    const seconds = this.at > 0 ? (now - this.at) / 1000 : 0;
    const result = empty();
    const totals = this.transport(entries, result);
    if (seconds > 0) {
      result.sendRate = Math.max(0, ((totals.sent - this.current.sent + more.sent) * 8) / seconds);
      result.receiveRate = Math.max(0, ((totals.received - this.current.received + more.received) * 8) / seconds);
    }
    this.current = totals;
    result.bytesSent = this.carried.sent + totals.sent;
    result.bytesReceived = this.carried.received + totals.received;
    this.audio(entries, result);
    this.video(entries, result, seconds, slots, roster);
    this.before = entries;
    this.at = now;
    this.latest = result;
    return result;
  }

  /** Counts what a connection to the other device has carried since it was read last. */
  private async besides(pc: RTCPeerConnection | undefined): Promise<Totals> {
    if (!pc) return { sent: 0, received: 0 };
    const totals = this.transport(await entriesOf(pc), empty());
    const before = this.beside?.pc === pc ? this.beside.totals : { sent: 0, received: 0 };
    this.beside = { pc, totals };
    const more = { sent: totals.sent - before.sent, received: totals.received - before.received };
    this.carried.sent += more.sent;
    this.carried.received += more.received;
    return more;
  }

  private transport(entries: Map<string, Entry>, result: Statistics): Totals {
    const totals = { sent: 0, received: 0 };
    for (const entry of entries.values()) {
      if (entry.type !== "transport") continue;
      const pair = entries.get(String(entry.selectedCandidatePairId));
      const local = pair && entries.get(String(pair.localCandidateId));
      const remote = pair && entries.get(String(pair.remoteCandidateId));
      let header = HEADERS.udp4;
      if (local) {
        const relayed = local.candidateType === "relay";
        const protocol = String((relayed && local.relayProtocol) || local.protocol || "udp");
        const tcp = protocol !== "udp";
        const six = String((relayed ? undefined : remote?.address) ?? local.address ?? "").includes(":");
        header = tcp ? (six ? HEADERS.tcp6 : HEADERS.tcp4) : six ? HEADERS.udp6 : HEADERS.udp4;
        if (relayed) header += 4; // ChannelData, RFC 8656 §12.4.
        result.path = relayed ? `relay/${tcp ? "tcp" : "udp"}` : protocol;
        result.roundTrip = number(pair.currentRoundTripTime) * 1000;
      }
      for (const tried of entries.values()) {
        if (tried.type !== "candidate-pair") continue;
        // Checks that nobody ever answered may not even have left this machine:
        // the browser tries each of its interfaces with each address.
        if (!number(tried.responsesReceived) && !number(tried.requestsReceived)) continue;
        // Those that keep consent fresh are among them.
        totals.sent += number(tried.requestsSent) * (CHECK.request + header) + number(tried.responsesSent) * (CHECK.answer + header);
        totals.received += number(tried.requestsReceived) * (CHECK.request + header);
        totals.received += number(tried.responsesReceived) * (CHECK.answer + header);
      }
      totals.sent += number(entry.bytesSent) + number(entry.packetsSent) * header;
      totals.received += number(entry.bytesReceived) + number(entry.packetsReceived) * header;
    }
    return totals;
  }

  private audio(entries: Map<string, Entry>, result: Statistics): void {
    const sum = { packets: 0, lost: 0, samples: 0, concealed: 0, delay: 0, emitted: 0 };
    for (const entry of entries.values()) {
      if (entry.type !== "inbound-rtp") continue;
      sum.packets += this.since(entry, "packetsReceived");
      sum.lost += Math.max(0, this.since(entry, "packetsLost"));
      if (entry.kind !== "audio") continue;
      sum.samples += this.since(entry, "totalSamplesReceived");
      sum.concealed += Math.max(0, this.since(entry, "concealedSamples") - this.since(entry, "silentConcealedSamples"));
      sum.delay += this.since(entry, "jitterBufferDelay");
      sum.emitted += this.since(entry, "jitterBufferEmittedCount");
      result.audio.packetsReceived += number(entry.packetsReceived);
      result.audio.energy += number(entry.totalAudioEnergy);
    }
    result.loss = ratio(sum.lost, sum.packets + sum.lost);
    result.audio.concealed = ratio(sum.concealed, sum.samples);
    result.audio.bufferDelay = ratio(sum.delay, sum.emitted) * 1000;
  }

  private video(
    entries: Map<string, Entry>,
    result: Statistics,
    seconds: number,
    slots: ReadonlyMap<number, Slot>,
    roster: Roster,
  ): void {
    const byMID = new Map([...slots.values()].map((slot) => [slot.transceiver.mid, slot.slot]));
    for (const entry of entries.values()) {
      if (entry.kind !== "video") continue;
      if (entry.type === "inbound-rtp") {
        const slot = byMID.get(String(entry.mid));
        if (slot === undefined) continue;
        const assignment = roster.assignments.get(slot);
        result.received.push({
          slot,
          track: assignment?.track,
          participant: assignment?.participant,
          width: number(entry.frameWidth),
          height: number(entry.frameHeight),
          framesPerSecond: number(entry.framesPerSecond),
          framesDecoded: number(entry.framesDecoded),
          freezes: number(entry.freezeCount),
          rate: ratio(this.since(entry, "bytesReceived") * 8, seconds),
        });
      } else if (entry.type === "outbound-rtp" && number(entry.bytesSent) > 0) {
        result.sent.push({
          source: entry.mid === this.cameraMID ? "camera" : "screen",
          rid: String(entry.rid ?? ""),
          width: number(entry.frameWidth),
          height: number(entry.frameHeight),
          framesPerSecond: number(entry.framesPerSecond),
          rate: ratio(this.since(entry, "bytesSent") * 8, seconds),
          limited: String(entry.qualityLimitationReason ?? "none"),
        });
      }
    }
    result.received.sort((a, b) => a.slot - b.slot);
  }

  /** The mid of the camera's section: the second of the offer. */
  cameraMID = "1";

  private since(entry: Entry, field: string): number {
    return number(entry[field]) - number(this.before.get(entry.id)?.[field]);
  }
}

async function entriesOf(pc: RTCPeerConnection): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  (await pc.getStats()).forEach((entry: Entry) => entries.set(entry.id, entry));
  return entries;
}

function empty(): Statistics {
  return {
    bytesSent: 0,
    bytesReceived: 0,
    sendRate: 0,
    receiveRate: 0,
    roundTrip: 0,
    loss: 0,
    audio: { packetsReceived: 0, concealed: 0, bufferDelay: 0, energy: 0 },
    received: [],
    sent: [],
    path: "",
  };
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function ratio(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}
