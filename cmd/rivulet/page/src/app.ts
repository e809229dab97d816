/**
 * The call page: start form, call, ending. Everything that concerns the call
 * itself is done by the SDK; this is what people see of it.
 */
import { type Call, CallError, connect, type Source } from "./sdk";
import { CallView } from "./callview";
import { Devices } from "./devices";
import { h } from "./dom";
import { ended } from "./ended";
import { readLink, tabIdentity } from "./link";
import { type Entry, Lobby } from "./lobby";
import type { Phone } from "./phone";
import { language, text } from "./text";

/** What automation may look at. */
interface Handle {
  /** Where the page is. */
  view: "lobby" | "joining" | "call" | "ended" | "phone";
  /** Rings and is rung, where the address says so. */
  phone?: Phone;
  /** The call, once joined; stays after it ended. */
  call?: Call;
  /** Why joining or the call ended. */
  error?: { code: string; message: string };
}

declare global {
  interface Window {
    rivulet: Handle;
  }
}

const handle: Handle = { view: "lobby" };
window.rivulet = handle;
const root = document.getElementById("app")!;
const link = readLink(new URL(location.href));
const identity = tabIdentity();
let devices = new Devices(link);
let wakeLock: WakeLockSentinel | undefined;

function show(element: HTMLElement, title: string): void {
  root.replaceChildren(element);
  document.title = title;
}

/** The start form; with a refusal it says why joining without it failed. */
function lobby(refusal?: { code: string; message: string }): void {
  handle.view = "lobby";
  const form = new Lobby(devices, link, (entry) => void join(entry, form));
  show(form.element, text.product);
  void warnOfDevelopment(form.element);
  if (refusal) form.refuse(refusal.code, refusal.message);
  void form.start();
}

/** Says so loudly when the server lets everybody in. */
async function warnOfDevelopment(where: HTMLElement): Promise<void> {
  try {
    const { tokens } = (await (await fetch("/v1/info")).json()) as { tokens?: boolean };
    if (tokens === false) where.prepend(h("p", { class: "banner development", role: "note" }, text.development));
  } catch {
    // A page served by others has no such address: nothing is known then.
  }
}

async function join(entry: Entry, form?: Lobby): Promise<void> {
  handle.view = "joining";
  handle.error = undefined;
  form?.busy(true);
  Object.assign(link, { room: entry.room, name: entry.name, audio: entry.microphone, video: entry.camera });
  const publish: Partial<Record<Source, MediaStreamTrack | { track: MediaStreamTrack; muted: boolean }>> = {};
  const { microphone, camera } = devices.open;
  if (microphone) publish.microphone = { track: microphone, muted: !entry.microphone };
  if (camera && entry.camera) publish.camera = camera;
  let call: Call;
  try {
    call = await connect({
      room: entry.room,
      name: entry.name || undefined,
      identity,
      token: link.token || undefined,
      dataMode: link.dataMode,
      publish,
      rtc: link.rtc,
      slots: link.slots,
      client: "page/0.1",
      pauseWhenHidden: link.pauseWhenHidden,
    });
  } catch (error) {
    const { code, message } = error instanceof CallError ? error : new CallError("other", String(error));
    handle.error = { code, message };
    handle.view = "lobby";
    if (form) form.refuse(code, message);
    else lobby({ code, message });
    return;
  }
  form?.close();
  enter(call);
}

function enter(call: Call): void {
  handle.call = call;
  handle.view = "call";
  if (location.pathname !== `/r/${encodeURIComponent(call.room)}`) {
    history.replaceState(null, "", `/r/${encodeURIComponent(call.room)}${location.search}${tokenHash()}`);
  }
  const view = new CallView(call, devices);
  show(view.element, `${call.room} · ${text.product}`);
  const speaker = devices.chosen.speaker;
  if (speaker) call.setAudioOutput(speaker).catch(() => undefined); // Gone meanwhile: the usual one plays.
  void stayAwake();
  call.on("closed", ({ detail }) => {
    view.close();
    leave(detail);
  });
}

function leave(ending: { code: string; message: string }): void {
  handle.view = "ended";
  if (ending.code !== "left") handle.error = ending;
  devices.stopAll();
  void wakeLock?.release();
  wakeLock = undefined;
  const { audio, video } = link;
  const again = async () => {
    waiting();
    devices = new Devices(link);
    await devices.start(audio, video);
    await join({ room: link.room, name: link.name, microphone: audio, camera: video });
  };
  const elsewhere = () => {
    history.replaceState(null, "", "/");
    link.room = "";
    link.auto = false;
    devices = new Devices(link);
    lobby();
  };
  show(ended(ending, () => void again(), elsewhere), text.product);
}

/** While joining without the start form. */
function waiting(): void {
  handle.view = "joining";
  show(h("main", { class: "ended" }, h("p", { class: "joining", role: "status", text: text.joining })), text.product);
}

/** Keeps the screen of a phone from going dark during a call. */
async function stayAwake(): Promise<void> {
  if (document.visibilityState !== "visible" || handle.view !== "call") return;
  wakeLock = await navigator.wakeLock?.request("screen").catch(() => undefined);
}

/** The token stays in the address, in the part that no server sees, so that a reload can use it. */
function tokenHash(): string {
  return link.token && !location.search.includes("token=") ? `#token=${encodeURIComponent(link.token)}` : "";
}

/** Rings and is rung, instead of joining rooms by name. */
async function phone(): Promise<void> {
  let view: CallView | undefined;
  const { Phone } = await import("./phone");
  const phone = new Phone({
    token: link.token || undefined,
    user: link.user || undefined,
    device: link.device || identity,
    direct: link.direct,
    options: { dataMode: link.dataMode, rtc: link.rtc, slots: link.slots, client: "page/0.1", pauseWhenHidden: link.pauseWhenHidden },
    publish: async (call) => {
      await devices.start(link.audio, link.video);
      if (call.state === "closed") return devices.stopAll();
      const { microphone, camera } = devices.open;
      if (microphone) await call.publish("microphone", microphone);
      if (camera) await call.publish("camera", camera);
    },
    enter: (call, title, hangUp) => {
      handle.call = call;
      handle.view = "call";
      view = new CallView(call, devices, { title, hangUp });
      show(view.element, `${title} · ${text.product}`);
      void stayAwake();
    },
    show: (element) => {
      if (handle.view === "call") devices.stopAll();
      view?.close();
      view = undefined;
      void wakeLock?.release();
      wakeLock = undefined;
      handle.view = "phone";
      show(element, text.product);
    },
  });
  handle.phone = phone;
  try {
    await phone.start();
  } catch (error) {
    const { code, message } = error instanceof CallError ? error : new CallError("other", String(error));
    handle.error = { code, message };
    show(ended({ code, message }, () => location.reload(), () => location.assign("/")), text.product);
  }
}

async function start(): Promise<void> {
  document.documentElement.lang = language;
  document.addEventListener("visibilitychange", () => void stayAwake());
  if (link.phone && !link.room) return phone();
  if (!link.auto || !link.room) return lobby();
  waiting();
  await devices.start(link.audio, link.video);
  await join({ room: link.room, name: link.name, microphone: link.audio, camera: link.video });
}

void start();
