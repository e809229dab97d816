/**
 * The row of buttons under a call, and their keys.
 */
import { h, toggle } from "./dom";
import { icon, type IconName } from "./icons";
import { text } from "./text";

export type Action = "microphone" | "camera" | "screen" | "settings" | "leave";

const KEYS: Record<string, Action> = { m: "microphone", v: "camera", s: "screen", d: "settings", l: "leave" };

export class Controls {
  readonly element: HTMLElement;
  private readonly buttons = new Map<Action, HTMLButtonElement>();
  private readonly onKey = (event: KeyboardEvent) => this.key(event);

  constructor(private readonly actions: Record<Action, () => void>) {
    this.element = h(
      "div",
      { class: "controls", role: "toolbar", "aria-label": text.controls },
      this.button("microphone", "M"),
      this.button("camera", "V"),
      this.button("screen", "S"),
      this.button("settings", "D"),
      this.button("leave", "L"),
    );
    this.look("settings", "settings", text.settings);
    this.look("leave", "leave", text.leave);
    document.addEventListener("keydown", this.onKey);
  }

  close(): void {
    document.removeEventListener("keydown", this.onKey);
  }

  /** Shows what is on. */
  show(on: { microphone: boolean; camera: boolean; screen: boolean }): void {
    this.look("microphone", on.microphone ? "microphone" : "microphoneOff", on.microphone ? text.mute : text.unmute);
    this.look("camera", on.camera ? "camera" : "cameraOff", on.camera ? text.cameraOff : text.cameraOn);
    this.look("screen", on.screen ? "screenOff" : "screen", on.screen ? text.stopSharing : text.shareScreen);
    toggle(this.buttons.get("microphone")!, "data-off", on.microphone ? undefined : "");
    toggle(this.buttons.get("camera")!, "data-off", on.camera ? undefined : "");
    toggle(this.buttons.get("screen")!, "data-on", on.screen ? "" : undefined);
  }

  private button(action: Action, key: string): HTMLButtonElement {
    const button = h("button", {
      type: "button",
      class: "control",
      id: `control-${action}`,
      "data-action": action,
      "aria-keyshortcuts": key,
    });
    if (action === "screen" && !navigator.mediaDevices?.getDisplayMedia) button.hidden = true;
    button.addEventListener("click", () => this.actions[action]());
    this.buttons.set(action, button);
    return button;
  }

  private look(action: Action, name: IconName, label: string): void {
    const button = this.buttons.get(action)!;
    if (button.dataset.label === label) return;
    button.dataset.label = label;
    button.replaceChildren(icon(name), h("span", { text: label }));
    const key = button.getAttribute("aria-keyshortcuts") ?? "";
    button.setAttribute("aria-label", label);
    button.title = `${label} (${key})`;
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const target = event.target as HTMLElement | null;
    if (target?.closest("input, select, textarea, dialog[open]")) return;
    const action = KEYS[event.key.toLowerCase()];
    if (!action || this.buttons.get(action)?.hidden) return;
    event.preventDefault();
    this.actions[action]();
  }
}
