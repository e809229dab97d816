/**
 * The tiles of a call: which there are, what each shows, and where it stands.
 */
import type { Call, Participant, RemoteTrack, SlotStateInfo } from "../../../../sfu/client/web/src/index";
import { h, setText } from "./dom";
import { arrange } from "./layout";
import { text } from "./text";
import { hueOf, initial, nameOf, Tile, type TileState } from "./tile";

/** What is received of any picture in the voice mode, before the server says so. */
const VOICE_ONLY: SlotStateInfo = { slot: 0, paused: true, reason: "data_mode" };

interface Entry {
  tile: Tile;
  track?: RemoteTrack;
  localTrack?: MediaStreamTrack;
}

/** A tile that should exist now. */
interface Wanted {
  key: string;
  participant: Participant;
  screen: boolean;
  track?: RemoteTrack;
}

export class Stage {
  readonly element: HTMLElement;
  private readonly entries = new Map<string, Entry>();
  private readonly invitation: HTMLElement;
  private pinned = "";
  /** The keys in the order in which tiles are placed: screens first, oneself last. */
  private order: string[] = [];
  /** When each participant last spoke, by id. */
  private readonly spoke = new Map<string, number>();
  private readonly overflow = h("p", { class: "others", hidden: true });
  private readonly observer = new ResizeObserver(() => this.place());
  private readonly field = h("div", { class: "field-of-tiles" });

  constructor(
    private readonly call: Call,
    copyLink: HTMLElement,
  ) {
    this.invitation = h(
      "div",
      { class: "alone" },
      h("strong", { text: text.alone }),
      h("span", { text: text.aloneHint }),
      copyLink,
    );
    this.element = h("section", { class: "stage", "aria-label": text.people }, this.field, this.invitation, this.overflow);
    this.observer.observe(this.element);
  }

  /** Brings tiles in line with the call. Cheap enough for every event. */
  refresh(): void {
    const wanted = this.wanted();
    const keys = new Set(wanted.map((one) => one.key));
    for (const [key, entry] of this.entries) {
      if (keys.has(key)) continue;
      if (entry.track) this.call.detach(entry.tile.video);
      entry.tile.element.remove();
      this.entries.delete(key);
    }
    if (!keys.has(this.pinned)) this.pinned = "";
    for (const one of wanted) this.update(one);
    this.order = wanted.map((one) => one.key);
    this.invitation.hidden = this.call.participants.size > 0 || this.call.state !== "connected";
    this.place();
  }

  close(): void {
    this.observer.disconnect();
    for (const entry of this.entries.values()) if (entry.track) this.call.detach(entry.tile.video);
    this.entries.clear();
    this.order = [];
  }

  private wanted(): Wanted[] {
    const list: Wanted[] = [];
    const shown = this.chosen();
    for (const participant of this.call.participants.values()) {
      const screen = participant.track("screen");
      if (screen) list.push({ key: `${participant.id}/screen`, participant, screen: true, track: screen });
      if (!shown.has(participant)) continue;
      list.push({ key: participant.id, participant, screen: false, track: participant.track("camera") });
    }
    const { local } = this.call;
    if (local) list.push({ key: local.id, participant: local, screen: false });
    const hidden = this.call.participants.size - shown.size;
    this.overflow.hidden = hidden === 0;
    setText(this.overflow, hidden > 0 ? text.others(hidden) : "");
    return list;
  }

  /**
   * Who gets a tile: all while there is room, else the one enlarged and those
   * who spoke last. They stay in the order in which they came, so that tiles
   * do not jump about.
   */
  private chosen(): Set<Participant> {
    const all = [...this.call.participants.values()];
    const now = performance.now();
    for (const participant of all) if (participant.speaking) this.spoke.set(participant.id, now);
    const room = this.element.clientWidth < 640 ? 11 : 24;
    for (const id of this.spoke.keys()) if (!this.call.participants.has(id)) this.spoke.delete(id);
    if (all.length <= room) return new Set(all);
    const rank = (one: Participant) => (one.id === this.pinned ? Infinity : (this.spoke.get(one.id) ?? 0));
    return new Set([...all].sort((a, b) => rank(b) - rank(a)).slice(0, room));
  }

