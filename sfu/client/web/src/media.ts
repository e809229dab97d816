/**
 * The one RTCPeerConnection of a session and its fixed media sections.
 *
 * The offer is made once and carries everything for the whole call: four
 * sections to send on, then the audio slots, then the video slots. What is
 * published later goes onto its section by replaceTrack, without SDP.
 */
import { CallError } from "./errors";
import { ANY_FRAME_RATE, cameraLayers, CAMERA_RIDS, fewerLayers, obey, rateFor, type Scalable, scalableRate, SCREEN_RATE, stuck } from "./layers";
import type { DataMode, EncodeAudioInfo, EncodeInfo, EncodeLayerInfo, ICEServerInfo, PublishInfo, SlotInfo, Source } from "./protocol";
import { isPicture, SOURCES } from "./protocol";
import { askAgain, askVoice, awaitsHello, boundPictures, keepCandidates, keepTurn, mids, pauseLayers, withoutPictures } from "./sdp";

/** Settings of the transport; the defaults suit everybody, tests narrow them. */
export interface RTCOptions {
  /** "relay" sends everything through the TURN relay. */
  iceTransportPolicy?: RTCIceTransportPolicy;
  /** Keeps only the TURN addresses of this transport. */
  turnTransport?: "udp" | "tcp";
  /** Keeps only the server's candidates of this transport. */
  candidates?: "udp" | "tcp";
  /** Prefers a video codec by its name, such as "vp8" or "av1". */
  videoCodec?: string;
  /**
   * Sends the camera as one scalable stream of this mode, such as "L3T3_KEY"
   * (W3C webrtc-svc), instead of simulcast. It wants a videoCodec that knows
   * the mode: "vp9" or "av1".
   */
  scalabilityMode?: string;
}

/**
 * Transforms of the page's own that encrypt and decrypt encoded frames, such as
 * RTCRtpScriptTransform makes (W3C webrtc-encoded-transform). Each answer is for one
 * section of one connection; a rejoin asks anew.
 */
export interface Encryption {
  /** For what is sent from a source; undefined leaves that as it is. */
  send(source: Source): RTCRtpTransform | undefined;
  /** For what is received in a slot, from one participant after another. It drops what it cannot decrypt. */
  receive(kind: "audio" | "video"): RTCRtpTransform;
}

/** A slot with the section that receives it. */
export interface Slot {
  readonly slot: number;
  readonly video: boolean;
  readonly transceiver: RTCRtpTransceiver;
  readonly stream: MediaStream;
}

/** What is on a section now. */
export interface Sending {
  track: MediaStreamTrack;
  muted: boolean;
}

export class Media {
  readonly pc: RTCPeerConnection;
  /** The slots by number; filled by accept. */
  readonly slots = new Map<number, Slot>();

  /** Nothing is sent, whatever is published: it goes another way. encode puts it into force. */
  paused = false;

  /** The browser does not change the mode of a stream that has begun. */
  private fixedMode = false;
  private readonly sections = new Map<Source, RTCRtpTransceiver>();
  private pending?: RTCSessionDescriptionInit;
  /** What the server asked for of what is on the sections now. */
  private readonly orders = new Map<Source, EncodeInfo>();
  /** The server's latest answer, as it came, and what is asked of sound since. */
  private answer?: string;
  private readonly voices = new Map<Source, EncodeAudioInfo>();
  /** Somebody shows a picture, or has; until then streams of pictures are not listened for. */
  private pictures = false;
  /** One sends a picture, or has. */
  private shows = false;
  /** One negotiation at a time; settles when what was asked, as to listen, is in force. */
  negotiating: Promise<void> = Promise.resolve();

