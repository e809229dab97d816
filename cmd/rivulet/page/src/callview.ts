/**
 * The call on the page: bar, stage and controls, kept in step with the call's
 * events.
 */
import {
  type Call,
  captureError,
  captureScreen,
  type CallError,
} from "./sdk";
import { Controls } from "./controls";
import type { Devices, Kind } from "./devices";
import { announce, h, setText, toggle } from "./dom";
import { bytes, rate } from "./format";
import { bars, icon, mark } from "./icons";
import { roomLink } from "./link";
import { Settings } from "./settings";
import { Stage } from "./stage";
import { text, trouble } from "./text";
import { nameOf } from "./tile";

/** Milliseconds of one frame. */
const FRAME = 16;

/** After so long the banner says what one could do. */
const LONG = 10_000; // milliseconds

export class CallView {
  readonly element: HTMLElement;
  private readonly stage: Stage;
  private readonly controls: Controls;
  private readonly settings: Settings;
  private frame?: ReturnType<typeof setTimeout>;
  private readonly banner = h("div", { class: "banner", role: "status", hidden: true });
  private readonly counter = h("span", { class: "counter-text" });
  private readonly counterButton: HTMLButtonElement;
  private readonly quality = h("span", { class: "quality" }, bars(), h("span", { class: "hidden-text" }));
  /** Of a call that rang: whether it goes from device to device now. */
  private readonly way = h("span", { class: "way", id: "way" });
  private readonly sound: HTMLButtonElement;
  private readonly stops: (() => void)[] = [];
  private longTimer?: ReturnType<typeof setTimeout>;
  private busy = new Set<string>();

  constructor(
    private readonly call: Call,
    private readonly devices: Devices,
    /** Of a call that rang: who it is with, and what leaving does. */
    private readonly rung?: { title: string; hangUp(): void },
  ) {
    this.counterButton = h("button", { type: "button", class: "chip counter" }, icon("data"), this.counter);
    this.sound = h("button", { type: "button", class: "sound", hidden: true, text: text.playSound });
    this.stage = new Stage(call, this.copyButton("primary"));
    this.controls = new Controls({
      microphone: () => void this.toggleMicrophone(),
      camera: () => void this.toggleCamera(),
      screen: () => void this.toggleScreen(),
      settings: () => this.settings.open(),
      leave: () => (rung ? rung.hangUp() : void call.leave()),
    });
    this.settings = new Settings(
      call,
      devices,
      (kind) => void this.changeDevice(kind),
      () => this.refresh(),
    );
    this.element = this.build();
    this.listen();
    this.draw();
    this.showData();
    this.showState();
    this.showPath();
  }

  /** Ends listening; the call itself goes its own way. */
  close(): void {
    clearTimeout(this.longTimer);
    clearTimeout(this.frame);
    this.controls.close();
    this.stage.close();
    for (const stop of this.stops) stop();
  }

  private build(): HTMLElement {
    this.counterButton.addEventListener("click", () => this.settings.open());
    this.sound.addEventListener("click", () => {
      this.sound.hidden = true;
      void this.call.startAudio();
    });
    const bar = h(
      "header",
      { class: "bar" },
      mark(),
      h("h1", { class: "room", text: this.rung?.title ?? this.call.room }),
      this.copyButton("chip"),
      this.rung && this.way,
      h("span", { class: "grow" }),
      this.quality,
      this.counterButton,
    );
    return h(
      "main",
      { class: "call" },
      bar,
      this.banner,
      this.stage.element,
      this.sound,
      this.controls.element,
      this.settings.element,
    );
  }

  private listen(): void {
    const { call } = this;
    const refresh = () => this.refresh();
    this.stops.push(
      call.on("participantjoined", ({ detail }) => {
        announce(text.hasJoined(nameOf(detail.participant)));
        this.refresh();
      }),
      call.on("participantleft", ({ detail: { participant, reason } }) => {
        if (call.state !== "reconnecting" && reason !== "draining") {
          announce((reason === "connection_lost" ? text.hasLost : text.hasLeft)(nameOf(participant)));
        }
        this.refresh();
      }),
      call.on("trackpublished", ({ detail: { participant, track } }) => {
        if (track.source === "screen") announce(text.sharesScreen(nameOf(participant)));
        this.refresh();
      }),
      call.on("trackunpublished", refresh),
      call.on("trackchanged", refresh),
      call.on("slotschanged", refresh),
      call.on("slotstate", refresh),
      call.on("speakers", refresh),
      call.on("quality", refresh),
      call.on("voices", ({ detail: { kind, reason } }) => {
        if (kind === "single") announce(text.oneVoice[reason ?? "no_codec"], true);
      }),
      call.on("participantupdated", refresh),
      call.on("roomlocked", ({ detail: { locked } }) => {
        announce(locked ? text.moderation.nowLocked : text.moderation.nowOpen);
        this.refresh();
      }),
      call.on("moderated", ({ detail: { source, muted } }) => {
        announce((muted ? text.moderation.mutedBy : text.moderation.askedBy)(sourceName(source)), !muted);
      }),
      call.on("localchanged", ({ detail: { source, track } }) => {
        if (!track && !this.busy.has(source)) this.deviceEnded(source);
        this.refresh();
      }),
      call.on("statistics", () => this.showData()),
      call.on("state", () => this.showState()),
      call.on("path", () => {
        this.showPath();
        announce(text.ways[call.path].now);
      }),
      call.on("audioblocked", () => {
        this.sound.hidden = false;
        announce(text.soundBlocked);
      }),
    );
  }

