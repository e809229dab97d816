/**
 * Ringing and being rung: what a person sees of the line, from "whom to call" to
 * how it ended. The call itself, once answered, is the page's usual view.
 *
 * Media is built while it rings, silent, so that voice is there with the answer.
 */
import { directPath } from "../../../../sfu/client/web/src/direct";
import type { CallEventInfo } from "../../../../sfu/client/web/src/protocol";
import { dial, type Line } from "../../../../sfu/client/web/src/ring";
import { h, setText } from "./dom";
import { mark } from "./icons";
import { type Call, CallError } from "./sdk";
import { text, trouble } from "./text";

/** One ring or call of this device; there is one at a time. */
interface Ring {
  id: string;
  peer: string;
  incoming: boolean;
  /** Devices of the other side that show the ring. */
  ringing: Set<string>;
  media?: Promise<Call | undefined>;
  answered?: boolean;
}

/** What the page does for the phone. */
export interface PhoneHost {
  token?: string;
  user?: string;
  device: string;
  /** How it joins calls over the line; direct is as in the address. */
  options: Parameters<Line["join"]>[1];
  direct: string;
  /** Opens the devices once somebody has pressed a button, and publishes. */
  publish(call: Call): Promise<void>;
  /** Shows a call that is answered. */
  enter(call: Call, title: string, hangUp: () => void): void;
  /** Shows the phone again; something has ended, or rings. */
  show(phone: HTMLElement): void;
}

/** Codes that say that the call is over, which an event says too. */
const LATE = new Set(["call_over", "unknown_call", "not_invited", "not_answered", "answered_elsewhere", "closed", "aborted", "session_ended", "not_joined"]);

export class Phone {
  readonly element = h("main", { class: "ended" });
  /** What is shown, for automation. */
  view: "idle" | "outgoing" | "incoming" | "call" = "idle";
  line!: Line;
  private current?: Ring;
  private note = "";

  constructor(private readonly host: PhoneHost) {}

  /** Opens the line. Error: CallError, as dial has it. */
  async start(): Promise<void> {
    const { token, user, device } = this.host;
    this.line = await dial({ token, user, device, client: "page/0.1" });
    this.line.on("call", ({ detail }) => this.heard(detail));
    this.line.on("closed", ({ detail }) => this.over(trouble(detail.code).what));
    this.line.on("calls", ({ detail }) => {
      // The line was away: what has ended meanwhile is over here too.
      if (this.current && !detail.some((call) => call.call === this.current!.id)) this.over(text.rings.ended);
    });
    this.idle();
    for (const { call, users } of this.line.calls) {
      const own = users.find((user) => user.user === this.line.user);
      if (own?.state !== "joined" || own.device !== this.line.device) continue;
      // The page was loaded anew in a call: it goes on.
      const others = users.filter((user) => user !== own);
      const ring = this.begin(call, others[0]?.user ?? "", false);
      void this.answer(ring);
    }
  }

  /** Rings somebody. */
  async call(user: string): Promise<void> {
    const ring = this.begin(crypto.randomUUID(), user, false);
    this.outgoing(ring);
    try {
      await this.line.create([{ user }], { call: ring.id, early: true });
      if (this.current !== ring) return;
      await this.build(ring);
    } catch (error) {
      this.failed(ring, error);
    }
  }

  private begin(id: string, peer: string, incoming: boolean): Ring {
    this.note = "";
    this.current = { id, peer, incoming, ringing: new Set() };
    return this.current;
  }

  private heard(event: CallEventInfo): void {
    const { current } = this;
    if (event.type === "call.ring") {
      if (current?.id === event.call) return;
      if (current) return this.tell(this.line.busy(event.call));
      const ring = this.begin(event.call, event.from?.user ?? "", true);
      this.incoming(ring);
      this.tell(this.line.ringing(ring.id));
      if (event.early) this.build(ring).catch(() => undefined); // Tried again with the answer.
      return;
    }
    if (!current || event.call !== current.id) return;
    const mine = event.user === this.line.user;
    const { rings } = text;
    switch (event.type) {
      case "call.ringing":
        current.ringing.add(`${event.from?.user} ${event.from?.device}`);
        if (!current.answered && !current.incoming) this.outgoing(current);
        return;
      case "call.accepted":
        if (!mine) void this.answer(current);
        return;
      case "call.elsewhere":
        return this.over(rings.elsewhere[event.reason ?? ""] ?? rings.ended);
      case "call.cancelled":
        return mine ? this.over(rings.missed(current.peer)) : undefined;
      case "call.missed":
        return mine ? this.over(rings.missed(current.peer)) : undefined;
      case "call.ended":
        if (event.reason === "glare" && event.into) {
          // Both rang: one call goes on, answered already.
          void current.media?.then((call) => call?.leave());
          void this.answer(this.begin(event.into, current.peer, false));
          return;
        }
        return this.over(rings.outcome(event.reason ?? "", current.peer, current.answered ?? false));
      case "call.left":
        return mine ? this.over(rings.ended) : undefined;
    }
  }