  private update(wanted: Wanted): void {
    let entry = this.entries.get(wanted.key);
    if (!entry) {
      entry = { tile: new Tile(wanted.key, () => this.togglePin(wanted.key)) };
      this.entries.set(wanted.key, entry);
      this.field.append(entry.tile.element);
    }
    if (wanted.participant.local) this.showOwn(entry);
    else if (entry.track !== wanted.track) {
      if (entry.track) this.call.detach(entry.tile.video);
      entry.track = wanted.track;
      if (wanted.track) this.call.attach(wanted.track, entry.tile.video);
    }
    entry.tile.show(this.describe(wanted, entry));
  }

  private showOwn(entry: Entry): void {
    const track = this.call.tracks.get("camera")?.track;
    if (entry.localTrack === track) return;
    entry.localTrack = track;
    entry.tile.video.srcObject = track ? new MediaStream([track]) : null;
    if (track) entry.tile.video.play().catch(() => undefined); // Rejects when the tile is gone again.
  }

  private describe({ key, participant, screen, track }: Wanted, entry: Entry): TileState {
    const local = participant.local;
    const microphone = local ? this.call.tracks.get("microphone") : participant.track("microphone");
    const own = this.call.tracks.get("camera");
    const picture = local ? own !== undefined && !own.muted && this.call.dataMode !== "voice" : shown(track);
    const name = nameOf(participant);
    const muted = !microphone || microphone.muted;
    return {
      name: local ? text.youAre(name) : screen ? text.screenOf(name) : name,
      initial: initial(name),
      hue: hueOf(participant),
      screen,
      local,
      picture,
      waiting: track !== undefined && !track.muted && track.slot === undefined && this.call.state === "connected",
      muted,
      speaking: !screen && !muted && participant.speaking && this.call.state === "connected",
      quality: screen ? undefined : local && this.call.state !== "connected" ? "lost" : participant.quality,
      state: this.call.dataMode === "voice" && track ? VOICE_ONLY : entry.track?.state,
      pinned: this.pinned === key,
    };
  }

  private togglePin(key: string): void {
    this.pinned = this.pinned === key ? "" : key;
    const track = this.entries.get(this.pinned)?.track;
    this.call.pin(...(track ? [track] : []));
    this.refresh();
  }

  private place(): void {
    const keys = this.order;
    const others = this.call.participants.size;
    const screen = keys.findIndex((key) => key.endsWith("/screen"));
    const large = this.pinned ? keys.indexOf(this.pinned) : screen;
    const own = keys.indexOf(this.call.local?.id ?? "");
    const floating = others === 1 && keys.length === 2 && large < 0 ? own : -1;
    const style = getComputedStyle(this.element);
    const across = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
    const down = parseFloat(style.paddingTop) + parseFloat(style.paddingBottom);
    const width = this.element.clientWidth - across;
    const height = this.element.clientHeight - down;
    if (width <= 0 || height <= 0) return;
    const rects = arrange(keys.length, width, height, { large, floating });
    let bottom = 0;
    let right = 0;
    keys.forEach((key, index) => {
      const rect = rects[index]!;
      this.entries.get(key)!.tile.place(rect, index === floating);
      bottom = Math.max(bottom, rect.top + rect.height);
      right = Math.max(right, rect.left + rect.width);
    });
    this.field.style.height = `${Math.max(height, bottom).toFixed(0)}px`;
    this.field.style.width = `${Math.max(width, right).toFixed(0)}px`;
  }
}

/** Says whether a track has a picture to show: published and not muted. */
function shown(track: RemoteTrack | undefined): boolean {
  return track !== undefined && !track.muted && track.slot !== undefined;
}