  /** Shows what is, once for all that happens within a frame: a crowd that comes at once must not freeze the page. */
  private refresh(): void {
    this.frame ??= setTimeout(() => {
      this.frame = undefined;
      this.draw();
    }, FRAME);
  }

  private draw(): void {
    this.stage.refresh();
    this.settings.refresh();
    const { tracks } = this.call;
    const microphone = tracks.get("microphone");
    this.controls.show({
      microphone: microphone !== undefined && !microphone.muted,
      camera: tracks.has("camera"),
      screen: tracks.has("screen"),
    });
    const quality = this.call.state === "connected" ? (this.call.local?.quality ?? "good") : "lost";
    this.quality.dataset.quality = quality;
    const words = text.connection(text[quality]);
    setText(this.quality.lastElementChild!, words);
    this.quality.title = words;
  }

  private showData(): void {
    const { statistics } = this.call;
    const total = bytes(statistics.bytesSent + statistics.bytesReceived);
    const now = rate(statistics.sendRate + statistics.receiveRate);
    setText(this.counter, text.dataUsed(total, now));
    this.counterButton.setAttribute("aria-label", text.dataLabel(total, now));
    this.counterButton.title = text.dataLabel(total, now);
    this.settings.show(statistics);
  }

  private showPath(): void {
    const { path } = this.call;
    const { short, now } = text.ways[path];
    toggle(this.way, "data-path", path);
    setText(this.way, short);
    this.way.title = now;
  }

  private showState(): void {
    const { state } = this.call;
    clearTimeout(this.longTimer);
    const was = this.banner.dataset.state;
    const waiting = state === "reconnecting" || state === "connecting";
    this.banner.hidden = !waiting;
    toggle(this.element, "data-state", state);
    if (waiting) {
      setText(this.banner, state === "connecting" ? text.connecting : text.reconnecting);
      this.longTimer = setTimeout(() => setText(this.banner, text.reconnectingLong), LONG);
    } else if (state === "connected" && was === "reconnecting") announce(text.reconnected);
    this.banner.dataset.state = state;
    this.refresh();
  }

  private async toggleMicrophone(): Promise<void> {
    const local = this.call.tracks.get("microphone");
    if (local) await this.act("microphone", () => this.call.mute("microphone", !local.muted));
    else await this.act("microphone", () => this.openDevice("microphone"));
  }

  private async toggleCamera(): Promise<void> {
    await this.act("camera", async () => {
      if (!this.call.tracks.has("camera")) return this.openDevice("camera");
      await this.call.unpublish("camera");
      this.devices.stop("camera"); // Its light goes out.
    });
  }

  private async toggleScreen(): Promise<void> {
    await this.act("screen", async () => {
      if (this.call.tracks.has("screen")) {
        this.call.tracks.get("screen")?.track.stop();
        this.call.tracks.get("screen_audio")?.track.stop();
        await this.call.unpublish("screen");
        await this.call.unpublish("screen_audio");
        return;
      }
      const { video, audio } = await captureScreen();
      await this.call.publish("screen", video);
      if (audio) await this.call.publish("screen_audio", audio);
    });
  }

  private async changeDevice(kind: Kind): Promise<void> {
    if (this.call.tracks.has(kind)) await this.act(kind, () => this.openDevice(kind));
  }

  private async openDevice(kind: Kind): Promise<void> {
    const muted = this.call.tracks.get(kind)?.muted ?? false;
    const track = await this.devices.start1(kind);
    if (!track) throw this.devices.failures[kind]!;
    await this.call.publish(kind, track, { muted });
  }

  /** Carries out one change of a source at a time and says what went wrong. */
  private async act(source: string, change: () => Promise<unknown>): Promise<void> {
    if (this.busy.has(source)) return;
    this.busy.add(source);
    try {
      await change();
    } catch (error) {
      this.complain(source, captureError(error));
    } finally {
      this.busy.delete(source);
      this.refresh();
    }
  }

  private complain(source: string, error: CallError): void {
    if (source === "screen" && error.code === "denied") return; // The person changed their mind.
    announce(text.complaint(sourceName(source), trouble(error.code)), true);
  }

  private deviceEnded(source: string): void {
    if (this.call.state === "closed" || source === "screen_audio") return;
    if (source === "screen") void this.call.unpublish("screen_audio"); // Stopped from the browser's own bar.
    else announce(text.deviceGone(sourceName(source)), true);
  }

  private copyButton(style: string): HTMLButtonElement {
    const button = h("button", { type: "button", class: style }, icon("link"), h("span", { text: text.copyLink }));
    button.hidden = this.rung !== undefined; // Nobody gets in by a link.
    button.setAttribute("aria-label", text.copyLink);
    button.addEventListener("click", () => {
      const link = roomLink(this.call.room);
      (navigator.clipboard?.writeText(link) ?? Promise.reject(new Error("no clipboard"))).then(
        () => announce(text.linkCopied),
        () => announce(link, true), // Without a clipboard it can at least be read.
      );
    });
    return button;
  }
}

function sourceName(source: string): string {
  if (source === "microphone") return text.microphoneTrouble;
  return source === "camera" ? text.cameraTrouble : text.screenTrouble;
}
