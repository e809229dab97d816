/**
 * Amounts of data as people read them.
 */
import { language } from "./text";

/** Answers a number with three digits at most: 3.2, 41, 1,240. */
function short(value: number): string {
  const digits = value < 10 ? 1 : 0;
  return new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
}

/** Answers bytes as kB, MB or GB of a thousand each, as data plans count. */
export function bytes(count: number): string {
  if (count < 999_500) return `${short(count / 1e3)} kB`;
  if (count < 999_500_000) return `${short(count / 1e6)} MB`;
  return `${short(count / 1e9)} GB`;
}

/** Answers bits per second as kbit/s or Mbit/s. */
export function rate(bitsPerSecond: number): string {
  if (bitsPerSecond < 999_500) return `${short(Math.round(bitsPerSecond / 1e3))} kbit/s`;
  return `${short(bitsPerSecond / 1e6)} Mbit/s`;
}

/** Answers a share as a percentage. */
export function percent(share: number): string {
  return short(share * 100);
}
