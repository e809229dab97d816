/**
 * Control of a room: what moderators may do to it and to those in it, and what
 * everybody may: set attributes of its own, and send small messages. The server
 * decides (docs/protocol.md, room control).
 */
import { CallError } from "./errors";
import type { Participant } from "./participants";
import type { Permissions, RoomCommand, Source } from "./protocol";

/** What one message may carry. */
export const MOST_MESSAGE = 1024; // bytes
/** What a room command may take on the wire; the server closes a connection that says far too much. */
const MOST_COMMAND = 16_384; // letters
/** Attributes of one participant, and letters of each. */
const MOST_ATTRIBUTES = 16;
const MOST_ATTRIBUTE = 256;

/** A participant, its id, or its identity. */
export type Who = Participant | string;

/**
 * Errors of all: CallError with not_permitted, unknown_participant, unknown_track,
 * rate_limited, too_large or bad_message, and network between two sessions.
 */
export class Control {
  /** @internal */
  constructor(private readonly send: (command: RoomCommand) => Promise<unknown>) {}

  /** Takes a participant out; it may not come back for banMs milliseconds, 0 to 30 days. */
  remove(who: Who, banMs = 0): Promise<void> {
    return this.ask({ type: "room.remove", participant: idOf(who), banMs });
  }

  /** Mutes what a participant publishes, or asks it to unmute. It may unmute itself; permit forbids that. */
  mute(who: Who, source: Source, muted: boolean): Promise<void> {
    return this.ask({ type: "room.mute", participant: idOf(who), source, muted });
  }

  /** Replaces what a participant may do; what it may not publish any longer ends. */
  permit(who: Who, permissions: Permissions): Promise<void> {
    return this.ask({ type: "room.permit", participant: idOf(who), permissions });
  }

  /** Lets nobody else in but moderators, or everybody again. */
  lock(locked: boolean): Promise<void> {
    return this.ask({ type: "room.lock", locked });
  }

  /** Ends the room, and the call that it carries, for everybody. */
  end(): Promise<void> {
    return this.ask({ type: "room.end" });
  }

  /**
   * Sets attributes that everybody sees, one's own or another's: at most 16, of 64
   * and 256 bytes. "" takes one away; those not named stay.
   */
  attributes(attributes: Record<string, string>, who?: Who): Promise<void> {
    return this.ask({ type: "room.attributes", attributes, ...(who ? { participant: idOf(who) } : {}) });
  }

  /**
   * Carries up to 1024 bytes to some participants, or to everybody else; ten messages a second.
   * Nothing is kept for who is not there.
   */
  async message(data: string | Uint8Array, options: { to?: Who[]; topic?: string } = {}): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (bytes.length > MOST_MESSAGE) throw new CallError("too_large", `a message has ${bytes.length} bytes; at most ${MOST_MESSAGE} are carried`);
    const payload = btoa(String.fromCharCode(...bytes));
    await this.ask({ type: "room.message", payload, topic: options.topic, to: options.to?.map(idOf) });
  }

  private async ask(command: RoomCommand): Promise<void> {
    if (JSON.stringify(command).length > MOST_COMMAND) throw new CallError("too_large", `${command.type} says more than is carried`);
    await this.send(command);
  }
}

function idOf(who: Who): string {
  return typeof who === "string" ? who : who.id;
}

/** @internal Reads the attributes in an event; what is none, or beyond the bounds, is left out. */
export function attributesOf(told: unknown): Record<string, string> {
  const fit = (text: unknown) => typeof text === "string" && text.length <= MOST_ATTRIBUTE;
  return Object.fromEntries(Object.entries(told ?? {}).filter((entry) => entry.every(fit)).slice(0, MOST_ATTRIBUTES));
}

/** @internal Reads the payload of a message; undefined where it is none. */
export function payloadOf(told: unknown = ""): Uint8Array | undefined {
  try {
    const bytes = Uint8Array.from(atob(String(told)), (letter) => letter.charCodeAt(0));
    return bytes.length > MOST_MESSAGE ? undefined : bytes;
  } catch {
    return undefined;
  }
}
