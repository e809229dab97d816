/**
 * Plays the audio slots. They are not tied to participants: whoever speaks
 * is in one of them, so all of them simply play.
 */
import type { Slot } from "./media";

type Sink = HTMLAudioElement & { setSinkId?(id: string): Promise<void> };

export class AudioOutput {
  private elements: Sink[] = [];
  private device = "";

  constructor(private readonly blocked: () => void) {}

  /** Plays these slots instead of the earlier ones. */
  play(slots: Iterable<Slot>): void {
    this.stop();
    for (const slot of slots) {
      if (slot.video) continue;
      const element: Sink = new Audio();
      element.autoplay = true;
      element.srcObject = slot.stream;
      if (this.device) element.setSinkId?.(this.device).catch(() => undefined);
      this.elements.push(element);
    }
    void this.start();
  }

  /** Starts playback; after a refusal call it from a click. */
  async start(): Promise<void> {
    const results = await Promise.allSettled(this.elements.map((element) => element.play()));
    const refused = results.some(
      (result) => result.status === "rejected" && (result.reason as DOMException)?.name === "NotAllowedError",
    );
    if (refused) this.blocked();
  }

  /** Chooses the loudspeaker by its device id, where the browser can. */
  async use(device: string): Promise<void> {
    this.device = device;
    await Promise.all(this.elements.map((element) => element.setSinkId?.(device)));
  }

  stop(): void {
    for (const element of this.elements) {
      element.pause();
      element.srcObject = null;
    }
    this.elements = [];
  }
}
