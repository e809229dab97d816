/**
 * What moderators find in the settings: who is in, to mute or to remove; the
 * room, to lock or to end it for everybody.
 */
import type { Call, Participant } from "../../../../sfu/client/web/src/index";
import { announce, h } from "./dom";
import { CallError } from "./sdk";
import { text, trouble } from "./text";
import { nameOf } from "./tile";

export class Moderation {
  readonly element = h("fieldset", { class: "moderation", hidden: true });
  private shown = "";

  constructor(private readonly call: Call) {}

  /** Shows what is now; anew only where something has changed, for who has the focus here. */
  show(): void {
    const { admin, locked, participants } = this.call;
    const others = [...participants.values()];
    const now = JSON.stringify([admin, locked, others.map((one) => [one.id, open(one)])]);
    if (now === this.shown) return;
    this.shown = now;
    this.element.hidden = !admin;
    if (!admin) return;
    const { control } = this.call;
    const words = text.moderation;
    this.element.replaceChildren(
      h("legend", { text: words.title }),
      ...others.map((one) =>
        h(
          "div",
          {},
          h("span", { text: nameOf(one) }),
          this.button(words.mute, words.muteWhom(nameOf(one)), () => control.mute(one, "microphone", true), !open(one)),
          this.button(words.remove, words.removeWhom(nameOf(one)), () => control.remove(one)),
        ),
      ),
      h(
        "div",
        {},
        this.button(locked ? words.unlock : words.lock, "", () => control.lock(!locked)),
        this.button(words.end, "", () => (confirm(words.endSure) ? control.end() : Promise.resolve())),
      ),
    );
  }

  private button(label: string, spoken: string, act: () => Promise<void>, disabled = false): HTMLButtonElement {
    const button = h("button", { type: "button", class: "quiet", text: label, "aria-label": spoken || undefined, disabled });
    button.addEventListener("click", () => {
      act().catch((error) => announce(text.complaint(label, trouble(error instanceof CallError ? error.code : "other")), true));
    });
    return button;
  }
}

/** Says whether somebody can be heard. */
function open(one: Participant): boolean {
  return one.track("microphone")?.muted === false;
}
