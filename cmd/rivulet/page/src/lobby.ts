/**
 * Before the call: who one is, where to, and with which devices.
 */
import { canChooseSpeaker, type Devices, type Kind, meter } from "./devices";
import { h, toggle } from "./dom";
import { icon, mark } from "./icons";
import type { Link } from "./link";
import { DeviceSelect } from "./select";
import { text, trouble, type Trouble } from "./text";

/** What the form says when it is sent. */
export interface Entry {
  room: string;
  name: string;
  microphone: boolean;
  camera: boolean;
}

export class Lobby {
  readonly element: HTMLElement;
  private readonly video = h("video", { muted: true, autoplay: true, playsinline: true, "aria-label": text.preview });
  private readonly placeholder = h("p", { class: "preview-off", text: text.openingDevices });
  private readonly level = h("div", { class: "level", "aria-hidden": "true" }, h("i"));
  private readonly notices = h("div", { class: "notices", role: "status", "aria-live": "polite" });
  private readonly name: HTMLInputElement;
  private readonly room: HTMLInputElement;
  private readonly submit: HTMLButtonElement;
  private readonly problem = h("div", { class: "problem", role: "alert" });
  private readonly buttons: Record<Kind, HTMLButtonElement>;
  private readonly selects: Record<Kind | "speaker", DeviceSelect>;
  private readonly wanted: Record<Kind, boolean>;
  private stopMeter?: () => void;
  private readonly onDevices = () => void this.list();

  constructor(
    private readonly devices: Devices,
    link: Link,
    private readonly enter: (entry: Entry) => void,
  ) {
    this.wanted = { microphone: link.audio, camera: link.video };
    this.name = h("input", {
      id: "name",
      maxlength: 40,
      autocomplete: "name",
      placeholder: text.namePlaceholder,
      value: link.name || devices.chosen.name || "",
    });
    this.room = h("input", {
      id: "room",
      maxlength: 40,
      required: true,
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      placeholder: text.roomPlaceholder,
      value: link.room,
    });
    this.submit = h("button", { class: "primary", type: "submit", id: "join", text: text.join });
    this.buttons = { microphone: this.toggleButton("microphone"), camera: this.toggleButton("camera") };
    this.selects = {
      microphone: new DeviceSelect(text.microphone, (id) => this.chose("microphone", id)),
      camera: new DeviceSelect(text.camera, (id) => this.chose("camera", id)),
      speaker: new DeviceSelect(text.speaker, (id) => devices.choose("speaker", id)),
    };
    this.element = this.build();
  }

  /** Opens the devices and lists them. */
  async start(): Promise<void> {
    navigator.mediaDevices?.addEventListener?.("devicechange", this.onDevices);
    (this.room.value ? this.name : this.room).focus();
    await this.devices.start(this.wanted.microphone, this.wanted.camera);
    this.show();
    await this.list();
  }