  /** Builds media for a ring, once. */
  private build(ring: Ring): Promise<Call | undefined> {
    const { options, direct } = this.host;
    const path = direct === "0" ? undefined : directPath({ relayOnly: direct === "relay" });
    ring.media ??= this.line.join(ring.id, { ...options, direct: path }).then(
      (call) => {
        if (this.current === ring) return call;
        void call.leave();
        return undefined;
      },
      (error) => {
        ring.media = undefined;
        throw error;
      },
    );
    return ring.media;
  }

  /** It is answered, here or there: media flows. */
  private async answer(ring: Ring): Promise<void> {
    if (ring.answered) return;
    ring.answered = true;
    try {
      const call = await this.build(ring);
      if (!call || this.current !== ring) return;
      this.view = "call";
      this.host.enter(call, ring.peer, () => this.tell(this.line.leave(ring.id)));
      await this.host.publish(call);
    } catch (error) {
      this.failed(ring, error);
    }
  }

  private async accept(ring: Ring): Promise<void> {
    try {
      await this.line.accept(ring.id);
      if (this.current === ring) await this.answer(ring);
    } catch (error) {
      this.failed(ring, error);
    }
  }

  private failed(ring: Ring, error: unknown): void {
    const code = error instanceof CallError ? error.code : "other";
    if (this.current !== ring || LATE.has(code)) return;
    this.tell(this.line.leave(ring.id));
    this.over(trouble(code).what);
  }

  /** Sends what needs no answer: what is over already an event says. */
  private tell(done: Promise<unknown>): void {
    done.catch(() => undefined);
  }

  /** Back to the start, with a word on what happened. */
  private over(note: string): void {
    const { current } = this;
    this.current = undefined;
    void current?.media?.then((call) => call?.leave()).catch(() => undefined);
    this.note = note;
    this.idle(current?.peer);
  }

  private idle(again = ""): void {
    this.view = "idle";
    const whom = h("input", { id: "whom", required: true, maxlength: 64, autocomplete: "off", autocapitalize: "off", value: again });
    const form = h(
      "form",
      { class: "field" },
      h("label", { for: "whom", text: text.rings.whom }),
      whom,
      h("button", { class: "primary", id: "call", text: text.rings.call }),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const user = whom.value.trim();
      if (user) void this.call(user);
    });
    this.draw(this.note || text.rings.you(this.line.user), form);
    whom.focus();
  }

  private outgoing(ring: Ring): void {
    const said = ring.ringing.size > 0 ? text.rings.ringingOn(ring.peer, ring.ringing.size) : text.rings.calling(ring.peer);
    if (this.view === "outgoing") return setText(this.element.querySelector("h1")!, said);
    this.view = "outgoing";
    this.draw(said, button("cancel", "quiet", text.rings.cancel, () => this.tell(this.line.cancel(ring.id))));
  }

  private incoming(ring: Ring): void {
    this.view = "incoming";
    navigator.vibrate?.([400, 200, 400]);
    const accept = button("accept", "primary", text.rings.accept, () => void this.accept(ring));
    this.draw(
      text.rings.calls(ring.peer),
      h("div", { class: "actions" }, accept, button("decline", "quiet", text.rings.decline, () => this.tell(this.line.decline(ring.id)))),
    );
    accept.focus();
  }

  private draw(said: string, below: HTMLElement): void {
    this.element.replaceChildren(h("div", { class: "card" }, mark(), h("h1", { role: "status", text: said }), below));
    this.host.show(this.element);
  }
}

function button(id: string, style: string, label: string, act: () => void): HTMLButtonElement {
  const element = h("button", { type: "button", id, class: style, text: label });
  element.addEventListener("click", act);
  return element;
}
