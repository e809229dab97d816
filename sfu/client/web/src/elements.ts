/**
 * Which element shows which track, and what the server should know of it.
 *
 * Elements are given a track once; when slots change hands they are given the
 * slot's stream or nothing. What is visible, and how large, becomes the view
 * that is sent to the server, so that nothing is received that nobody sees.
 */
import type { Slot } from "./media";
import type { RemoteTrack } from "./participants";
import type { TrackViewInfo } from "./protocol";

/** Changes within this time become one view message. */
const SETTLE = 120; // milliseconds
/** Sizes are rounded up to this step: a dragged window is not a hundred messages. */
const STEP = 32; // pixels
/** A picture of another source is hidden only while its packets are this fresh. */
const FRESH = 200; // milliseconds

interface Attachment {
  track: RemoteTrack;
  element: HTMLVideoElement;
  visible: boolean;
  frames?: number;
}

export class Elements {
  private readonly attachments = new Map<HTMLVideoElement, Attachment>();
  private pinned = new Set<string>();
  private manual?: TrackViewInfo[];
  private timer?: ReturnType<typeof setTimeout>;
  private sent = "";
  private readonly resize: ResizeObserver;
  private readonly intersection: IntersectionObserver;
  private readonly onVisibility = () => this.schedule();

  constructor(
    private readonly slotOf: (track: RemoteTrack) => Slot | undefined,
    private readonly expected: (slot: number) => number | undefined,
    private readonly sendView: (tracks: TrackViewInfo[]) => void,
    private readonly pauseHidden: boolean,
  ) {
    this.resize = new ResizeObserver(() => this.schedule());
    this.intersection = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const attachment = this.attachments.get(entry.target as HTMLVideoElement);
        if (attachment) attachment.visible = entry.isIntersecting;
      }
      this.schedule();
    });
    document.addEventListener("visibilitychange", this.onVisibility);
    document.addEventListener("enterpictureinpicture", this.onVisibility, true);
    document.addEventListener("leavepictureinpicture", this.onVisibility, true);
  }

  /** Shows a track in an element from now on, whatever slot carries it. */
  attach(track: RemoteTrack, element: HTMLVideoElement): void {
    this.detach(element);
    element.muted = true; // Sound has its own slots.
    element.autoplay = true;
    element.playsInline = true;
    const attachment: Attachment = { track, element, visible: true };
    this.attachments.set(element, attachment);
    this.resize.observe(element);
    this.intersection.observe(element);
    this.refresh(track);
    this.watch(attachment);
    this.schedule();
  }

  /** Ends attach. */
  detach(element: HTMLVideoElement): void {
    const attachment = this.attachments.get(element);
    if (!attachment) return;
    this.attachments.delete(element);
    this.resize.unobserve(element);
    this.intersection.unobserve(element);
    if (attachment.frames !== undefined) element.cancelVideoFrameCallback?.(attachment.frames);
    element.srcObject = null;
    delete element.dataset.stale;
    this.schedule();
  }

  /** Detaches every element of a track. */
  forget(track: RemoteTrack): void {
    for (const attachment of [...this.attachments.values()]) {
      if (attachment.track === track) this.detach(attachment.element);
    }
  }

  /** Gives the elements of a track the stream of the slot it now has. */
  refresh(track: RemoteTrack): void {
    const stream = this.slotOf(track)?.stream ?? null;
    for (const attachment of this.attachments.values()) {
      if (attachment.track !== track || attachment.element.srcObject === stream) continue;
      attachment.element.srcObject = stream;
      delete attachment.element.dataset.stale;
      if (stream) attachment.element.play().catch(() => undefined); // Muted video may always play; a removed element rejects.
    }
  }

  /** Gives every element the stream that it is to show now. */
  refreshAll(): void {
    for (const { track } of [...this.attachments.values()]) this.refresh(track);
  }

  /** Tracks that matter more than others whatever their size. */
  pin(tracks: Iterable<string>): void {
    this.pinned = new Set(tracks);
    this.schedule();
  }

  /** Replaces the automatic view; undefined returns to it. */
  setView(tracks: TrackViewInfo[] | undefined): void {
    this.manual = tracks;
    this.schedule();
  }

  /** Sends the view even if it has not changed: the session is new. */
  resend(): void {
    if (this.sent === "") return; // Nothing was ever asked for: the server decides.
    this.sent = "";
    this.schedule();
  }

  close(): void {
    clearTimeout(this.timer);
    this.resize.disconnect();
    this.intersection.disconnect();
    document.removeEventListener("visibilitychange", this.onVisibility);
    document.removeEventListener("enterpictureinpicture", this.onVisibility, true);
    document.removeEventListener("leavepictureinpicture", this.onVisibility, true);
    for (const element of [...this.attachments.keys()]) this.detach(element);
    clearTimeout(this.timer);
  }

  private schedule(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const tracks = this.manual ?? this.visible();
      const text = JSON.stringify(tracks);
      if (text === this.sent) return;
      this.sent = text;
      this.sendView(tracks);
    }, SETTLE);
  }

  private visible(): TrackViewInfo[] {
    const views = new Map<string, TrackViewInfo>();
    const hidden = this.pauseHidden && document.visibilityState === "hidden";
    for (const { track, element, visible } of this.attachments.values()) {
      const floating = document.pictureInPictureElement === element;
      if ((hidden || !visible) && !floating) continue;
      const box = element.getBoundingClientRect();
      if (box.width < 2 || box.height < 2) continue;
      const ratio = globalThis.devicePixelRatio || 1;
      const width = Math.min(8192, Math.ceil((box.width * ratio) / STEP) * STEP);
      const height = Math.min(8192, Math.ceil((box.height * ratio) / STEP) * STEP);
      const known = views.get(track.id);
      if (known && known.width! >= width) continue;
      views.set(track.id, { track: track.id, width, height, priority: this.priority(track, box) });
    }
    return [...views.values()].slice(0, 64);
  }

  /** 9 pinned, 8 a screen, else 1 to 6 by the share of the window it fills. */
  private priority(track: RemoteTrack, box: DOMRect): number {
    if (this.pinned.has(track.id)) return 9;
    if (track.source === "screen") return 8;
    const share = (box.width * box.height) / Math.max(1, globalThis.innerWidth * globalThis.innerHeight);
    return Math.max(1, Math.min(6, Math.ceil(share * 6)));
  }

  /**
   * Marks an element whose picture belongs to another source. The message
   * that says who is in a slot travels on TCP and may come after the media;
   * until it is acknowledged each packet names its source, so the picture is
   * hidden (data-stale) rather than shown under the wrong name.
   */
  private watch(attachment: Attachment): void {
    const { element } = attachment;
    if (!element.requestVideoFrameCallback) return;
    attachment.frames = element.requestVideoFrameCallback(() => {
      this.judge(attachment);
      if (this.attachments.get(element) === attachment) this.watch(attachment);
    });
  }

  /** A hidden picture is judged again soon, even if no further frame comes. */
  private judge(attachment: Attachment): void {
    const { element, track } = attachment;
    const slot = this.slotOf(track);
    const expected = slot && this.expected(slot.slot);
    const stale = slot !== undefined && expected !== undefined && namesAnother(slot.transceiver.receiver, expected);
    if (!stale) {
      delete element.dataset.stale;
      return;
    }
    element.dataset.stale = "";
    setTimeout(() => this.attachments.get(element) === attachment && this.judge(attachment), FRESH);
  }
}

/** Says whether the newest packets of a receiver name a source other than the expected one. */
function namesAnother(receiver: RTCRtpReceiver, expected: number): boolean {
  const named = receiver.getContributingSources().filter((entry) => entry.source > 0 && entry.source <= 0xffff);
  if (named.length === 0) return false;
  const newest = named.reduce((a, b) => (b.timestamp > a.timestamp ? b : a));
  if (newest.source === expected) return false;
  const latest = Math.max(...receiver.getSynchronizationSources().map((entry) => entry.timestamp), newest.timestamp);
  return latest - newest.timestamp < FRESH;
}
