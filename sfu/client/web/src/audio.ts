/**
 * Plays the audio slots. They are not tied to participants: whoever speaks
 * is in one of them, so all of them simply play. Beside them there may be the
 * streams of a direct path; the ones or the others are heard.
 */
import type { Slot } from "./media";

type Sink = HTMLAudioElement & { setSinkId?(id: string): Promise<void> };

export class AudioOutput {
  private elements: Sink[] = [];
  private others: Sink[] = [];
  private direct = false;
  private device = "";

  constructor(private readonly blocked: () => void) {}

  /** Plays these slots instead of the earlier ones. */
  play(slots: Iterable<Slot>): void {
    this.stop();
    for (const slot of slots) if (!slot.video) this.elements.push(this.element(slot.stream, false));
    void this.start();
  }

  /** Takes in the streams of a direct path, which are not heard until hear says so. */
  beside(streams: MediaStream[]): void {
    clear(this.others);
    this.others = streams.map((stream) => this.element(stream, true));
    void this.start();
  }

  /** Lets the direct path be heard, or the slots, from this moment on. */
  hear(direct: boolean): void {
    this.direct = direct;
    for (const element of this.elements) element.muted = direct;
    for (const element of this.others) element.muted = !direct;
  }

  private element(stream: MediaStream, direct: boolean): Sink {
    const element: Sink = new Audio();
    element.autoplay = true;
    element.srcObject = stream;
    element.muted = direct !== this.direct; // What is muted is decoded all the same, and ready.
    if (this.device) element.setSinkId?.(this.device).catch(() => undefined);
    return element;
  }

  /** Starts playback; after a refusal call it from a click. */
  async start(): Promise<void> {
    const results = await Promise.allSettled([...this.elements, ...this.others].map((element) => element.play()));
    const refused = results.some(
      (result) => result.status === "rejected" && (result.reason as DOMException)?.name === "NotAllowedError",
    );
    if (refused) this.blocked();
  }

  /** Chooses the loudspeaker by its device id, where the browser can. */
  async use(device: string): Promise<void> {
    this.device = device;
    await Promise.all([...this.elements, ...this.others].map((element) => element.setSinkId?.(device)));
  }

  stop(): void {
    clear(this.elements);
    this.elements = [];
  }
}

function clear(elements: Sink[]): void {
  for (const element of elements) {
    element.pause();
    element.srcObject = null;
  }
}
