/**
 * Building elements without markup in strings, so that no name of a person
 * or room can ever become code.
 */
type Child = Node | string | undefined | false;

/** Attributes; "class" and "text" included, true means present, undefined and false absent. */
export type Attributes = Record<string, string | number | boolean | undefined>;

/** Makes an element. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name === "text") element.textContent = String(value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/** Sets or removes an attribute. */
export function toggle(element: Element, name: string, value: string | undefined): void {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Sets text if it changed: screen readers read changes. */
export function setText(element: Element, value: string): void {
  if (element.textContent !== value) element.textContent = value;
}

/** Shows something for a few seconds and reads it out. */
export function announce(message: string, urgent = false): void {
  const region = document.getElementById(urgent ? "alert" : "live");
  if (region) region.textContent = message;
  const toasts = document.getElementById("toasts");
  if (!toasts) return;
  const toast = h("p", { class: urgent ? "toast urgent" : "toast", "aria-hidden": "true", text: message });
  toasts.append(toast);
  while (toasts.children.length > 3) toasts.firstChild?.remove();
  setTimeout(() => toast.remove(), urgent ? 9000 : 3500);
}
