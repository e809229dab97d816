/**
 * One picture of the call: a person's camera (or initials) or a shared screen,
 * with who it is, whether they speak, how their connection does, and what of
 * the picture is received and why not more.
 */
import type { Participant, Quality, SlotStateInfo } from "../../../../sfu/client/web/src/index";
import { h, setText, toggle } from "./dom";
import { bars, icon } from "./icons";
import { GUEST } from "./link";
import { text } from "./text";

/** What a tile shows; the call view fills it in. */
export interface TileState {
  name: string;
  /** The large letter when there is no picture. */
  initial: string;
  /** 0 to 359: the hue of the initial. */
  hue: number;
  screen: boolean;
  local: boolean;
  /** A picture is published and not muted. */
  picture: boolean;
  /** A picture is published, but no slot is free for it. */
  waiting: boolean;
  muted: boolean;
  speaking: boolean;
  quality?: Quality;
  state?: SlotStateInfo;
  pinned: boolean;
}

export class Tile {
  readonly element: HTMLElement;
  readonly video = h("video", { playsinline: true, "aria-hidden": "true", tabindex: -1 });
  private readonly avatar = h("span", { class: "avatar", "aria-hidden": "true" });
  private readonly name = h("span", { class: "name" });
  private readonly mutedIcon = h("span", { class: "tile-muted" }, icon("microphoneOff"));
  private readonly detail = h("span", { class: "detail" });
  private readonly plate = h("div", { class: "plate" }, this.mutedIcon, h("span", { class: "words" }, this.name, this.detail));
  private readonly why = h("p", { class: "why" });
  private readonly quality = h("span", { class: "quality" }, bars(), h("span", { class: "hidden-text" }));
  private readonly pin = h("button", { type: "button", class: "pin" });
  private pinIcon = "";

  constructor(
    readonly key: string,
    pinned: () => void,
  ) {
    this.video.muted = true;
    this.pin.addEventListener("click", pinned);
    this.element = h(
      "article",
      { class: "tile", "data-key": key },
      this.avatar,
      this.video,
      this.why,
      this.plate,
      this.quality,
      this.pin,
    );
    this.element.addEventListener("dblclick", pinned);
  }

  /** Shows a state. */
  show(state: TileState): void {
    const { element } = this;
    const paused = state.picture && (state.state?.paused ?? false);
    toggle(element, "data-screen", state.screen ? "" : undefined);
    toggle(element, "data-local", state.local ? "" : undefined);
    toggle(element, "data-picture", state.picture ? "" : undefined);
    toggle(element, "data-paused", paused ? "" : undefined);
    toggle(element, "data-still", state.picture && state.state?.reason === "still" ? "" : undefined);
    toggle(element, "data-speaking", state.speaking ? "" : undefined);
    setText(this.avatar, state.initial);
    element.style.setProperty("--hue", String(state.hue));
    setText(this.name, state.name);
    this.mutedIcon.hidden = !state.muted || state.screen;
    setText(this.why, paused ? pauseReason(state.state!.reason) : "");
    this.why.hidden = !paused;
    const received = detail(state);
    setText(this.detail, received);
    this.plate.title = received; // A small tile has no room for it.
    this.showQuality(state.quality);
    this.showPin(state);
    element.setAttribute("aria-label", spoken(state, paused));
  }

  /** Places the tile in its stage, in pixels. */
  place(rect: { left: number; top: number; width: number; height: number }, floating: boolean): void {
    const { style } = this.element;
    style.left = `${rect.left.toFixed(1)}px`;
    style.top = `${rect.top.toFixed(1)}px`;
    style.width = `${rect.width.toFixed(1)}px`;
    style.height = `${rect.height.toFixed(1)}px`;
    toggle(this.element, "data-floating", floating ? "" : undefined);
    toggle(this.element, "data-small", rect.width < 220 || rect.height < 120 ? "" : undefined);
  }

  private showQuality(quality: Quality | undefined): void {
    this.quality.hidden = quality === undefined;
    if (!quality) return;
    this.quality.dataset.quality = quality;
    const words = text.connection(text[quality]);
    setText(this.quality.lastElementChild!, words);
    this.quality.title = words;
  }

  private showPin(state: TileState): void {
    const wanted = state.pinned ? "unpin" : "pin";
    const label = state.pinned ? text.unpin(state.name) : text.pin(state.name);
    this.pin.setAttribute("aria-label", label);
    this.pin.title = label;
    this.pin.setAttribute("aria-pressed", String(state.pinned));
    if (this.pinIcon === wanted) return;
    this.pinIcon = wanted;
    this.pin.replaceChildren(icon(wanted));
  }
}

/** The size received, and why not more if there is a reason worth telling. */
function detail({ picture, state, local, waiting }: TileState): string {
  if (waiting) return text.noSlot;
  if (!picture || !state || local || state.paused) return "";
  const size = state.width && state.height ? text.size(state.width, state.height) : "";
  const reason = text.reasons[state.reason] ?? "";
  return [size, reason].filter((part) => part !== "").join(" · ");
}

function pauseReason(reason: string): string {
  return text.pausedReasons[reason] ?? text.reasons[reason] ?? text.pausedOther;
}

function spoken(state: TileState, paused: boolean): string {
  const parts = [state.name];
  if (state.speaking) parts.push(text.speaking);
  if (state.muted && !state.screen) parts.push(text.muted);
  if (paused) parts.push(pauseReason(state.state!.reason));
  if (state.quality) parts.push(text.connection(text[state.quality]));
  return parts.join(", ");
}

/** The name to show: a guest's random identity is none. */
export function nameOf(participant: Participant): string {
  const { name, identity } = participant;
  return name === identity && identity.startsWith(GUEST) ? text.guest : name;
}

/** The first letter of a name. */
export function initial(name: string): string {
  return ([...name.trim()][0] ?? "?").toLocaleUpperCase();
}

/** A hue that stays with a person: the same for the same identity everywhere. */
export function hueOf(participant: Participant): number {
  let hash = 7;
  for (const unit of participant.identity) hash = (hash * 31 + unit.codePointAt(0)!) % 3600;
  return (hash * 137) % 360; // The golden angle keeps neighbours apart.
}
