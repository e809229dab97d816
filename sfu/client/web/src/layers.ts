/**
 * Which simulcast layers a source of a size sends.
 *
 * Browsers silently leave out layers that a small source cannot fill (three
 * rids on 640x360 send two), so the layers are declared by the source's size:
 * what is announced is what arrives.
 */
import type { DataMode, EncodeLayerInfo, LayerInfo } from "./protocol";

/** The rids of a camera's section, from small to large. */
export const CAMERA_RIDS = ["q", "h", "f"] as const;

/** Sources from this size on send three layers (960x540, in pixels). */
const THREE_LAYERS = 960 * 540;
/** Sources from this size on send two layers (480x270, in pixels). */
const TWO_LAYERS = 480 * 270;

/** What one rid of the section shall do. */
export interface Encoding {
  rid: string;
  active: boolean;
  scaleResolutionDownBy: number;
  maxBitrate: number; // bits per second
  maxFramerate?: number;
}

/**
 * Answers a sensible rate for a picture of a size, in bits per second: 150
 * kbit/s at 320x180, growing slower than the number of pixels does (about
 * 420 at 640x360 and 1200 at 1280x720).
 */
export function rateFor(width: number, height: number): number {
  const rate = 150_000 * Math.pow((width * height) / (320 * 180), 0.75);
  return Math.round(Math.min(3_000_000, Math.max(60_000, rate)) / 1000) * 1000;
}

/**
 * Answers the encodings of a camera of a size and the layers to announce,
 * from small to large. In the low data mode only the smallest is sent; the
 * others stay announced, for the mode may change at any time.
 */
export function cameraLayers(
  width: number,
  height: number,
  mode: DataMode,
): { encodings: Encoding[]; layers: LayerInfo[] } {
  const pixels = width * height;
  const count = pixels >= THREE_LAYERS ? 3 : pixels >= TWO_LAYERS ? 2 : 1;
  const sent = mode === "low" ? 1 : count;
  const encodings: Encoding[] = [];
  const layers: LayerInfo[] = [];
  CAMERA_RIDS.forEach((rid, index) => {
    const active = index < sent && mode !== "voice";
    const scale = index < count ? 2 ** (count - 1 - index) : 1;
    const layer = { width: Math.floor(width / scale), height: Math.floor(height / scale) };
    const maxBitrate = rateFor(layer.width, layer.height);
    encodings.push({ rid, active, scaleResolutionDownBy: scale, maxBitrate });
    if (index < count) layers.push({ rid, ...layer, maxRate: maxBitrate });
  });
  return { encodings, layers };
}

/**
 * Answers the rate of a scalable stream of a mode such as "L3T3_KEY": what its
 * spatial layers would need as streams of their own. In the low data mode it
 * is that of the smallest, so that the browser leaves the others out.
 */
export function scalableRate(scalabilityMode: string, width: number, height: number, mode: DataMode): number {
  const [, count = "1", ratio = ""] = /^[LS]([1-3])T[1-3](h?)/.exec(scalabilityMode) ?? [];
  const step = ratio === "h" ? 1.5 : 2;
  let sum = 0;
  for (let layer = 0; layer < Number(count); layer++) {
    const scale = step ** (Number(count) - 1 - layer);
    sum += rateFor(width / scale, height / scale);
    if (mode === "low") break;
  }
  return sum;
}

/** How a scalable stream is to be sent. */
export interface Scalable {
  scalabilityMode: string;
  scaleResolutionDownBy: number;
  maxBitrate: number; // bits per second
}

/**
 * Answers how a scalable stream of a mode is sent with only so many of its
 * layers, from the smallest up, as the server asks for: "L3T3_KEY" with one is
 * "L1T3" of a quarter of the width. The other sizes stay what they were.
 */
export function fewerLayers(
  scalabilityMode: string,
  width: number,
  height: number,
  mode: DataMode,
  order?: Pick<EncodeLayerInfo, "spatials" | "scale">,
): Scalable {
  const [, kind, count, temporal, rest] = /^([LS])([1-3])(T[1-3])(.*)$/.exec(scalabilityMode) ?? [];
  const spatials = order?.spatials ?? 0;
  let scale = 1;
  if (spatials > 0 && spatials < Number(count)) {
    scale = order?.scale || (rest?.startsWith("h") ? 1.5 : 2) ** (Number(count) - spatials);
    scalabilityMode = spatials === 1 ? `L1${temporal}` : `${kind}${spatials}${temporal}${rest}`;
  }
  const maxBitrate = scalableRate(scalabilityMode, width / scale, height / scale, mode);
  return { scalabilityMode, scaleResolutionDownBy: scale, maxBitrate };
}

/**
 * Holds encodings to what the server asks for: it may only take away, since
 * what is muted or off by the data mode stays so. An encoding without a rid is
 * the only one, whatever the order calls it.
 */
export function obey(
  encodings: Pick<RTCRtpEncodingParameters, "rid" | "active" | "maxBitrate" | "maxFramerate">[],
  orders: readonly EncodeLayerInfo[],
): void {
  for (const encoding of encodings) {
    const order = encoding.rid ? orders.find((one) => one.rid === encoding.rid) : orders[0];
    if (!order) continue;
    encoding.active = encoding.active !== false && order.active;
    if (order.maxRate) encoding.maxBitrate = Math.min(encoding.maxBitrate ?? Infinity, order.maxRate);
    if (order.maxFrameRate) encoding.maxFramerate = Math.min(encoding.maxFramerate ?? Infinity, order.maxFrameRate);
  }
}

/** Frames a second that no camera exceeds: no limit. */
export const ANY_FRAME_RATE = 120;

/**
 * Says whether a browser would not notice a change: Chromium holds the only
 * encoding that it sends to the frame rate that it had, until it begins anew.
 * That costs a key frame, and is worth it from one half more on.
 */
export function stuck(
  was: Pick<RTCRtpEncodingParameters, "rid" | "active" | "maxFramerate">[],
  next: Pick<RTCRtpEncodingParameters, "rid" | "active" | "maxFramerate">[],
): boolean {
  const before = was.filter((one) => one.active);
  const after = next.filter((one) => one.active);
  if (before.length !== 1 || after.length !== 1 || before[0].rid !== after[0].rid) return false;
  return 1.5 * (before[0].maxFramerate ?? ANY_FRAME_RATE) <= (after[0].maxFramerate ?? ANY_FRAME_RATE);
}

/** The most that a shared screen may use, in bits per second. */
export const SCREEN_RATE = 2_500_000;