  /** Makes the connection with its sections. Error codes no_webrtc, no_encryption. */
  constructor(
    private readonly rtc: RTCOptions,
    audioSlots: number,
    videoSlots: number,
    private readonly countSDP: () => void,
    private readonly encryption?: Encryption,
  ) {
    if (typeof RTCPeerConnection === "undefined") {
      throw new CallError("no_webrtc", "this browser has no WebRTC, or it is switched off");
    }
    if (encryption && !("transform" in RTCRtpSender.prototype)) {
      throw new CallError("no_encryption", "this browser cannot encrypt");
    }
    this.pc = new RTCPeerConnection({
      bundlePolicy: "max-bundle",
      iceTransportPolicy: rtc.iceTransportPolicy ?? "all",
    });
    this.addSection("microphone", "audio");
    this.addSection(
      "camera",
      "video",
      rtc.scalabilityMode
        ? [scalable(rtc.scalabilityMode)]
        : CAMERA_RIDS.map((rid, index) => ({
            rid,
            scaleResolutionDownBy: 2 ** (CAMERA_RIDS.length - 1 - index),
            // Without a mode Chromium sends the first layer alone of these.
            ...(/vp9|av1/i.test(`${rtc.videoCodec}`) && scalable("L1T3")),
          })),
    );
    this.addSection("screen", "video", [{ maxBitrate: SCREEN_RATE }]);
    this.addSection("screen_audio", "audio");
    for (let i = 0; i < audioSlots; i++) this.addSlot("audio");
    for (let i = 0; i < videoSlots; i++) {
      const transceiver = this.addSlot("video");
      this.prefer(transceiver, "receiver");
      wantDescriptor(transceiver);
    }
  }

  /** Makes the offer. It is applied only by accept, when the ICE servers are known. */
  async offer(iceRestart = false): Promise<{ sdp: string; send: { mid: string; source: Source }[] }> {
    await this.negotiating;
    const { type, sdp: made = "" } = await this.pc.createOffer({ iceRestart });
    this.countSDP();
    const sdp = askAgain(made);
    this.pending = { type, sdp };
    const names = mids(sdp);
    // The roles of DTLS are settled with the first answer.
    return { sdp: this.pc.remoteDescription ? sdp : awaitsHello(sdp), send: SOURCES.map((source, index) => ({ mid: names[index]!, source })) };
  }

  /** Applies the pending offer and its answer. What is asked meanwhile follows. */
  accept(answer: string, servers?: ICEServerInfo[], slots?: SlotInfo[]): Promise<void> {
    const accepted = this.apply(answer, servers, slots);
    this.negotiating = accepted.catch(() => undefined);
    return accepted;
  }

  private async apply(answer: string, servers?: ICEServerInfo[], slots?: SlotInfo[]): Promise<void> {
    const offer = this.pending;
    if (!offer) throw new CallError("media", "there is no offer to answer");
    this.pending = undefined;
    this.countSDP();
    if (servers) {
      let iceServers: RTCIceServer[] = servers;
      if (this.rtc.turnTransport) iceServers = keepTurn(iceServers, this.rtc.turnTransport);
      this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
    }
    await this.pc.setLocalDescription(offer);
    this.answer = this.rtc.candidates ? keepCandidates(answer, this.rtc.candidates) : answer;
    await this.pc.setRemoteDescription({ type: "answer", sdp: this.edited(this.answer) });
    if (slots) this.fillSlots(slots);
  }

  /**
   * Applies the answer once more, edited by what is asked of sound. That happens
   * here alone: no SDP goes to the server.
   */
  private async reapply(): Promise<void> {
    // A negotiation that is under way takes in what is asked when it ends.
    if (!this.answer || this.pending || this.pc.signalingState !== "stable") return;
    const { type, sdp = "" } = await this.pc.createOffer();
    if (this.pending) return;
    await this.pc.setLocalDescription({ type, sdp: askAgain(sdp) });
    try {
      await this.pc.setRemoteDescription({ type: "answer", sdp: this.edited(this.answer) });
    } catch (error) {
      await this.pc.setLocalDescription({ type: "rollback" });
      throw error;
    }
  }

  /** Listens for pictures from now on: somebody shows one. */
  expectPictures(): void {
    if (this.pictures) return;
    this.pictures = true;
    this.again();
  }

  private again(): void {
    this.negotiating = this.negotiating.then(() => this.reapply()).catch(() => undefined);
  }

  /**
   * Puts what is asked of sound into an answer, and which layers of pictures are
   * off: what is ordered of them comes by other means and must outlast it.
   */
  private edited(answer: string): string {
    let sdp = this.pictures ? answer : withoutPictures(answer);
    if (!this.shows) sdp = boundPictures(sdp);
    for (const { mid, sender } of this.sections.values()) {
      const paused = sender.getParameters().encodings.flatMap(({ rid, active }) => (rid && active === false ? [rid] : []));
      if (mid && paused.length > 0) sdp = pauseLayers(sdp, mid, paused);
    }
    for (const [source, ask] of this.voices) {
      const mid = this.section(source).mid;
      if (mid) sdp = askVoice(sdp, mid, ask);
    }
    return sdp;
  }

