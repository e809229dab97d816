/**
 * Who is in the call and what they publish, as told by the server.
 */
import { attributesOf } from "./control";
import { isPicture } from "./protocol";
import type { Assignment, LayerInfo, ParticipantInfo, Quality, SlotStateInfo, Source, TrackInfo } from "./protocol";

/** A track of another participant. */
export class RemoteTrack {
  readonly id: string;
  readonly source: Source;
  muted = false;
  /** Encrypted end to end: only who has the key hears or sees it. */
  encrypted = false;
  /** Size of the source in pixels, 0 when unknown. */
  width = 0;
  height = 0;
  layers: LayerInfo[] = [];
  /** The slot that carries this track now, if any. */
  slot?: number;
  /** What is received and why not more; undefined until the server tells. */
  state?: SlotStateInfo;

  constructor(
    readonly participant: Participant,
    info: TrackInfo,
  ) {
    this.id = info.id;
    this.source = info.source;
    this.update(info);
  }

  get video(): boolean {
    return isPicture(this.source);
  }

  /** @internal */
  update(info: TrackInfo): void {
    this.muted = info.muted ?? false;
    this.encrypted = info.encrypted ?? false;
    this.width = info.width ?? 0;
    this.height = info.height ?? 0;
    this.layers = info.layers ?? [];
  }
}

/** A member of the room other than oneself, or oneself as others see it. */
export class Participant {
  readonly id: string;
  readonly identity: string;
  readonly name: string;
  readonly tracks = new Map<string, RemoteTrack>();
  quality: Quality = "good";
  /** 0 (silent) to 127 (loudest). */
  level = 0;
  /** What it, a moderator or a backend has set, by name. */
  attributes: Record<string, string>;

  constructor(
    info: ParticipantInfo,
    readonly local: boolean,
  ) {
    this.id = info.id;
    this.identity = info.identity;
    this.name = info.name || info.identity;
    this.attributes = attributesOf(info.attributes);
    for (const track of info.tracks ?? []) this.tracks.set(track.id, new RemoteTrack(this, track));
  }

  get speaking(): boolean {
    return this.level > 0;
  }

  /** The track of a source, if it is published. */
  track(source: Source): RemoteTrack | undefined {
    for (const track of this.tracks.values()) if (track.source === source) return track;
    return undefined;
  }
}

/** The room as the server tells it: its members and what the slots carry. */
export class Roster {
  /** Oneself; undefined until joined. */
  local?: Participant;
  /** Nobody else gets in but moderators. */
  locked = false;
  /** One is a moderator. */
  admin = false;
  /** The others. */
  readonly participants = new Map<string, Participant>();
  readonly assignments = new Map<number, Assignment>();

  /** Finds anyone. */
  find(id: string | undefined): Participant | undefined {
    return id === this.local?.id ? this.local : this.participants.get(id!);
  }

  /** Finds a track of anyone. */
  track(id: string | undefined): RemoteTrack | undefined {
    if (id === undefined || id === "") return undefined;
    for (const participant of this.participants.values()) {
      const track = participant.tracks.get(id);
      if (track) return track;
    }
    return undefined;
  }

  /** Adds a member; its tracks take the slots that already name them. */
  add(info: ParticipantInfo): Participant {
    const participant = new Participant(info, false);
    this.participants.set(participant.id, participant);
    for (const track of participant.tracks.values()) this.link(track);
    return participant;
  }

  /** Adds a track, or updates it if it is known. */
  publish(participant: Participant, info: TrackInfo): { track: RemoteTrack; fresh: boolean } {
    const known = participant.tracks.get(info.id);
    if (known) {
      known.update(info);
      return { track: known, fresh: false };
    }
    const track = new RemoteTrack(participant, info);
    participant.tracks.set(track.id, track);
    this.link(track);
    return { track, fresh: true };
  }

  /** Takes in what slots carry; answers the tracks that gained or lost one. */
  assign(changes: Assignment[]): Set<RemoteTrack> {
    const touched = new Set<RemoteTrack>();
    for (const change of changes) {
      const before = this.track(this.assignments.get(change.slot)?.track);
      if (before && before.id !== change.track && before.slot === change.slot) {
        before.slot = undefined;
        before.state = undefined;
        touched.add(before);
      }
      if (change.track) this.assignments.set(change.slot, change);
      else this.assignments.delete(change.slot);
    }
    // A second pass: a track may have moved from one slot to another.
    for (const change of changes) {
      const track = this.track(change.track);
      if (!track || track.slot === change.slot) continue;
      track.slot = change.slot;
      track.state = undefined;
      touched.add(track);
    }
    return touched;
  }

  /** Forgets everybody else. */
  clear(): void {
    this.participants.clear();
    this.assignments.clear();
  }

  private link(track: RemoteTrack): void {
    for (const assignment of this.assignments.values()) {
      if (assignment.track === track.id) track.slot = assignment.slot;
    }
  }
}
