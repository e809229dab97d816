/**
 * What of pictures is received and sent, and why not more: a table for those
 * who want to know.
 */
import type { Call, SentVideo, Statistics } from "../../../../sfu/client/web/src/index";
import { h } from "./dom";
import { rate } from "./format";
import { text } from "./text";
import { nameOf } from "./tile";

export class Pictures {
  private readonly received = h("tbody");
  private readonly sent = h("tbody");
  readonly element = h(
    "section",
    { class: "pictures" },
    h("h3", { text: text.pictures }),
    h("table", {}, h("caption", { text: text.received }), this.received),
    h("table", {}, h("caption", { text: text.sent }), this.sent),
  );

  constructor(private readonly call: Call) {}

  show(statistics: Statistics): void {
    this.received.replaceChildren(...this.receivedRows(statistics));
    this.sent.replaceChildren(...this.sentRows(statistics));
  }

  private receivedRows(statistics: Statistics): HTMLElement[] {
    const rows: HTMLElement[] = [];
    for (const participant of this.call.participants.values()) {
      for (const track of participant.tracks.values()) {
        if (!track.video || track.slot === undefined || track.muted) continue;
        const one = statistics.received.find((entry) => entry.slot === track.slot);
        const paused = track.state?.paused ?? false;
        const reason = track.state?.reason ?? "";
        const why = (paused ? text.pausedReasons[reason] : undefined) ?? text.reasons[reason] ?? "";
        const name = track.source === "screen" ? text.screenOf(nameOf(participant)) : nameOf(participant);
        rows.push(row(name, paused || !one ? "" : amounts(one.width, one.height, one.framesPerSecond, one.rate), why));
      }
    }
    return rows.length > 0 ? rows : [h("tr", {}, h("td", { text: text.nothingReceived }))];
  }

  private sentRows(statistics: Statistics): HTMLElement[] {
    const rows = statistics.sent
      .filter((one) => one.rate > 0)
      .map((one) => row(sourceName(one), amounts(one.width, one.height, one.framesPerSecond, one.rate), this.sentWhy(one)));
    if (rows.length > 0) return rows;
    return [h("tr", {}, h("td", { text: this.call.tracks.has("camera") ? text.nothingSent : text.cameraOff }))];
  }

  /** The link or the device, by the browser's word; else what others can take. */
  private sentWhy(one: SentVideo): string {
    return text.sentLimited[one.limited] ?? text.asked;
  }
}

function row(name: string, what: string, why: string): HTMLElement {
  return h("tr", {}, h("th", { scope: "row", text: name }), h("td", { text: what }), h("td", { text: why }));
}

function amounts(width: number, height: number, frames: number, bits: number): string {
  const size = width && height ? [text.size(width, height)] : [];
  // A number stays with its unit.
  return [...size, text.perSecond(Math.round(frames)), rate(bits).replace(" ", "\u00a0")].join(" · ");
}

function sourceName(one: SentVideo): string {
  return one.source === "screen" ? text.screenTrouble : text.camera;
}
