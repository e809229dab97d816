/**
 * The devices of this computer: opened for the preview and handed to the call.
 */
import {
  captureCamera,
  captureError,
  captureMicrophone,
  type CallError,
} from "./sdk";

export type Kind = "microphone" | "camera";

/** What is remembered between calls, if the browser lets us. */
interface Remembered {
  microphone?: string;
  camera?: string;
  speaker?: string;
  name?: string;
}

const KEY = "rivulet.choices";

export class Devices {
  /** What is open now. */
  readonly open: Partial<Record<Kind, MediaStreamTrack>> = {};
  /** Why something that was wanted is not open. */
  readonly failures: Partial<Record<Kind, CallError>> = {};
  readonly chosen: Remembered;

  constructor(private readonly size: { width: number; height: number }) {
    this.chosen = recall();
  }

  /**
   * Opens what is wanted. Both are asked for at once, so that the browser asks
   * once; if that fails, each by itself, to know which one it was.
   */
  async start(audio: boolean, video: boolean): Promise<void> {
    if (audio && video && navigator.mediaDevices?.getUserMedia && !this.chosen.microphone && !this.chosen.camera) {
      await navigator.mediaDevices.getUserMedia({ audio: true, video: true }).then(
        (stream) => stream.getTracks().forEach((track) => track.stop()),
        () => undefined,
      );
    }
    await Promise.all([audio && this.start1("microphone"), video && this.start1("camera")]);
  }

  /** Opens one device, the chosen one or else the usual one. */
  async start1(kind: Kind): Promise<MediaStreamTrack | undefined> {
    this.stop(kind);
    delete this.failures[kind];
    const deviceId = this.chosen[kind];
    try {
      this.open[kind] = await this.capture(kind, deviceId).catch((error) => {
        if (!deviceId || captureError(error).code !== "no_device") throw error;
        this.choose(kind, undefined); // The remembered one is gone.
        return this.capture(kind, undefined);
      });
    } catch (error) {
      this.failures[kind] = captureError(error);
    }
    return this.open[kind];
  }

  /** Closes one device; its light goes out. */
  stop(kind: Kind): void {
    this.open[kind]?.stop();
    delete this.open[kind];
  }

  stopAll(): void {
    this.stop("microphone");
    this.stop("camera");
  }

  /** Lists what there is; names are empty until access was given. */
  async list(): Promise<Record<Kind | "speaker", MediaDeviceInfo[]>> {
    const all = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
    const of = (kind: MediaDeviceKind) => all.filter((one) => one.kind === kind && one.deviceId !== "");
    return { microphone: of("audioinput"), camera: of("videoinput"), speaker: of("audiooutput") };
  }

  /** Remembers a choice. */
  choose(what: keyof Remembered, value: string | undefined): void {
    if (value) this.chosen[what] = value;
    else delete this.chosen[what];
    try {
      localStorage.setItem(KEY, JSON.stringify(this.chosen));
    } catch {
      // Storage is forbidden here; the choice holds for this page only.
    }
  }

  private capture(kind: Kind, deviceId: string | undefined): Promise<MediaStreamTrack> {
    const options = deviceId ? { deviceId } : {};
    if (kind === "microphone") return captureMicrophone(options);
    const { width, height } = this.size;
    return captureCamera(width > 0 ? { ...options, width, height } : options);
  }
}

/** Says whether the loudspeaker can be chosen in this browser. */
export const canChooseSpeaker = "setSinkId" in HTMLMediaElement.prototype;

/** Measures how loud a microphone is, 0 to 1, until the returned function is called. */
export function meter(track: MediaStreamTrack, show: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const decibels = 10 * Math.log10(power + 1e-9); // -90 silence to 0
    show(Math.min(1, Math.max(0, (decibels + 60) / 50)));
  }, 80);
  return () => {
    clearInterval(timer);
    void context.close();
  };
}

function recall(): Remembered {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return found && typeof found === "object" ? (found as Remembered) : {};
  } catch {
    return {};
  }
}
