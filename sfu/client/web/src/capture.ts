/**
 * Opens devices with settings that suit speech and thin links.
 */
import { CallError } from "./errors";
import type { Source } from "./protocol";

/** Which device to open; ids are those of enumerateDevices. */
export interface CaptureOptions {
  deviceId?: string;
  /** Wanted size of the camera's picture in pixels. */
  width?: number;
  height?: number;
}

/** Opens the microphone: one channel, with echo cancellation. Error codes: see captureError. */
export async function captureMicrophone(options: CaptureOptions = {}): Promise<MediaStreamTrack> {
  return first(
    open({
      audio: {
        ...device(options),
        channelCount: 1,
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
      },
    }),
    "audio",
  );
}

/** Opens the camera, 1280x720 at 30 pictures a second unless asked otherwise. */
export async function captureCamera(options: CaptureOptions = {}): Promise<MediaStreamTrack> {
  const track = await first(
    open({
      video: {
        ...device(options),
        width: { ideal: options.width ?? 1280 },
        height: { ideal: options.height ?? 720 },
        frameRate: { ideal: 30, max: 30 },
        ...(options.deviceId ? {} : { facingMode: "user" }),
      },
    }),
    "video",
  );
  track.contentHint = "motion";
  return track;
}

/** Asks for a screen or window, with its sound where the browser offers that. */
export async function captureScreen(): Promise<{ video: MediaStreamTrack; audio?: MediaStreamTrack }> {
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 30 } }, audio: true });
    const video = stream.getVideoTracks()[0]!;
    video.contentHint = "detail";
    return { video, audio: stream.getAudioTracks()[0] };
  } catch (error) {
    throw captureError(error);
  }
}

/** Opens the device of a source. */
export function capture(source: Source): Promise<MediaStreamTrack> {
  if (source === "microphone") return captureMicrophone();
  if (source === "camera") return captureCamera();
  if (source === "screen") return captureScreen().then(({ video }) => video);
  return Promise.reject(new CallError("media", "screen sound comes with the screen: pass its track"));
}

/**
 * Tells apart why a device did not open: denied (by the person or a policy),
 * no_device, device_busy, insecure (the page is not on HTTPS or localhost).
 */
export function captureError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  const name = error instanceof Error ? error.name : "";
  const message = error instanceof Error ? error.message : String(error);
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return new CallError("denied", message);
    case "NotFoundError":
    case "OverconstrainedError":
    case "DevicesNotFoundError":
      return new CallError("no_device", message);
    case "NotReadableError":
    case "AbortError":
      return new CallError("device_busy", message);
  }
  return new CallError("media", message);
}

function device(options: CaptureOptions): MediaTrackConstraints {
  return options.deviceId ? { deviceId: { exact: options.deviceId } } : {};
}

async function open(constraints: MediaStreamConstraints): Promise<MediaStream> {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new CallError("insecure", "browsers open devices only on pages from HTTPS or localhost");
  }
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    throw captureError(error);
  }
}

async function first(stream: Promise<MediaStream>, kind: "audio" | "video"): Promise<MediaStreamTrack> {
  const track = (await stream).getTracks().find((one) => one.kind === kind);
  if (!track) throw new CallError("no_device", `no ${kind} came from the device`);
  return track;
}
