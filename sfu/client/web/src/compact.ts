/**
 * The compact form of signalling, as the Go package sfu/compact has it: messages
 * by DEFLATE with a dictionary, descriptions by the difference of their sections.
 * A join of 64 kB takes half a kilobyte so.
 */
/*! Compression is by fflate 0.8.2, Copyright (c) 2023 Arjun Barrett, MIT License */
import { deflateSync, inflateSync } from "../fflate/fflate.js";
import dictionaryText from "../../../compact/dictionary.txt";

/** The name under which a WebSocket carries messages so. */
export const COMPACT = "rivulet.v1.compact.1";

/** The same, when the first message came with the request that opens the WebSocket. */
export const FIRST = `${COMPACT}.first`;

/** The most that a request carries, in characters. */
const MAX_FIRST = 6144;

/** Answers the name of a subprotocol that carries a message; undefined for one that is too long. */
export function token(message: Uint8Array): string | undefined {
  const text = btoa(String.fromCharCode(...message)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return text.length > MAX_FIRST ? undefined : `rivulet.first.${text}`;
}

const dictionary = new TextEncoder().encode(dictionaryText);

/** Answers a message as raw DEFLATE. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return deflateSync(new TextEncoder().encode(text), { level: 9, dictionary });
}

/** Answers the message again. Throws on what is no such thing. */
export function decode(data: ArrayBuffer): string {
  return new TextDecoder().decode(inflateSync(new Uint8Array(data), { dictionary }));
}

const HEADER = "~1";
const REACH = 256;

/** Keeps where the newest section of each kind of media is. */
class Sections {
  private kind?: string;
  private start = 0;
  private readonly ended = new Map<string, [number, number]>();

  /** lines[at] begins a section: answers the one before of its kind. */
  begin(lines: string[], at: number): string[] {
    if (this.kind !== undefined) this.ended.set(this.kind, [this.start, at]);
    this.kind = lines[at]!.split(" ", 1)[0]!;
    this.start = at + 1;
    const [from, to] = this.ended.get(this.kind) ?? [0, 0];
    return lines.slice(from, to);
  }
}

/** Writes a description by differences; any other text is answered as it is. */
export function shorten(sdp: string): string {
  const lines = sdp.split("\r\n");
  if (lines.pop() !== "" || lines.length === 0 || lines.some((line) => !line || /^[=-]|[\r\n]/.test(line))) return sdp;
  const out = [HEADER];
  const sections = new Sections();
  let before: string[] = [];
  let next = 0; // in before
  let copied = 0;
  const flush = () => {
    if (copied > 0) out.push(`=${copied}`);
    copied = 0;
  };
  lines.forEach((line, i) => {
    if (line.startsWith("m=")) {
      flush();
      before = sections.begin(lines, i);
      next = 0;
    } else {
      const at = before.slice(next, next + REACH).indexOf(line);
      if (at >= 0) {
        if (at > 0) {
          flush();
          out.push(`-${at}`);
        }
        copied++;
        next += at + 1;
        return;
      }
    }
    flush();
    out.push(line);
  });
  flush();
  return out.join("\n");
}

/** Answers the description again. Throws on what is no such form; other text passes. */
export function expand(text: string): string {
  if (!text.startsWith(HEADER + "\n")) return text;
  const lines: string[] = [];
  const sections = new Sections();
  let before: string[] = [];
  for (const item of text.slice(HEADER.length + 1).split("\n")) {
    const mark = item[0];
    if (mark === "=" || mark === "-") {
      const n = Number(item.slice(1));
      if (!Number.isInteger(n) || n < 1 || n > before.length) throw new Error("the server sent a description that cannot be read");
      if (mark === "=") lines.push(...before.slice(0, n));
      before = before.slice(n);
      continue;
    }
    lines.push(item);
    if (item.startsWith("m=")) before = sections.begin(lines, lines.length - 1);
  }
  return lines.join("\r\n") + "\r\n";
}
