/**
 * What the address of the page says: `/r/NAME`, `/#room=NAME` or `/?room=NAME`,
 * and for automation what to do without asking.
 */
import type { ConnectOptions, DataMode, RTCOptions } from "../../../../sfu/client/web/src/index";

export interface Link {
  room: string;
  name: string;
  token: string;
  /** Ring and be rung: as whom (of a server without tokens), and as which device. */
  phone: boolean;
  user: string;
  device: string;
  /** Of a call that rings: "0" for no direct path, "relay" for one by relays alone; else as the server has it. */
  direct: string;
  /** Join without the start form. */
  auto: boolean;
  audio: boolean;
  video: boolean;
  /** Wanted size of the camera's picture; 0 for the usual one. */
  width: number;
  height: number;
  dataMode: DataMode;
  rtc: RTCOptions;
  slots: NonNullable<ConnectOptions["slots"]>;
  /** Stop receiving pictures while the page is hidden. */
  pauseWhenHidden: boolean;
}

/** Reads an address. */
export function readLink(url: URL): Link {
  const query = new URLSearchParams(url.hash.replace(/^#/, ""));
  for (const [key, value] of url.searchParams) query.set(key, value);
  const path = /^\/r\/([^/]+)/.exec(url.pathname)?.[1];
  const size = /^(\d{2,4})x(\d{2,4})$/.exec(query.get("video") ?? "");
  const rtc: RTCOptions = {};
  const relay = query.get("relay");
  if (relay === "udp" || relay === "tcp") {
    rtc.iceTransportPolicy = "relay";
    rtc.turnTransport = relay;
  }
  const ice = query.get("ice");
  if (ice === "tcp" || ice === "udp") rtc.candidates = ice;
  const codec = query.get("codec");
  if (codec) rtc.videoCodec = codec;
  const scalability = query.get("svc");
  if (scalability) rtc.scalabilityMode = scalability;
  const mode = query.get("mode");
  const slots = Number(query.get("slots"));
  const token = query.get("token") ?? "";
  return {
    room: decode(path) ?? query.get("room") ?? "",
    name: query.get("name") ?? "",
    token,
    phone: query.has("user") || allowsCalls(token),
    user: query.get("user") ?? "",
    device: query.get("device") ?? "",
    direct: query.get("direct") ?? "",
    auto: query.get("auto") === "1",
    audio: query.get("audio") !== "0",
    video: query.get("video") !== "0",
    width: size ? Number(size[1]) : 0,
    height: size ? Number(size[2]) : 0,
    dataMode: mode === "low" || mode === "voice" ? mode : "auto",
    rtc,
    slots: slots >= 1 && slots <= 25 ? { video: slots } : {},
    pauseWhenHidden: query.get("hidden") !== "receive",
  };
}

/** Says whether a token is for ringing (docs/protocol.md, Tokens); the server judges it. */
function allowsCalls(token: string): boolean {
  try {
    const claims = JSON.parse(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/")));
    return claims.rivulet?.calls === true;
  } catch {
    return false;
  }
}

/** The address to give to others: without one's own name and token. */
export function roomLink(room: string): string {
  return `${location.origin}/r/${encodeURIComponent(room)}`;
}

/**
 * Who one is to a server without tokens: kept for reloads of this tab, so
 * that a reloaded page replaces itself instead of meeting its own ghost. A
 * copied tab is somebody else.
 */
export function tabIdentity(): string {
  const key = "rivulet.identity";
  const [entry] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  const again = entry?.type === "reload" || entry?.type === "back_forward";
  try {
    const known = sessionStorage.getItem(key);
    if (known && again) return known;
    const fresh = randomName();
    sessionStorage.setItem(key, fresh);
    return fresh;
  } catch {
    return randomName(); // Storage is forbidden here; a reload is somebody new.
  }
}

/** With this begin the identities of those who gave none. */
export const GUEST = "guest_";

function randomName(): string {
  return GUEST + [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function decode(part: string | undefined): string | undefined {
  if (part === undefined) return undefined;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