  /** Says whether packets can flow. */
  get connected(): boolean {
    const state = this.pc.iceConnectionState;
    return (state === "connected" || state === "completed") && this.pc.connectionState !== "failed";
  }

  /**
   * Puts a track on the section of its source and sets its encodings. Answers
   * what to tell the server.
   */
  async send(source: Source, sending: Sending, mode: DataMode): Promise<PublishInfo> {
    const { sender } = this.section(source);
    this.orders.delete(source); // A new track: the server begins anew.
    if (!this.shows && isPicture(source)) {
      this.shows = true;
      this.again();
    }
    const info = await this.encode(source, sending, mode);
    if (sender.track !== sending.track) await sender.replaceTrack(sending.track);
    return info;
  }

  /** Takes in what the server asks for of a source; encode puts it into force. */
  order(order: EncodeInfo): void {
    if (order.audio) {
      this.voices.set(order.source, order.audio);
      this.again();
    }
    this.orders.set(order.source, { ...this.orders.get(order.source), ...order });
  }

  /**
   * Sets the encodings of a source: layers by its size, nothing while it is
   * muted, since silence and black pictures cost data too, and of pictures what
   * the server asks for.
   */
  async encode(source: Source, sending: Sending, mode: DataMode): Promise<PublishInfo> {
    const { sender } = this.section(source);
    const info: PublishInfo = { source, muted: isMuted(source, sending, mode), ...(sender.transform ? { encrypted: true } : {}) };
    const parameters = sender.getParameters();
    if (source === "microphone" || source === "screen_audio") {
      for (const encoding of parameters.encodings) encoding.active = !info.muted;
    } else {
      const { width = 0, height = 0 } = sending.track.getSettings();
      Object.assign(info, { width, height });
      if (source === "screen") {
        const low = mode === "low";
        for (const encoding of parameters.encodings) {
          encoding.active = !info.muted;
          encoding.maxBitrate = low ? 300_000 : SCREEN_RATE;
          encoding.maxFramerate = low ? 5 : 30;
        }
        const layer = { rid: "f", width, height, maxRate: low ? 300_000 : SCREEN_RATE };
        if (width > 0 && height > 0) info.layers = [layer];
      } else {
        const { encodings, layers } = cameraLayers(width || 640, height || 360, mode);
        const scalability = this.rtc.scalabilityMode;
        for (const encoding of parameters.encodings) {
          const wanted = encodings.find((e) => e.rid === encoding.rid) ?? {
            active: true,
            ...(scalability
              ? this.scalable(scalability, width, height, mode, this.orders.get(source)?.layers?.[0])
              : { maxBitrate: rateFor(width, height) }),
          };
          // Not left out: Chromium goes on with the rate of an order that holds no more.
          encoding.maxFramerate = ANY_FRAME_RATE;
          Object.assign(encoding, wanted, { active: wanted.active && !info.muted });
        }
        // Which layers a scalable stream has is read from the stream itself.
        if (!scalability) info.layers = layers;
      }
      obey(parameters.encodings, this.orders.get(source)?.layers ?? []);
      keepSize(parameters);
    }
    if (this.paused) for (const encoding of parameters.encodings) encoding.active = false;
    if (stuck(sender.getParameters().encodings, parameters.encodings)) await pause(sender);
    Object.assign(parameters, { transactionId: sender.getParameters().transactionId });
    try {
      await sender.setParameters(parameters);
    } catch (error) {
      if (source !== "camera" || !this.rtc.scalabilityMode || this.fixedMode) throw error;
      this.fixedMode = true; // The rate alone has to leave layers out.
      return this.encode(source, sending, mode);
    }
    return info;
  }

  /** Answers how the camera's scalable stream is sent. */
  private scalable(scalability: string, width: number, height: number, mode: DataMode, order?: EncodeLayerInfo): Partial<Scalable> {
    if (this.fixedMode) return { maxBitrate: scalableRate(scalability, width, height, mode) };
    return fewerLayers(scalability, width, height, mode, order);
  }

