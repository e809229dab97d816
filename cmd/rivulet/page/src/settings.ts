/**
 * The dialog in a call: data, devices, keys, and how the connection runs.
 */
import type { Call, DataMode, Statistics } from "../../../../sfu/client/web/src/index";
import { canChooseSpeaker, type Devices, type Kind } from "./devices";
import { h, setText } from "./dom";
import { bytes, percent } from "./format";
import { icon } from "./icons";
import { Moderation } from "./moderation";
import { Pictures } from "./pictures";
import { DeviceSelect } from "./select";
import { text } from "./text";

/** The data limits to choose from, in bytes for an hour; 0 for none. */
const LIMITS = [0, 25e6, 50e6, 100e6, 250e6, 500e6, 1e9];

export class Settings {
  readonly element: HTMLDialogElement;
  private readonly selects: Record<Kind | "speaker", DeviceSelect>;
  private readonly facts = { path: h("dd"), delay: h("dd"), loss: h("dd") };
  private readonly modes: HTMLInputElement[] = [];
  private readonly limit = h("select", {});
  private readonly pictures: Pictures;
  private readonly moderation: Moderation;

  constructor(
    private readonly call: Call,
    private readonly devices: Devices,
    changeDevice: (kind: Kind) => void,
    private readonly modeChanged: () => void,
  ) {
    const choose = (kind: Kind) => (id: string) => {
      devices.choose(kind, id);
      changeDevice(kind);
    };
    this.selects = {
      microphone: new DeviceSelect(text.microphone, choose("microphone")),
      camera: new DeviceSelect(text.camera, choose("camera")),
      speaker: new DeviceSelect(text.speaker, (id) => {
        devices.choose("speaker", id);
        call.setAudioOutput(id).catch(() => undefined); // Gone meanwhile: the old one stays.
      }),
    };
    this.pictures = new Pictures(call);
    this.moderation = new Moderation(call);
    this.element = this.build();
  }

  open(): void {
    if (this.element.open) return;
    for (const mode of this.modes) mode.checked = mode.value === this.call.dataMode;
    this.limit.value = String(this.call.dataBudget?.hour ?? 0);
    void this.list();
    this.element.showModal();
    this.show(this.call.statistics);
  }

  /** Shows how the connection runs. */
  show(statistics: Statistics): void {
    if (!this.element.open) return;
    setText(this.facts.path, this.call.path === "direct" ? text.ways.direct.short : text.paths[statistics.path] ?? text.unknown);
    const delay = Math.round(statistics.roundTrip);
    setText(this.facts.delay, delay > 0 ? text.milliseconds(delay) : text.unknown);
    setText(this.facts.loss, text.percent(percent(statistics.loss)));
    this.pictures.show(statistics);
  }

  /** Somebody came, went, or was muted; the room was locked. */
  refresh(): void {
    this.moderation.show();
  }

  private async list(): Promise<void> {
    const found = await this.devices.list();
    for (const kind of ["microphone", "camera", "speaker"] as const) {
      const current = kind === "speaker" ? undefined : this.call.tracks.get(kind)?.track.getSettings().deviceId;
      this.selects[kind].fill(found[kind], current ?? this.devices.chosen[kind]);
    }
  }

  private build(): HTMLDialogElement {
    const close = h("button", { type: "button", class: "quiet icon-only", "aria-label": text.close }, icon("close"));
    const dialog = h(
      "dialog",
      { class: "settings", "aria-label": text.settings },
      h("header", {}, h("h2", { text: text.settings }), close),
      h(
        "fieldset",
        {},
        h("legend", { text: text.dataMode }),
        this.mode("auto", text.modeAuto, text.modeAutoHint),
        this.mode("low", text.modeLow, text.modeLowHint),
        this.mode("voice", text.modeVoice, text.modeVoiceHint),
        this.dataLimit(),
      ),
      h(
        "fieldset",
        {},
        h("legend", { text: text.devices }),
        this.selects.microphone.element,
        this.selects.camera.element,
        canChooseSpeaker ? this.selects.speaker.element : undefined,
      ),
      this.moderation.element,
      h(
        "dl",
        { class: "facts" },
        h("div", {}, h("dt", { text: text.path }), this.facts.path),
        h("div", {}, h("dt", { text: text.delay }), this.facts.delay),
        h("div", {}, h("dt", { text: text.loss }), this.facts.loss),
      ),
      this.pictures.element,
      h("section", { class: "keys" }, h("h3", { text: text.keyboard }), keys()),
    );
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    return dialog;
  }

  private dataLimit(): HTMLLabelElement {
    for (const limit of LIMITS) {
      const words = limit > 0 ? text.perHour(bytes(limit)) : text.noLimit;
      this.limit.append(h("option", { value: String(limit), text: words }));
    }
    this.limit.addEventListener("change", () => {
      this.call.setDataBudget({ hour: Number(this.limit.value) }).catch(() => undefined); // The next join says it again.
    });
    return h("label", { class: "field limit" }, h("span", { text: text.dataLimit }), this.limit, h("small", { text: text.dataLimitHint }));
  }

  private mode(value: DataMode, label: string, hint: string): HTMLLabelElement {
    const input = h("input", { type: "radio", name: "mode", value });
    input.addEventListener("change", () => {
      this.call.setDataMode(value).then(this.modeChanged, this.modeChanged);
      this.modeChanged();
    });
    this.modes.push(input);
    return h(
      "label",
      { class: "choice" },
      input,
      h("span", {}, h("strong", { text: label }), h("small", { text: hint })),
    );
  }
}

function keys(): HTMLElement {
  const list = [
    ["M", text.keyMute],
    ["V", text.keyCamera],
    ["S", text.keyScreen],
    ["D", text.keySettings],
    ["L", text.keyLeave],
  ] as const;
  return h("ul", {}, ...list.map(([key, words]) => h("li", {}, h("kbd", { text: key }), ` ${words}`)));
}