  /** Ends the preview; the devices stay open for the call. */
  close(): void {
    this.stopMeter?.();
    this.video.srcObject = null;
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.onDevices);
  }

  /** Shows that joining is under way, or no longer. */
  busy(joining: boolean): void {
    this.submit.disabled = joining;
    this.submit.textContent = joining ? text.joining : text.join;
    if (joining) this.problem.replaceChildren();
  }

  /** Says why joining failed. */
  refuse(code: string, message: string): void {
    this.busy(false);
    const { what, why, next } = trouble(code);
    this.problem.replaceChildren(
      h("strong", { text: `${text.cannotJoin}: ${what}` }),
      h("span", { text: `${why} ${next}` }),
      h("small", { text: `${text.details}: ${code}: ${message}` }),
    );
  }

  private build(): HTMLElement {
    const form = h(
      "form",
      { class: "entry" },
      h("div", { class: "brand" }, mark(), h("h1", { text: text.product })),
      h("p", { class: "tagline", text: text.tagline }),
      h("label", { class: "field", for: "name" }, h("span", { text: text.yourName }), this.name),
      h("label", { class: "field", for: "room" }, h("span", { text: text.room }), this.room),
      this.choices(),
      this.problem,
      this.submit,
    );
    form.noValidate = true;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    const preview = h(
      "div",
      { class: "preview" },
      this.video,
      this.placeholder,
      this.level,
      h("div", { class: "preview-buttons" }, this.buttons.microphone, this.buttons.camera),
    );
    return h("main", { class: "lobby" }, h("section", { class: "look" }, preview, this.notices), form);
  }

  /** The device choices: in view where there is room, folded away on phones. */
  private choices(): HTMLElement {
    const { microphone, camera, speaker } = this.selects;
    return h(
      "details",
      { class: "more", open: matchMedia("(min-width: 52.001rem)").matches },
      h("summary", { text: text.devices }),
      microphone.element,
      camera.element,
      canChooseSpeaker ? speaker.element : undefined,
    );
  }

  private send(): void {
    const room = this.room.value.trim();
    if (!room) {
      this.problem.replaceChildren(h("strong", { text: text.roomMissing }));
      this.room.focus();
      return;
    }
    const name = this.name.value.trim();
    this.devices.choose("name", name);
    this.enter({ room, name, microphone: this.wanted.microphone, camera: this.wanted.camera });
  }

  private toggleButton(kind: Kind): HTMLButtonElement {
    const button = h("button", { type: "button", class: "round" });
    button.addEventListener("click", () => void this.flip(kind));
    return button;
  }

  private async flip(kind: Kind): Promise<void> {
    // Something wanted that failed is tried again; everything else flips.
    this.wanted[kind] = this.devices.failures[kind] ? true : !this.wanted[kind];
    if (this.wanted[kind] && !this.devices.open[kind]) await this.devices.start1(kind);
    if (!this.wanted[kind]) {
      if (kind === "camera") this.devices.stop(kind); // Its light goes out.
      delete this.devices.failures[kind];
    }
    this.show();
    await this.list();
  }

  private async chose(kind: Kind, id: string): Promise<void> {
    this.devices.choose(kind, id);
    if (this.wanted[kind]) await this.devices.start1(kind);
    this.show();
  }

  private async list(): Promise<void> {
    const found = await this.devices.list();
    for (const kind of ["microphone", "camera", "speaker"] as const) {
      const current = kind === "speaker" ? undefined : this.devices.open[kind]?.getSettings().deviceId;
      this.selects[kind].fill(found[kind], current ?? this.devices.chosen[kind]);
    }
  }

  private show(): void {
    const { microphone, camera } = this.devices.open;
    this.video.srcObject = camera && this.wanted.camera ? new MediaStream([camera]) : null;
    this.placeholder.textContent = text.cameraIsOff;
    this.placeholder.hidden = this.video.srcObject !== null;
    this.stopMeter?.();
    this.stopMeter = undefined;
    const bar = this.level.firstElementChild as HTMLElement;
    bar.style.transform = "scaleX(0)";
    if (microphone && this.wanted.microphone) {
      this.stopMeter = meter(microphone, (level) => (bar.style.transform = `scaleX(${level.toFixed(2)})`));
    }
    this.showButton("microphone", text.mute, text.unmute);
    this.showButton("camera", text.cameraOff, text.cameraOn);
    this.notices.replaceChildren(...this.problems());
  }

  private showButton(kind: Kind, turnOff: string, turnOn: string): void {
    const on = this.wanted[kind] && this.devices.open[kind] !== undefined;
    const button = this.buttons[kind];
    button.replaceChildren(icon(on ? kind : `${kind}Off`));
    button.setAttribute("aria-label", on ? turnOff : turnOn);
    button.setAttribute("title", on ? turnOff : turnOn);
    toggle(button, "data-off", on ? undefined : "");
  }

  private problems(): HTMLElement[] {
    const names = { microphone: text.microphoneTrouble, camera: text.cameraTrouble };
    return (["microphone", "camera"] as const).flatMap((kind) => {
      const failure = this.devices.failures[kind];
      if (!failure || !this.wanted[kind]) return [];
      return [notice(names[kind], trouble(failure.code), () => void this.flip(kind))];
    });
  }
}

/** What happened, why and what to do, with a button to try again. */
function notice(subject: string, { what, why, next }: Trouble, retry: () => void): HTMLElement {
  const button = h("button", { type: "button", class: "quiet", text: text.retry });
  button.addEventListener("click", retry);
  return h(
    "div",
    { class: "notice" },
    h("p", {}, h("strong", { text: `${subject}: ${what}` }), ` ${why} ${next}`),
    button,
  );
}