  /** Takes the track off its section. */
  async stop(source: Source): Promise<void> {
    await this.section(source).sender.replaceTrack(null);
  }

  /** Closes the connection. */
  close(): void {
    this.pc.close();
  }

  private section(source: Source): RTCRtpTransceiver {
    return this.sections.get(source)!;
  }

  private addSection(source: Source, kind: "audio" | "video", sendEncodings?: RTCRtpEncodingParameters[]): void {
    const transceiver = this.pc.addTransceiver(kind, { direction: "sendonly", sendEncodings });
    if (kind === "video") this.prefer(transceiver, "sender");
    // At once: Chromium passes pictures by a transform that is set later.
    const transform = this.encryption?.send(source);
    if (transform) transceiver.sender.transform = transform;
    this.sections.set(source, transceiver);
  }

  private addSlot(kind: "audio" | "video"): RTCRtpTransceiver {
    const transceiver = this.pc.addTransceiver(kind, { direction: "recvonly" });
    if (this.encryption) transceiver.receiver.transform = this.encryption.receive(kind);
    return transceiver;
  }

  private prefer(transceiver: RTCRtpTransceiver, side: "sender" | "receiver"): void {
    const name = this.rtc.videoCodec?.toLowerCase();
    if (!name || !transceiver.setCodecPreferences) return;
    const codecs = (side === "sender" ? RTCRtpSender : RTCRtpReceiver).getCapabilities("video")?.codecs ?? [];
    const first = codecs.filter((codec) => codec.mimeType.toLowerCase() === `video/${name}`);
    if (first.length > 0) {
      transceiver.setCodecPreferences([...first, ...codecs.filter((codec) => !first.includes(codec))]);
    }
  }

  private fillSlots(slots: SlotInfo[]): void {
    this.slots.clear();
    for (const { slot, mid, video = false } of slots) {
      const transceiver = this.pc.getTransceivers().find((t) => t.mid === mid);
      if (!transceiver) continue;
      const stream = new MediaStream([transceiver.receiver.track]);
      this.slots.set(slot, { slot, video, transceiver, stream });
    }
  }
}

/** The one encoding of a scalable camera; TypeScript's library does not know the mode yet. */
function scalable(mode: string): RTCRtpEncodingParameters {
  const encoding: RTCRtpEncodingParameters & { scalabilityMode: string } = { scalabilityMode: mode };
  return encoding;
}

/** Lets a sender send nothing until its next parameters. */
async function pause(sender: RTCRtpSender): Promise<void> {
  const parameters = sender.getParameters();
  for (const encoding of parameters.encodings) encoding.active = false;
  await sender.setParameters(parameters);
}

/**
 * Keeps a browser from choosing another size than that of its layer: which size
 * goes out is the server's choice, and what a browser made smaller by itself it
 * makes larger again only after many seconds. Frames it may leave out. Browsers
 * without the member ignore it.
 */
function keepSize(parameters: RTCRtpSendParameters): void {
  parameters.degradationPreference = "maintain-resolution";
}

/** Says whether nothing is to be sent: muted by hand, or video in voice mode. */
export function isMuted(source: Source, sending: Sending, mode: DataMode): boolean {
  return sending.muted || (mode === "voice" && isPicture(source));
}

/**
 * Asks for AV1's dependency descriptor on a receiving section: without it no
 * frame of a scalable AV1 stream is decoded. Chromium only; others ignore it.
 */
function wantDescriptor(transceiver: RTCRtpTransceiver): void {
  const extended = transceiver as RTCRtpTransceiver & {
    getHeaderExtensionsToNegotiate?(): { uri: string; direction: string }[];
    setHeaderExtensionsToNegotiate?(list: { uri: string; direction: string }[]): void;
  };
  const list = extended.getHeaderExtensionsToNegotiate?.();
  if (!list || !extended.setHeaderExtensionsToNegotiate) return;
  for (const extension of list) {
    if (extension.uri.includes("dependency-descriptor")) extension.direction = "sendrecv";
  }
  try {
    extended.setHeaderExtensionsToNegotiate(list);
  } catch {
    // Not offered, then; everything but scalable AV1 works without it.
  }
}
