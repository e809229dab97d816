/**
 * Carries what the server tells into the roster and out to the page.
 */
import { attributesOf, payloadOf } from "./control";
import { Participant, type RemoteTrack, type Roster } from "./participants";
import type { JoinedReply, Permissions, Quality, ServerEvent, SlotStateInfo, VoicesInfo } from "./protocol";

/** The events of a call that the server causes. */
export interface RosterEvents {
  participantjoined: { participant: Participant };
  participantleft: { participant: Participant; reason: string };
  trackpublished: { participant: Participant; track: RemoteTrack };
  trackunpublished: { participant: Participant; track: RemoteTrack };
  /** A track was muted, unmuted, or changed its size or layers. */
  trackchanged: { participant: Participant; track: RemoteTrack };
  /** Tracks gained or lost a slot. */
  slotschanged: { tracks: RemoteTrack[] };
  /** What is received of a track and why not more. */
  slotstate: { track: RemoteTrack; state: SlotStateInfo };
  /** Everybody who speaks now, loudest first. */
  speakers: { speakers: { participant: Participant; level: number }[] };
  quality: { participant: Participant; quality: Quality };
  /** Voices come in another shape: made thinner, mixed, or the loudest alone with the reason. */
  voices: VoicesInfo;
  /** Attributes of somebody have changed, or what one may do oneself. */
  participantupdated: { participant: Participant; permissions?: Permissions };
  /** Nobody else gets in from now on, or everybody again. */
  roomlocked: { locked: boolean };
  /** Somebody, or a backend (from is "" then), has sent data. */
  message: { from: string; participant?: Participant; topic: string; data: Uint8Array };
}

export interface Effects {
  emit<K extends keyof RosterEvents>(type: K, detail: RosterEvents[K]): void;
  touched(track: RemoteTrack): void;
  removed(track: RemoteTrack): void;
  acknowledge(slot: number, source: number): void;
}

/** Takes in the snapshot of the room that a join brings: whoever was known of an earlier one has left. */
export function enter(roster: Roster, reply: JoinedReply, name: string | undefined, effects: Effects): void {
  const before = [...roster.participants.values()];
  roster.clear();
  const { participant: id, identity, tracks } = reply;
  roster.local = new Participant({ id, identity, name, tracks, attributes: roster.local?.attributes }, true);
  roster.locked = reply.locked ?? false;
  roster.admin = reply.admin ?? false;
  for (const participant of before) leaves(participant, "left", effects);
  for (const info of reply.participants ?? []) {
    if (info.id === id) roster.local = new Participant(info, true);
    else effects.emit("participantjoined", { participant: roster.add(info) });
  }
}

function leaves(participant: Participant, reason: string, effects: Effects): void {
  for (const track of participant.tracks.values()) effects.removed(track);
  effects.emit("participantleft", { participant, reason });
}

/** Applies one event. Events about members or tracks that are not known are passed over. */
export function reduce(roster: Roster, event: ServerEvent, effects: Effects): void {
  const { local } = roster;
  switch (event.type) {
    case "participant_joined": {
      const { id } = event.participant;
      if (id === local?.id || roster.participants.has(id)) return;
      const participant = roster.add(event.participant);
      effects.emit("participantjoined", { participant });
      return;
    }
    case "participant_left": {
      const participant = roster.participants.get(event.participant);
      if (!participant) return;
      roster.participants.delete(participant.id);
      leaves(participant, event.reason, effects);
      return;
    }
    case "track_published": {
      const participant = roster.find(event.participant);
      if (!participant || participant === local) return;
      const { track, fresh } = roster.publish(participant, event.track);
      effects.emit(fresh ? "trackpublished" : "trackchanged", { participant, track });
      return;
    }
    case "track_unpublished": {
      const participant = roster.participants.get(event.participant);
      const track = participant?.tracks.get(event.track);
      if (!participant || !track) return;
      participant.tracks.delete(track.id);
      effects.removed(track);
      effects.emit("trackunpublished", { participant, track });
      return;
    }
    case "track_muted": {
      const participant = roster.participants.get(event.participant);
      const track = participant?.tracks.get(event.track);
      if (!participant || !track) return;
      track.muted = event.muted;
      effects.emit("trackchanged", { participant, track });
      return;
    }
    case "slots": {
      const changes = event.slots ?? [];
      const tracks = [...roster.assign(changes)];
      for (const track of tracks) effects.touched(track);
      for (const { slot, track, source, mixed } of changes) if ((track || mixed) && source) effects.acknowledge(slot, source);
      if (tracks.length > 0) effects.emit("slotschanged", { tracks });
      return;
    }
    case "slot_states":
      for (const state of event.states ?? []) {
        const track = roster.track(roster.assignments.get(state.slot)?.track);
        if (!track) continue;
        track.state = state;
        effects.emit("slotstate", { track, state });
      }
      return;
    case "speakers": {
      for (const participant of [...roster.participants.values(), local]) if (participant) participant.level = 0;
      const speakers = [];
      for (const { participant: id, level } of event.speakers ?? []) {
        const participant = roster.find(id);
        if (!participant) continue;
        participant.level = Math.max(1, level);
        speakers.push({ participant, level });
      }
      effects.emit("speakers", { speakers });
      return;
    }
    case "quality":
      for (const { participant: id, quality } of event.participants ?? []) {
        const participant = roster.find(id);
        if (!participant) continue;
        participant.quality = quality;
        effects.emit("quality", { participant, quality });
      }
      return;
    case "voices":
      effects.emit("voices", { kind: event.kind, reason: event.reason });
      return;
    case "participant_updated": {
      const participant = roster.find(event.participant);
      if (!participant) return;
      participant.attributes = attributesOf(event.attributes);
      if (participant === local && event.permissions) roster.admin = event.permissions.admin === true;
      effects.emit("participantupdated", { participant, permissions: event.permissions });
      return;
    }
    case "room_locked":
      roster.locked = event.locked;
      effects.emit("roomlocked", { locked: event.locked });
      return;
    case "message": {
      const data = payloadOf(event.payload);
      const { from = "", topic = "" } = event;
      if (data) effects.emit("message", { from, participant: roster.find(from), topic, data });
      return;
    }
    default:
      return; // A later version's event.
  }
}
