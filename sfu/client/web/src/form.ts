/**
 * The compact form is a file of its own, because it is as large as a third of
 * the rest: it is fetched beside, and used once it is there. Joins before that
 * are made in the text form.
 */
export type Form = typeof import("./compact");

/** The name of the text form; browsers fail when no name they offer is taken. */
export const PLAIN = "rivulet.v1";

let loaded: Form | undefined;

/** Answers the compact form, if it is there. */
export function compactForm(): Form | undefined {
  return loaded;
}

/** Fetches the compact form, beside this module. Ends when it is there or cannot be had. */
export async function loadForm(): Promise<void> {
  try {
    const beside = new URL("compact.js", import.meta.url).href;
    loaded = (await import(beside)) as Form;
  } catch {
    // The text form does as well, in more bytes.
  }
}

void loadForm();
