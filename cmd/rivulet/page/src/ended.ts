/**
 * After the call: what happened and what one can do now.
 */
import { h } from "./dom";
import { mark } from "./icons";
import { text, trouble } from "./text";

export interface Ending {
  code: string;
  message: string;
}

/** Makes the view; `again` joins the same room, `elsewhere` shows the start form. */
export function ended({ code, message }: Ending, again: () => void, elsewhere: () => void): HTMLElement {
  const left = code === "left" || code === "aborted";
  const { what, why, next } = trouble(code);
  const rejoin = h("button", { type: "button", class: "primary", id: "rejoin", text: text.rejoin });
  const other = h("button", { type: "button", class: "quiet", text: text.newCall });
  rejoin.addEventListener("click", again);
  other.addEventListener("click", elsewhere);
  const view = h(
    "main",
    { class: "ended" },
    h(
      "div",
      { class: "card" },
      mark(),
      h("h1", { text: left ? text.left : what, tabindex: -1 }),
      h("p", { text: left ? text.leftHint : `${why} ${next}` }),
      left ? undefined : h("small", { text: `${text.details}: ${code}: ${message}` }),
      h("div", { class: "actions" }, rejoin, other),
    ),
  );
  queueMicrotask(() => rejoin.focus());
  return view;
}
