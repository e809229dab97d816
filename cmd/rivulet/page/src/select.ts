/**
 * A labelled choice of one device kind.
 */
import { h } from "./dom";
import { text } from "./text";

export class DeviceSelect {
  readonly element: HTMLLabelElement;
  private readonly select: HTMLSelectElement;

  constructor(
    private readonly label: string,
    changed: (deviceId: string) => void,
  ) {
    this.select = h("select");
    this.select.addEventListener("change", () => changed(this.select.value));
    this.element = h("label", { class: "field" }, h("span", { text: label }), this.select);
  }

  /** Shows these devices, with the chosen one marked. */
  fill(devices: MediaDeviceInfo[], chosen: string | undefined): void {
    const options = devices.map((device, index) =>
      h("option", { value: device.deviceId, text: device.label || text.numbered(this.label, index + 1) }),
    );
    if (options.length === 0) options.push(h("option", { value: "", text: text.noDevice }));
    this.select.replaceChildren(...options);
    this.select.disabled = devices.length === 0;
    if (chosen && devices.some((device) => device.deviceId === chosen)) this.select.value = chosen;
  }
}
