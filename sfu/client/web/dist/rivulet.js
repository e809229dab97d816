// src/audio.ts
var AudioOutput = class {
  constructor(blocked) {
    this.blocked = blocked;
  }
  blocked;
  elements = [];
  others = [];
  direct = false;
  device = "";
  /** Plays these slots instead of the earlier ones. */
  play(slots) {
    this.stop();
    for (const slot of slots) if (!slot.video) this.elements.push(this.element(slot.stream, false));
    void this.start();
  }
  /** Takes in the streams of a direct path, which are not heard until hear says so. */
  beside(streams) {
    clear(this.others);
    this.others = streams.map((stream) => this.element(stream, true));
    void this.start();
  }
  /** Lets the direct path be heard, or the slots, from this moment on. */
  hear(direct) {
    this.direct = direct;
    for (const element of this.elements) element.muted = direct;
    for (const element of this.others) element.muted = !direct;
  }
  element(stream, direct) {
    const element = new Audio();
    element.autoplay = true;
    element.srcObject = stream;
    element.muted = direct !== this.direct;
    if (this.device) element.setSinkId?.(this.device).catch(() => void 0);
    return element;
  }
  /** Starts playback; after a refusal call it from a click. */
  async start() {
    const results = await Promise.allSettled([...this.elements, ...this.others].map((element) => element.play()));
    const refused = results.some(
      (result) => result.status === "rejected" && result.reason?.name === "NotAllowedError"
    );
    if (refused) this.blocked();
  }
  /** Chooses the loudspeaker by its device id, where the browser can. */
  async use(device2) {
    this.device = device2;
    await Promise.all([...this.elements, ...this.others].map((element) => element.setSinkId?.(device2)));
  }
  stop() {
    clear(this.elements);
    this.elements = [];
  }
};
function clear(elements) {
  for (const element of elements) {
    element.pause();
    element.srcObject = null;
  }
}

// src/backoff.ts
var Backoff = class {
  /** Limits in milliseconds. */
  constructor(first2 = 200, limit = 5e3) {
    this.first = first2;
    this.limit = limit;
  }
  first;
  limit;
  attempt = 0;
  /** Answers the next wait in milliseconds: half to all of the doubled step. */
  next() {
    const step = Math.min(this.limit, this.first * 2 ** Math.min(this.attempt, 10));
    this.attempt++;
    return step * (0.5 + Math.random() / 2);
  }
  /** Begins again at the first step, after a success. */
  reset() {
    this.attempt = 0;
  }
};
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", end);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    globalThis.addEventListener?.("online", end);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
}

// src/errors.ts
var CallError = class extends Error {
  /** A code of the server's closed list (docs/protocol.md), or one of the
   * SDK's own: "network", "no_webrtc", "aborted", "closed", "media". */
  code;
  constructor(code, message) {
    super(message);
    this.name = "CallError";
    this.code = code;
  }
};
var RETRYABLE = /* @__PURE__ */ new Set(["network", "rate_limited", "server_full", "internal", "draining", "connection_lost"]);
function mayRetry(error) {
  return error instanceof CallError && RETRYABLE.has(error.code);
}
function asCallError(error, code = "media") {
  if (error instanceof CallError) return error;
  return new CallError(code, error instanceof Error ? error.message : String(error));
}

// src/control.ts
var MOST_MESSAGE = 1024;
var MOST_COMMAND = 16384;
var MOST_ATTRIBUTES = 16;
var MOST_ATTRIBUTE = 256;
var Control = class {
  /** @internal */
  constructor(send) {
    this.send = send;
  }
  send;
  /** Takes a participant out; it may not come back for banMs milliseconds, 0 to 30 days. */
  remove(who, banMs = 0) {
    return this.ask({ type: "room.remove", participant: idOf(who), banMs });
  }
  /** Mutes what a participant publishes, or asks it to unmute. It may unmute itself; permit forbids that. */
  mute(who, source, muted) {
    return this.ask({ type: "room.mute", participant: idOf(who), source, muted });
  }
  /** Replaces what a participant may do; what it may not publish any longer ends. */
  permit(who, permissions) {
    return this.ask({ type: "room.permit", participant: idOf(who), permissions });
  }
  /** Lets nobody else in but moderators, or everybody again. */
  lock(locked) {
    return this.ask({ type: "room.lock", locked });
  }
  /** Ends the room, and the call that it carries, for everybody. */
  end() {
    return this.ask({ type: "room.end" });
  }
  /**
   * Sets attributes that everybody sees, one's own or another's: at most 16, of 64
   * and 256 bytes. "" takes one away; those not named stay.
   */
  attributes(attributes, who) {
    return this.ask({ type: "room.attributes", attributes, ...who ? { participant: idOf(who) } : {} });
  }
  /**
   * Carries up to 1024 bytes to some participants, or to everybody else; ten messages a second.
   * Nothing is kept for who is not there.
   */
  async message(data, options = {}) {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    if (bytes.length > MOST_MESSAGE) throw new CallError("too_large", `a message has ${bytes.length} bytes; at most ${MOST_MESSAGE} are carried`);
    const payload = btoa(String.fromCharCode(...bytes));
    await this.ask({ type: "room.message", payload, topic: options.topic, to: options.to?.map(idOf) });
  }
  async ask(command) {
    if (JSON.stringify(command).length > MOST_COMMAND) throw new CallError("too_large", `${command.type} says more than is carried`);
    await this.send(command);
  }
};
function idOf(who) {
  return typeof who === "string" ? who : who.id;
}
function attributesOf(told) {
  const fit = (text) => typeof text === "string" && text.length <= MOST_ATTRIBUTE;
  return Object.fromEntries(Object.entries(told ?? {}).filter((entry) => entry.every(fit)).slice(0, MOST_ATTRIBUTES));
}
function payloadOf(told = "") {
  try {
    const bytes = Uint8Array.from(atob(String(told)), (letter) => letter.charCodeAt(0));
    return bytes.length > MOST_MESSAGE ? void 0 : bytes;
  } catch {
    return void 0;
  }
}

// src/elements.ts
var SETTLE = 120;
var STEP = 32;
var FRESH = 200;
var Elements = class {
  constructor(slotOf, expected, sendView, pauseHidden) {
    this.slotOf = slotOf;
    this.expected = expected;
    this.sendView = sendView;
    this.pauseHidden = pauseHidden;
    this.resize = new ResizeObserver(() => this.schedule());
    this.intersection = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const attachment = this.attachments.get(entry.target);
        if (attachment) attachment.visible = entry.isIntersecting;
      }
      this.schedule();
    });
    document.addEventListener("visibilitychange", this.onVisibility);
    document.addEventListener("enterpictureinpicture", this.onVisibility, true);
    document.addEventListener("leavepictureinpicture", this.onVisibility, true);
  }
  slotOf;
  expected;
  sendView;
  pauseHidden;
  attachments = /* @__PURE__ */ new Map();
  pinned = /* @__PURE__ */ new Set();
  manual;
  timer;
  sent = "";
  resize;
  intersection;
  onVisibility = () => this.schedule();
  /** Shows a track in an element from now on, whatever slot carries it. */
  attach(track, element) {
    this.detach(element);
    element.muted = true;
    element.autoplay = true;
    element.playsInline = true;
    const attachment = { track, element, visible: true };
    this.attachments.set(element, attachment);
    this.resize.observe(element);
    this.intersection.observe(element);
    this.refresh(track);
    this.watch(attachment);
    this.schedule();
  }
  /** Ends attach. */
  detach(element) {
    const attachment = this.attachments.get(element);
    if (!attachment) return;
    this.attachments.delete(element);
    this.resize.unobserve(element);
    this.intersection.unobserve(element);
    if (attachment.frames !== void 0) element.cancelVideoFrameCallback?.(attachment.frames);
    element.srcObject = null;
    delete element.dataset.stale;
    this.schedule();
  }
  /** Detaches every element of a track. */
  forget(track) {
    for (const attachment of [...this.attachments.values()]) {
      if (attachment.track === track) this.detach(attachment.element);
    }
  }
  /** Gives the elements of a track the stream of the slot it now has. */
  refresh(track) {
    const stream = this.slotOf(track)?.stream ?? null;
    for (const attachment of this.attachments.values()) {
      if (attachment.track !== track || attachment.element.srcObject === stream) continue;
      attachment.element.srcObject = stream;
      delete attachment.element.dataset.stale;
      if (stream) attachment.element.play().catch(() => void 0);
    }
  }
  /** Gives every element the stream that it is to show now. */
  refreshAll() {
    for (const { track } of [...this.attachments.values()]) this.refresh(track);
  }
  /** Tracks that matter more than others whatever their size. */
  pin(tracks) {
    this.pinned = new Set(tracks);
    this.schedule();
  }
  /** Replaces the automatic view; undefined returns to it. */
  setView(tracks) {
    this.manual = tracks;
    this.schedule();
  }
  /** Sends the view even if it has not changed: the session is new. */
  resend() {
    if (this.sent === "") return;
    this.sent = "";
    this.schedule();
  }
  close() {
    clearTimeout(this.timer);
    this.resize.disconnect();
    this.intersection.disconnect();
    document.removeEventListener("visibilitychange", this.onVisibility);
    document.removeEventListener("enterpictureinpicture", this.onVisibility, true);
    document.removeEventListener("leavepictureinpicture", this.onVisibility, true);
    for (const element of [...this.attachments.keys()]) this.detach(element);
    clearTimeout(this.timer);
  }
  schedule() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const tracks = this.manual ?? this.visible();
      const text = JSON.stringify(tracks);
      if (text === this.sent) return;
      this.sent = text;
      this.sendView(tracks);
    }, SETTLE);
  }
  visible() {
    const views = /* @__PURE__ */ new Map();
    const hidden = this.pauseHidden && document.visibilityState === "hidden";
    for (const { track, element, visible } of this.attachments.values()) {
      const floating = document.pictureInPictureElement === element;
      if ((hidden || !visible) && !floating) continue;
      const box = element.getBoundingClientRect();
      if (box.width < 2 || box.height < 2) continue;
      const ratio2 = globalThis.devicePixelRatio || 1;
      const width = Math.min(8192, Math.ceil(box.width * ratio2 / STEP) * STEP);
      const height = Math.min(8192, Math.ceil(box.height * ratio2 / STEP) * STEP);
      const known = views.get(track.id);
      if (known && known.width >= width) continue;
      views.set(track.id, { track: track.id, width, height, priority: this.priority(track, box) });
    }
    return [...views.values()].slice(0, 64);
  }
  /** 9 pinned, 8 a screen, else 1 to 6 by the share of the window it fills. */
  priority(track, box) {
    if (this.pinned.has(track.id)) return 9;
    if (track.source === "screen") return 8;
    const share = box.width * box.height / Math.max(1, globalThis.innerWidth * globalThis.innerHeight);
    return Math.max(1, Math.min(6, Math.ceil(share * 6)));
  }
  /**
   * Marks an element whose picture belongs to another source. The message
   * that says who is in a slot travels on TCP and may come after the media;
   * until it is acknowledged each packet names its source, so the picture is
   * hidden (data-stale) rather than shown under the wrong name.
   */
  watch(attachment) {
    const { element } = attachment;
    if (!element.requestVideoFrameCallback) return;
    attachment.frames = element.requestVideoFrameCallback(() => {
      this.judge(attachment);
      if (this.attachments.get(element) === attachment) this.watch(attachment);
    });
  }
  /** A hidden picture is judged again soon, even if no further frame comes. */
  judge(attachment) {
    const { element, track } = attachment;
    const slot = this.slotOf(track);
    const expected = slot && this.expected(slot.slot);
    const stale = slot !== void 0 && expected !== void 0 && namesAnother(slot.transceiver.receiver, expected);
    if (!stale) {
      delete element.dataset.stale;
      return;
    }
    element.dataset.stale = "";
    setTimeout(() => this.attachments.get(element) === attachment && this.judge(attachment), FRESH);
  }
};
function namesAnother(receiver, expected) {
  const named = receiver.getContributingSources().filter((entry) => entry.source > 0 && entry.source <= 65535);
  if (named.length === 0) return false;
  const newest = named.reduce((a, b) => b.timestamp > a.timestamp ? b : a);
  if (newest.source === expected) return false;
  const latest = Math.max(...receiver.getSynchronizationSources().map((entry) => entry.timestamp), newest.timestamp);
  return latest - newest.timestamp < FRESH;
}

// src/events.ts
var TypedTarget = class extends EventTarget {
  /**
   * Listens to an event and answers a function that ends it.
   */
  on(type, listener) {
    this.addEventListener(type, listener);
    return () => this.removeEventListener(type, listener);
  }
  /** Dispatches an event with its detail. */
  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
};

// src/local.ts
var LocalTrack = class {
  constructor(source, track, muted, owned) {
    this.source = source;
    this.track = track;
    this.owned = owned;
    this.muted = muted;
    track.enabled = !muted;
  }
  source;
  track;
  owned;
  /** The server's id, once it is published. */
  id;
  muted;
  /** Frees the device if the SDK opened it. */
  release() {
    if (this.owned) this.track.stop();
  }
};

// src/protocol.ts
var PROTOCOL_VERSION = 1;
var SOURCES = ["microphone", "camera", "screen", "screen_audio"];
function isPicture(source) {
  return source === "camera" || source === "screen";
}

// src/participants.ts
var RemoteTrack = class {
  constructor(participant, info) {
    this.participant = participant;
    this.id = info.id;
    this.source = info.source;
    this.update(info);
  }
  participant;
  id;
  source;
  muted = false;
  /** Encrypted end to end: only who has the key hears or sees it. */
  encrypted = false;
  /** Size of the source in pixels, 0 when unknown. */
  width = 0;
  height = 0;
  layers = [];
  /** The slot that carries this track now, if any. */
  slot;
  /** What is received and why not more; undefined until the server tells. */
  state;
  get video() {
    return isPicture(this.source);
  }
  /** @internal */
  update(info) {
    this.muted = info.muted ?? false;
    this.encrypted = info.encrypted ?? false;
    this.width = info.width ?? 0;
    this.height = info.height ?? 0;
    this.layers = info.layers ?? [];
  }
};
var Participant = class {
  constructor(info, local) {
    this.local = local;
    this.id = info.id;
    this.identity = info.identity;
    this.name = info.name || info.identity;
    this.attributes = attributesOf(info.attributes);
    for (const track of info.tracks ?? []) this.tracks.set(track.id, new RemoteTrack(this, track));
  }
  local;
  id;
  identity;
  name;
  tracks = /* @__PURE__ */ new Map();
  quality = "good";
  /** 0 (silent) to 127 (loudest). */
  level = 0;
  /** What it, a moderator or a backend has set, by name. */
  attributes;
  get speaking() {
    return this.level > 0;
  }
  /** The track of a source, if it is published. */
  track(source) {
    for (const track of this.tracks.values()) if (track.source === source) return track;
    return void 0;
  }
};
var Roster = class {
  /** Oneself; undefined until joined. */
  local;
  /** Nobody else gets in but moderators. */
  locked = false;
  /** One is a moderator. */
  admin = false;
  /** The others. */
  participants = /* @__PURE__ */ new Map();
  assignments = /* @__PURE__ */ new Map();
  /** Finds anyone. */
  find(id) {
    return id === this.local?.id ? this.local : this.participants.get(id);
  }
  /** Finds a track of anyone. */
  track(id) {
    if (id === void 0 || id === "") return void 0;
    for (const participant of this.participants.values()) {
      const track = participant.tracks.get(id);
      if (track) return track;
    }
    return void 0;
  }
  /** Adds a member; its tracks take the slots that already name them. */
  add(info) {
    const participant = new Participant(info, false);
    this.participants.set(participant.id, participant);
    for (const track of participant.tracks.values()) this.link(track);
    return participant;
  }
  /** Adds a track, or updates it if it is known. */
  publish(participant, info) {
    const known = participant.tracks.get(info.id);
    if (known) {
      known.update(info);
      return { track: known, fresh: false };
    }
    const track = new RemoteTrack(participant, info);
    participant.tracks.set(track.id, track);
    this.link(track);
    return { track, fresh: true };
  }
  /** Takes in what slots carry; answers the tracks that gained or lost one. */
  assign(changes) {
    const touched = /* @__PURE__ */ new Set();
    for (const change of changes) {
      const before = this.track(this.assignments.get(change.slot)?.track);
      if (before && before.id !== change.track && before.slot === change.slot) {
        before.slot = void 0;
        before.state = void 0;
        touched.add(before);
      }
      if (change.track) this.assignments.set(change.slot, change);
      else this.assignments.delete(change.slot);
    }
    for (const change of changes) {
      const track = this.track(change.track);
      if (!track || track.slot === change.slot) continue;
      track.slot = change.slot;
      track.state = void 0;
      touched.add(track);
    }
    return touched;
  }
  /** Forgets everybody else. */
  clear() {
    this.participants.clear();
    this.assignments.clear();
  }
  link(track) {
    for (const assignment of this.assignments.values()) {
      if (assignment.track === track.id) track.slot = assignment.slot;
    }
  }
};

// src/capture.ts
async function captureMicrophone(options = {}) {
  return first(
    open({
      audio: {
        ...device(options),
        channelCount: 1,
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true
      }
    }),
    "audio"
  );
}
async function captureCamera(options = {}) {
  const track = await first(
    open({
      video: {
        ...device(options),
        width: { ideal: options.width ?? 1280 },
        height: { ideal: options.height ?? 720 },
        frameRate: { ideal: 30, max: 30 },
        ...options.deviceId ? {} : { facingMode: "user" }
      }
    }),
    "video"
  );
  track.contentHint = "motion";
  return track;
}
async function captureScreen() {
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 30 } }, audio: true });
    const video = stream.getVideoTracks()[0];
    video.contentHint = "detail";
    return { video, audio: stream.getAudioTracks()[0] };
  } catch (error) {
    throw captureError(error);
  }
}
function capture(source) {
  if (source === "microphone") return captureMicrophone();
  if (source === "camera") return captureCamera();
  if (source === "screen") return captureScreen().then(({ video }) => video);
  return Promise.reject(new CallError("media", "screen sound comes with the screen: pass its track"));
}
function captureError(error) {
  if (error instanceof CallError) return error;
  const name = error instanceof Error ? error.name : "";
  const message = error instanceof Error ? error.message : String(error);
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return new CallError("denied", message);
    case "NotFoundError":
    case "OverconstrainedError":
    case "DevicesNotFoundError":
      return new CallError("no_device", message);
    case "NotReadableError":
    case "AbortError":
      return new CallError("device_busy", message);
  }
  return new CallError("media", message);
}
function device(options) {
  return options.deviceId ? { deviceId: { exact: options.deviceId } } : {};
}
async function open(constraints) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new CallError("insecure", "browsers open devices only on pages from HTTPS or localhost");
  }
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    throw captureError(error);
  }
}
async function first(stream, kind) {
  const track = (await stream).getTracks().find((one) => one.kind === kind);
  if (!track) throw new CallError("no_device", `no ${kind} came from the device`);
  return track;
}

// src/layers.ts
var CAMERA_RIDS = ["q", "h", "f"];
var THREE_LAYERS = 960 * 540;
var TWO_LAYERS = 480 * 270;
function rateFor(width, height) {
  const rate = 15e4 * Math.pow(width * height / (320 * 180), 0.75);
  return Math.round(Math.min(3e6, Math.max(6e4, rate)) / 1e3) * 1e3;
}
function cameraLayers(width, height, mode) {
  const pixels = width * height;
  const count = pixels >= THREE_LAYERS ? 3 : pixels >= TWO_LAYERS ? 2 : 1;
  const sent = mode === "low" ? 1 : count;
  const encodings = [];
  const layers = [];
  CAMERA_RIDS.forEach((rid, index) => {
    const active = index < sent && mode !== "voice";
    const scale = index < count ? 2 ** (count - 1 - index) : 1;
    const layer = { width: Math.floor(width / scale), height: Math.floor(height / scale) };
    const maxBitrate = rateFor(layer.width, layer.height);
    encodings.push({ rid, active, scaleResolutionDownBy: scale, maxBitrate });
    if (index < count) layers.push({ rid, ...layer, maxRate: maxBitrate });
  });
  return { encodings, layers };
}
function scalableRate(scalabilityMode, width, height, mode) {
  const [, count = "1", ratio2 = ""] = /^[LS]([1-3])T[1-3](h?)/.exec(scalabilityMode) ?? [];
  const step = ratio2 === "h" ? 1.5 : 2;
  let sum = 0;
  for (let layer = 0; layer < Number(count); layer++) {
    const scale = step ** (Number(count) - 1 - layer);
    sum += rateFor(width / scale, height / scale);
    if (mode === "low") break;
  }
  return sum;
}
function fewerLayers(scalabilityMode, width, height, mode, order) {
  const [, kind, count, temporal, rest] = /^([LS])([1-3])(T[1-3])(.*)$/.exec(scalabilityMode) ?? [];
  const spatials = order?.spatials ?? 0;
  let scale = 1;
  if (spatials > 0 && spatials < Number(count)) {
    scale = order?.scale || (rest?.startsWith("h") ? 1.5 : 2) ** (Number(count) - spatials);
    scalabilityMode = spatials === 1 ? `L1${temporal}` : `${kind}${spatials}${temporal}${rest}`;
  }
  const maxBitrate = scalableRate(scalabilityMode, width / scale, height / scale, mode);
  return { scalabilityMode, scaleResolutionDownBy: scale, maxBitrate };
}
function obey(encodings, orders) {
  for (const encoding of encodings) {
    const order = encoding.rid ? orders.find((one) => one.rid === encoding.rid) : orders[0];
    if (!order) continue;
    encoding.active = encoding.active !== false && order.active;
    if (order.maxRate) encoding.maxBitrate = Math.min(encoding.maxBitrate ?? Infinity, order.maxRate);
    if (order.maxFrameRate) encoding.maxFramerate = Math.min(encoding.maxFramerate ?? Infinity, order.maxFrameRate);
  }
}
var ANY_FRAME_RATE = 120;
function stuck(was, next) {
  const before = was.filter((one) => one.active);
  const after = next.filter((one) => one.active);
  if (before.length !== 1 || after.length !== 1 || before[0].rid !== after[0].rid) return false;
  return 1.5 * (before[0].maxFramerate ?? ANY_FRAME_RATE) <= (after[0].maxFramerate ?? ANY_FRAME_RATE);
}
var SCREEN_RATE = 25e5;

// src/sdp.ts
function mids(sdp) {
  return [...sdp.matchAll(/^a=mid:(\S+)/gm)].map((match) => match[1]);
}
function keepCandidates(sdp, transport) {
  return sdp.split("\r\n").filter((line) => !line.startsWith("a=candidate:") || line.split(" ")[2]?.toLowerCase() === transport).join("\r\n");
}
function keepTurn(servers, transport) {
  const kept = [];
  for (const server of servers) {
    const urls = (Array.isArray(server.urls) ? server.urls : [server.urls]).filter((url) => {
      if (!/^turns?:/i.test(url)) return false;
      const named = /[?&]transport=(\w+)/i.exec(url)?.[1]?.toLowerCase();
      return (named ?? (/^turns:/i.test(url) ? "tcp" : "udp")) === transport;
    });
    if (urls.length > 0) kept.push({ ...server, urls });
  }
  return kept;
}
function askAgain(sdp) {
  return eachSection(sdp, (lines) => {
    const opus = lines[0].startsWith("m=audio") ? payloadType(lines, "opus") : void 0;
    if (!opus || lines.includes(`a=rtcp-fb:${opus} nack`)) return lines;
    return lines.flatMap(
      (line) => line.startsWith(`a=rtpmap:${opus} `) ? [line, `a=rtcp-fb:${opus} nack`] : [line]
    );
  });
}
function askVoice(sdp, mid, ask) {
  return eachSection(sdp, (lines) => {
    if (!lines[0].startsWith("m=audio") || !lines.includes(`a=mid:${mid}`)) return lines;
    const opus = payloadType(lines, "opus");
    const red = payloadType(lines, "red");
    if (!opus) return lines;
    const parameters = (list) => [
      ...list.split(";").filter((p) => p && !/^\s*(maxaveragebitrate|usedtx|useinbandfec)=/.test(p)),
      `maxaveragebitrate=${ask.maxRate}`,
      `usedtx=${ask.dtx ? 1 : 0}`,
      ...ask.fec ? ["useinbandfec=1"] : []
    ].join(";");
    const fmtp = `a=fmtp:${opus} `;
    const described = lines.some((line) => line.startsWith(fmtp));
    return lines.flatMap((line) => {
      if (line.startsWith("a=ptime:")) return [];
      if (line.startsWith("m=")) return [prefer(line, ask.red > 0 && red ? red : opus)];
      if (line.startsWith(fmtp)) return [fmtp + parameters(line.slice(fmtp.length))];
      if (!line.startsWith(`a=rtpmap:${opus} `)) return [line];
      return [line, `a=ptime:${ask.packetTime}`, ...described ? [] : [fmtp + parameters("")]];
    });
  });
}
function pauseLayers(sdp, mid, paused) {
  return eachSection(sdp, (lines) => {
    if (!lines.includes(`a=mid:${mid}`)) return lines;
    return lines.map((line) => {
      const found = /^a=simulcast:recv (\S+)$/.exec(line);
      if (!found) return line;
      const rids = found[1].split(";").map((rid) => rid.replace(/^~/, ""));
      return `a=simulcast:recv ${rids.map((rid) => paused.includes(rid) ? `~${rid}` : rid).join(";")}`;
    });
  });
}
function withoutPictures(sdp) {
  return eachSection(sdp, (lines) => lines[0].startsWith("m=video") ? lines.filter((line) => !line.startsWith("a=ssrc")) : lines);
}
function boundPictures(sdp) {
  return eachSection(sdp, (lines) => {
    if (!lines[0].startsWith("m=video")) return lines;
    const again = lines.includes("a=recvonly") ? lines.flatMap((line) => /^a=rtpmap:(\d+) rtx\//.exec(line)?.[1] ?? []) : [];
    return lines.flatMap((line) => {
      if (line.startsWith("m=")) return [line.split(" ").filter((field) => !again.includes(field)).join(" ")];
      if (line.startsWith("c=")) return [line, "b=AS:40"];
      return again.includes(/^a=\w+:(\d+) /.exec(line)?.[1] ?? "") ? [] : [line];
    });
  });
}
var FAR = 400;
function roundTrip() {
  return navigator.connection?.rtt ?? 0;
}
function awaitsHello(sdp, rtt = roundTrip()) {
  return rtt < FAR ? sdp : sdp.replaceAll("a=setup:actpass", "a=setup:passive");
}
function eachSection(sdp, edit) {
  const sections = sdp.split(/\r\n(?=m=)/);
  return sections.map((text, index) => index === 0 ? text : edit(text.split("\r\n")).join("\r\n")).join("\r\n");
}
function payloadType(lines, codec) {
  for (const line of lines) {
    const found = /^a=rtpmap:(\d+) ([^/]+)\//.exec(line);
    if (found?.[2]?.toLowerCase() === codec) return found[1];
  }
  return void 0;
}
function prefer(line, first2) {
  const fields = line.split(" ");
  return [...fields.slice(0, 3), first2, ...fields.slice(3).filter((field) => field !== first2)].join(" ");
}

// src/media.ts
var Media = class {
  /** Makes the connection with its sections. Error codes no_webrtc, no_encryption. */
  constructor(rtc, audioSlots, videoSlots, countSDP, encryption) {
    this.rtc = rtc;
    this.countSDP = countSDP;
    this.encryption = encryption;
    if (typeof RTCPeerConnection === "undefined") {
      throw new CallError("no_webrtc", "this browser has no WebRTC, or it is switched off");
    }
    if (encryption && !("transform" in RTCRtpSender.prototype)) {
      throw new CallError("no_encryption", "this browser cannot encrypt");
    }
    this.pc = new RTCPeerConnection({
      bundlePolicy: "max-bundle",
      iceTransportPolicy: rtc.iceTransportPolicy ?? "all"
    });
    this.addSection("microphone", "audio");
    this.addSection(
      "camera",
      "video",
      rtc.scalabilityMode ? [scalable(rtc.scalabilityMode)] : CAMERA_RIDS.map((rid, index) => ({
        rid,
        scaleResolutionDownBy: 2 ** (CAMERA_RIDS.length - 1 - index),
        // Without a mode Chromium sends the first layer alone of these.
        .../vp9|av1/i.test(`${rtc.videoCodec}`) && scalable("L1T3")
      }))
    );
    this.addSection("screen", "video", [{ maxBitrate: SCREEN_RATE }]);
    this.addSection("screen_audio", "audio");
    for (let i = 0; i < audioSlots; i++) this.addSlot("audio");
    for (let i = 0; i < videoSlots; i++) {
      const transceiver = this.addSlot("video");
      this.prefer(transceiver, "receiver");
      wantDescriptor(transceiver);
    }
  }
  rtc;
  countSDP;
  encryption;
  pc;
  /** The slots by number; filled by accept. */
  slots = /* @__PURE__ */ new Map();
  /** Nothing is sent, whatever is published: it goes another way. encode puts it into force. */
  paused = false;
  /** The browser does not change the mode of a stream that has begun. */
  fixedMode = false;
  sections = /* @__PURE__ */ new Map();
  pending;
  /** What the server asked for of what is on the sections now. */
  orders = /* @__PURE__ */ new Map();
  /** The server's latest answer, as it came, and what is asked of sound since. */
  answer;
  voices = /* @__PURE__ */ new Map();
  /** Somebody shows a picture, or has; until then streams of pictures are not listened for. */
  pictures = false;
  /** One sends a picture, or has. */
  shows = false;
  /** One negotiation at a time; settles when what was asked, as to listen, is in force. */
  negotiating = Promise.resolve();
  /** Makes the offer. It is applied only by accept, when the ICE servers are known. */
  async offer(iceRestart = false) {
    await this.negotiating;
    const { type, sdp: made = "" } = await this.pc.createOffer({ iceRestart });
    this.countSDP();
    const sdp = askAgain(made);
    this.pending = { type, sdp };
    const names = mids(sdp);
    return { sdp: this.pc.remoteDescription ? sdp : awaitsHello(sdp), send: SOURCES.map((source, index) => ({ mid: names[index], source })) };
  }
  /** Applies the pending offer and its answer. What is asked meanwhile follows. */
  accept(answer, servers, slots) {
    const accepted = this.apply(answer, servers, slots);
    this.negotiating = accepted.catch(() => void 0);
    return accepted;
  }
  async apply(answer, servers, slots) {
    const offer = this.pending;
    if (!offer) throw new CallError("media", "there is no offer to answer");
    this.pending = void 0;
    this.countSDP();
    if (servers) {
      let iceServers = servers;
      if (this.rtc.turnTransport) iceServers = keepTurn(iceServers, this.rtc.turnTransport);
      this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
    }
    await this.pc.setLocalDescription(offer);
    this.answer = this.rtc.candidates ? keepCandidates(answer, this.rtc.candidates) : answer;
    await this.pc.setRemoteDescription({ type: "answer", sdp: this.edited(this.answer) });
    if (slots) this.fillSlots(slots);
  }
  /**
   * Applies the answer once more, edited by what is asked of sound. That happens
   * here alone: no SDP goes to the server.
   */
  async reapply() {
    if (!this.answer || this.pending || this.pc.signalingState !== "stable") return;
    const { type, sdp = "" } = await this.pc.createOffer();
    if (this.pending) return;
    await this.pc.setLocalDescription({ type, sdp: askAgain(sdp) });
    try {
      await this.pc.setRemoteDescription({ type: "answer", sdp: this.edited(this.answer) });
    } catch (error) {
      await this.pc.setLocalDescription({ type: "rollback" });
      throw error;
    }
  }
  /** Listens for pictures from now on: somebody shows one. */
  expectPictures() {
    if (this.pictures) return;
    this.pictures = true;
    this.again();
  }
  again() {
    this.negotiating = this.negotiating.then(() => this.reapply()).catch(() => void 0);
  }
  /**
   * Puts what is asked of sound into an answer, and which layers of pictures are
   * off: what is ordered of them comes by other means and must outlast it.
   */
  edited(answer) {
    let sdp = this.pictures ? answer : withoutPictures(answer);
    if (!this.shows) sdp = boundPictures(sdp);
    for (const { mid, sender } of this.sections.values()) {
      const paused = sender.getParameters().encodings.flatMap(({ rid, active }) => rid && active === false ? [rid] : []);
      if (mid && paused.length > 0) sdp = pauseLayers(sdp, mid, paused);
    }
    for (const [source, ask] of this.voices) {
      const mid = this.section(source).mid;
      if (mid) sdp = askVoice(sdp, mid, ask);
    }
    return sdp;
  }
  /** Says whether packets can flow. */
  get connected() {
    const state = this.pc.iceConnectionState;
    return (state === "connected" || state === "completed") && this.pc.connectionState !== "failed";
  }
  /**
   * Puts a track on the section of its source and sets its encodings. Answers
   * what to tell the server.
   */
  async send(source, sending, mode) {
    const { sender } = this.section(source);
    this.orders.delete(source);
    if (!this.shows && isPicture(source)) {
      this.shows = true;
      this.again();
    }
    const info = await this.encode(source, sending, mode);
    if (sender.track !== sending.track) await sender.replaceTrack(sending.track);
    return info;
  }
  /** Takes in what the server asks for of a source; encode puts it into force. */
  order(order) {
    if (order.audio) {
      this.voices.set(order.source, order.audio);
      this.again();
    }
    this.orders.set(order.source, { ...this.orders.get(order.source), ...order });
  }
  /**
   * Sets the encodings of a source: layers by its size, nothing while it is
   * muted, since silence and black pictures cost data too, and of pictures what
   * the server asks for.
   */
  async encode(source, sending, mode) {
    const { sender } = this.section(source);
    const info = { source, muted: isMuted(source, sending, mode), ...sender.transform ? { encrypted: true } : {} };
    const parameters = sender.getParameters();
    if (source === "microphone" || source === "screen_audio") {
      for (const encoding of parameters.encodings) encoding.active = !info.muted;
    } else {
      const { width = 0, height = 0 } = sending.track.getSettings();
      Object.assign(info, { width, height });
      if (source === "screen") {
        const low = mode === "low";
        for (const encoding of parameters.encodings) {
          encoding.active = !info.muted;
          encoding.maxBitrate = low ? 3e5 : SCREEN_RATE;
          encoding.maxFramerate = low ? 5 : 30;
        }
        const layer = { rid: "f", width, height, maxRate: low ? 3e5 : SCREEN_RATE };
        if (width > 0 && height > 0) info.layers = [layer];
      } else {
        const { encodings, layers } = cameraLayers(width || 640, height || 360, mode);
        const scalability = this.rtc.scalabilityMode;
        for (const encoding of parameters.encodings) {
          const wanted = encodings.find((e) => e.rid === encoding.rid) ?? {
            active: true,
            ...scalability ? this.scalable(scalability, width, height, mode, this.orders.get(source)?.layers?.[0]) : { maxBitrate: rateFor(width, height) }
          };
          encoding.maxFramerate = ANY_FRAME_RATE;
          Object.assign(encoding, wanted, { active: wanted.active && !info.muted });
        }
        if (!scalability) info.layers = layers;
      }
      obey(parameters.encodings, this.orders.get(source)?.layers ?? []);
      keepSize(parameters);
    }
    if (this.paused) for (const encoding of parameters.encodings) encoding.active = false;
    if (stuck(sender.getParameters().encodings, parameters.encodings)) await pause2(sender);
    Object.assign(parameters, { transactionId: sender.getParameters().transactionId });
    try {
      await sender.setParameters(parameters);
    } catch (error) {
      if (source !== "camera" || !this.rtc.scalabilityMode || this.fixedMode) throw error;
      this.fixedMode = true;
      return this.encode(source, sending, mode);
    }
    return info;
  }
  /** Answers how the camera's scalable stream is sent. */
  scalable(scalability, width, height, mode, order) {
    if (this.fixedMode) return { maxBitrate: scalableRate(scalability, width, height, mode) };
    return fewerLayers(scalability, width, height, mode, order);
  }
  /** Takes the track off its section. */
  async stop(source) {
    await this.section(source).sender.replaceTrack(null);
  }
  /** Closes the connection. */
  close() {
    this.pc.close();
  }
  section(source) {
    return this.sections.get(source);
  }
  addSection(source, kind, sendEncodings) {
    const transceiver = this.pc.addTransceiver(kind, { direction: "sendonly", sendEncodings });
    if (kind === "video") this.prefer(transceiver, "sender");
    const transform = this.encryption?.send(source);
    if (transform) transceiver.sender.transform = transform;
    this.sections.set(source, transceiver);
  }
  addSlot(kind) {
    const transceiver = this.pc.addTransceiver(kind, { direction: "recvonly" });
    if (this.encryption) transceiver.receiver.transform = this.encryption.receive(kind);
    return transceiver;
  }
  prefer(transceiver, side) {
    const name = this.rtc.videoCodec?.toLowerCase();
    if (!name || !transceiver.setCodecPreferences) return;
    const codecs = (side === "sender" ? RTCRtpSender : RTCRtpReceiver).getCapabilities("video")?.codecs ?? [];
    const first2 = codecs.filter((codec) => codec.mimeType.toLowerCase() === `video/${name}`);
    if (first2.length > 0) {
      transceiver.setCodecPreferences([...first2, ...codecs.filter((codec) => !first2.includes(codec))]);
    }
  }
  fillSlots(slots) {
    this.slots.clear();
    for (const { slot, mid, video = false } of slots) {
      const transceiver = this.pc.getTransceivers().find((t) => t.mid === mid);
      if (!transceiver) continue;
      const stream = new MediaStream([transceiver.receiver.track]);
      this.slots.set(slot, { slot, video, transceiver, stream });
    }
  }
};
function scalable(mode) {
  const encoding = { scalabilityMode: mode };
  return encoding;
}
async function pause2(sender) {
  const parameters = sender.getParameters();
  for (const encoding of parameters.encodings) encoding.active = false;
  await sender.setParameters(parameters);
}
function keepSize(parameters) {
  parameters.degradationPreference = "maintain-resolution";
}
function isMuted(source, sending, mode) {
  return sending.muted || mode === "voice" && isPicture(source);
}
function wantDescriptor(transceiver) {
  const extended = transceiver;
  const list = extended.getHeaderExtensionsToNegotiate?.();
  if (!list || !extended.setHeaderExtensionsToNegotiate) return;
  for (const extension of list) {
    if (extension.uri.includes("dependency-descriptor")) extension.direction = "sendrecv";
  }
  try {
    extended.setHeaderExtensionsToNegotiate(list);
  } catch {
  }
}

// src/publications.ts
var Publications = class {
  constructor(session, mode, changed) {
    this.session = session;
    this.mode = mode;
    this.changed = changed;
  }
  session;
  mode;
  changed;
  tracks = /* @__PURE__ */ new Map();
  queue = Promise.resolve();
  /** Remembers a track without telling anybody, as before a join. */
  adopt(local) {
    this.tracks.set(local.source, local);
    local.track.addEventListener("ended", () => {
      if (this.tracks.get(local.source) === local) this.unpublish(local.source).catch(() => void 0);
    });
  }
  async publish(source, track, muted) {
    const local = new LocalTrack(source, track ?? await capture(source), muted, !track);
    const before = this.tracks.get(source);
    if (before && before.track !== local.track) before.release();
    this.adopt(local);
    try {
      await this.announce(local);
    } catch (error) {
      if (this.tracks.get(source) === local) await this.unpublish(source);
      throw error;
    }
    this.changed(source, local);
    return local;
  }
  async unpublish(source) {
    const local = this.tracks.get(source);
    if (!local) return;
    this.tracks.delete(source);
    local.release();
    this.changed(source);
    await this.withdraw(source);
  }
  async mute(source, muted) {
    const local = this.tracks.get(source);
    if (!local) return;
    local.muted = muted;
    await this.applyMute(local);
    this.changed(source, local);
  }
  /**
   * The data mode changed: pictures are sent smaller or not at all. The tracks
   * stay as announced, since the server sees which layers still come.
   */
  async modeChanged() {
    for (const local of this.tracks.values()) {
      if (isPicture(local.source)) await this.applyMute(local);
    }
  }
  /** The server asks for other encodings of a source. */
  async order(order) {
    await this.enqueue(async (session) => {
      session.media.order(order);
      const local = this.tracks.get(order.source);
      if (local) await session.media.encode(order.source, local, this.mode());
    });
  }
  /** Sends nothing by the session's connection, or again; the server is not told. */
  async pause(paused) {
    await this.enqueue(async (session) => {
      session.media.paused = paused;
      for (const local of this.tracks.values()) await session.media.encode(local.source, local, this.mode());
    });
  }
  /** What a join that begins now tells. */
  snapshot() {
    return new Map([...this.tracks].map(([source, local]) => [source, { local, muted: local.muted }]));
  }
  /** A join told this and got these ids; what changed meanwhile is told now. */
  reconcile(told, ids) {
    for (const info of ids) {
      const local = this.tracks.get(info.source);
      if (local) local.id = info.id;
    }
    for (const [source, { local, muted }] of told) {
      const now = this.tracks.get(source);
      if (!now) this.withdraw(source).catch(() => void 0);
      else if (now === local && now.muted !== muted) this.applyMute(now).catch(() => void 0);
    }
    for (const [source, local] of this.tracks) {
      if (told.get(source)?.local !== local) this.announce(local).catch(() => void 0);
    }
  }
  /** Obeys what a moderator does to something of one's own; answers what the person should hear of it. */
  obey(event) {
    if (event.type !== "track_muted" && event.type !== "track_unpublished") return void 0;
    for (const [source, { id, muted }] of this.tracks) {
      if (id !== event.track) continue;
      if (event.type === "track_unpublished") return void this.unpublish(source).catch(() => void 0);
      void this.mute(source, muted || event.muted).catch(() => void 0);
      return { source, muted: event.muted };
    }
    return void 0;
  }
  /** Frees all devices that the SDK opened. */
  close() {
    for (const local of this.tracks.values()) local.release();
  }
  /** Sends a command; between two sessions it is dropped, since a join tells everything. */
  async command(command) {
    const session = this.session();
    if (!session) return void 0;
    try {
      return await session.signalling.request(command);
    } catch (error) {
      if (error instanceof CallError && error.code === "session_ended") return void 0;
      throw error;
    }
  }
  async announce(local) {
    const { source } = local;
    const info = await this.enqueue(
      async (session) => this.tracks.get(source) === local ? session.media.send(source, local, this.mode()) : void 0
    );
    if (!info) return;
    const reply = await this.command({ type: "publish", ...info });
    if (reply) local.id = reply.track.id;
  }
  async withdraw(source) {
    await this.enqueue((session) => this.tracks.has(source) ? Promise.resolve() : session.media.stop(source));
    if (this.tracks.has(source)) return;
    await this.command({ type: "unpublish", source }).catch(() => void 0);
  }
  async applyMute(local) {
    const muted = isMuted(local.source, local, this.mode());
    local.track.enabled = !muted;
    await this.enqueue((session) => session.media.encode(local.source, local, this.mode()));
    await this.command({ type: "mute", source: local.source, muted });
  }
  /** Media changes happen one after the other; a closed connection ends them quietly. */
  enqueue(act) {
    const run = async () => {
      const session = this.session();
      if (!session) return void 0;
      try {
        return await act(session);
      } catch (error) {
        if (this.session() !== session) return void 0;
        throw asCallError(error);
      }
    };
    const result = this.queue.then(run, run);
    this.queue = result.catch(() => void 0);
    return result;
  }
};

// src/reduce.ts
function enter(roster, reply, name, effects) {
  const before = [...roster.participants.values()];
  roster.clear();
  const { participant: id, identity, tracks } = reply;
  roster.local = new Participant({ id, identity, name, tracks, attributes: roster.local?.attributes }, true);
  roster.locked = reply.locked ?? false;
  roster.admin = reply.admin ?? false;
  for (const participant of before) leaves(participant, "left", effects);
  for (const info of reply.participants ?? []) {
    if (info.id === id) roster.local = new Participant(info, true);
    else effects.emit("participantjoined", { participant: roster.add(info) });
  }
}
function leaves(participant, reason, effects) {
  for (const track of participant.tracks.values()) effects.removed(track);
  effects.emit("participantleft", { participant, reason });
}
function reduce(roster, event, effects) {
  const { local } = roster;
  switch (event.type) {
    case "participant_joined": {
      const { id } = event.participant;
      if (id === local?.id || roster.participants.has(id)) return;
      const participant = roster.add(event.participant);
      effects.emit("participantjoined", { participant });
      return;
    }
    case "participant_left": {
      const participant = roster.participants.get(event.participant);
      if (!participant) return;
      roster.participants.delete(participant.id);
      leaves(participant, event.reason, effects);
      return;
    }
    case "track_published": {
      const participant = roster.find(event.participant);
      if (!participant || participant === local) return;
      const { track, fresh } = roster.publish(participant, event.track);
      effects.emit(fresh ? "trackpublished" : "trackchanged", { participant, track });
      return;
    }
    case "track_unpublished": {
      const participant = roster.participants.get(event.participant);
      const track = participant?.tracks.get(event.track);
      if (!participant || !track) return;
      participant.tracks.delete(track.id);
      effects.removed(track);
      effects.emit("trackunpublished", { participant, track });
      return;
    }
    case "track_muted": {
      const participant = roster.participants.get(event.participant);
      const track = participant?.tracks.get(event.track);
      if (!participant || !track) return;
      track.muted = event.muted;
      effects.emit("trackchanged", { participant, track });
      return;
    }
    case "slots": {
      const changes = event.slots ?? [];
      const tracks = [...roster.assign(changes)];
      for (const track of tracks) effects.touched(track);
      for (const { slot, track, source, mixed } of changes) if ((track || mixed) && source) effects.acknowledge(slot, source);
      if (tracks.length > 0) effects.emit("slotschanged", { tracks });
      return;
    }
    case "slot_states":
      for (const state of event.states ?? []) {
        const track = roster.track(roster.assignments.get(state.slot)?.track);
        if (!track) continue;
        track.state = state;
        effects.emit("slotstate", { track, state });
      }
      return;
    case "speakers": {
      for (const participant of [...roster.participants.values(), local]) if (participant) participant.level = 0;
      const speakers = [];
      for (const { participant: id, level } of event.speakers ?? []) {
        const participant = roster.find(id);
        if (!participant) continue;
        participant.level = Math.max(1, level);
        speakers.push({ participant, level });
      }
      effects.emit("speakers", { speakers });
      return;
    }
    case "quality":
      for (const { participant: id, quality } of event.participants ?? []) {
        const participant = roster.find(id);
        if (!participant) continue;
        participant.quality = quality;
        effects.emit("quality", { participant, quality });
      }
      return;
    case "voices":
      effects.emit("voices", { kind: event.kind, reason: event.reason });
      return;
    case "participant_updated": {
      const participant = roster.find(event.participant);
      if (!participant) return;
      participant.attributes = attributesOf(event.attributes);
      if (participant === local && event.permissions) roster.admin = event.permissions.admin === true;
      effects.emit("participantupdated", { participant, permissions: event.permissions });
      return;
    }
    case "room_locked":
      roster.locked = event.locked;
      effects.emit("roomlocked", { locked: event.locked });
      return;
    case "message": {
      const data = payloadOf(event.payload);
      const { from = "", topic = "" } = event;
      if (data) effects.emit("message", { from, participant: roster.find(from), topic, data });
      return;
    }
    default:
      return;
  }
}

// src/options.ts
function defaultURL() {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/v1/ws`;
}
function isPhone() {
  return matchMedia("(pointer: coarse)").matches && Math.min(screen.width, screen.height) < 600;
}

// src/form.ts
var PLAIN = "rivulet.v1";
var loaded;
function compactForm() {
  return loaded;
}
async function loadForm() {
  try {
    const beside = new URL("compact.js", import.meta.url).href;
    loaded = await import(beside);
  } catch {
  }
}
void loadForm();

// src/signalling.ts
var OPEN_TIMEOUT = 15e3;
var SILENCE_TIMEOUT = 1e4;
var LEAVE_TIMEOUT = 500;
var Signalling = class {
  constructor(url, handlers) {
    this.url = url;
    this.handlers = handlers;
  }
  url;
  handlers;
  /** Round trip of the last ping in milliseconds, 0 before the first. */
  roundTrip = 0;
  socket;
  /** In which messages travel on the socket; undefined for text. */
  form;
  /** The server took the first command with the request that opened the socket. */
  saidFirst = false;
  joined;
  ready = false;
  ended = false;
  lastEvent = 0;
  nextID = 1;
  pending = /* @__PURE__ */ new Map();
  early = [];
  abort = new AbortController();
  pingTimer;
  lastHeard = 0;
  /** Says whether commands go out at once. */
  get open() {
    return this.ready && this.socket?.readyState === WebSocket.OPEN;
  }
  /** Opens the socket. Error code network. */
  connect(first2) {
    return new Promise((resolve, reject) => {
      let socket;
      const form = compactForm();
      const token = first2 && form?.token(this.bytes(form, this.message(first2)));
      try {
        socket = new WebSocket(this.url, [...token ? [form.FIRST, token] : [], ...form ? [form.COMPACT] : [], PLAIN]);
        socket.binaryType = "arraybuffer";
      } catch (cause) {
        reject(new CallError("network", `the address ${this.url} cannot be used: ${String(cause)}`));
        return;
      }
      const fail = (why) => {
        clearTimeout(timer);
        socket.onopen = socket.onerror = socket.onclose = null;
        socket.close();
        reject(new CallError("network", why));
      };
      const timer = setTimeout(() => fail("the server did not answer in time"), OPEN_TIMEOUT);
      socket.onerror = socket.onclose = () => fail("the server could not be reached");
      socket.onopen = () => {
        clearTimeout(timer);
        if (this.ended) return fail("the call was left");
        socket.onerror = null;
        socket.onmessage = (message) => this.receive(socket, message.data);
        socket.onclose = () => this.broken(socket);
        this.socket = socket;
        this.saidFirst = form !== void 0 && socket.protocol === form.FIRST;
        this.form = this.saidFirst || socket.protocol === form?.COMPACT ? form : void 0;
        this.lastHeard = performance.now();
        resolve();
      };
    });
  }
  /** Joins on the open socket. Errors: a refusal's code, or network. */
  join(command) {
    return this.start(command);
  }
  /** Begins the session with its first command: join, or connect. */
  async start(command) {
    const reply = await this.send(command);
    this.joined = reply;
    this.ready = true;
    this.lastEvent = reply.sequence;
    this.startPing(reply.pingSeconds);
    return reply;
  }
  /**
   * Hands on the events that came with the join's reply. Called once by the
   * owner when it has taken in that reply, since events build upon it.
   */
  begin() {
    const early = this.early;
    this.early = [];
    this.begun = true;
    for (const { seq, event } of early) this.deliver(seq, event);
  }
  begun = false;
  /**
   * Sends a command and answers its reply. While the connection is broken the
   * command waits for the resume. Error code session_ended when the session
   * ends first, otherwise the refusal's.
   */
  request(command) {
    return this.send(command);
  }
  /** Leaves and closes. Ends within half a second whatever the network does. */
  async leave(all) {
    if (this.open) {
      const reply = this.send({ type: "leave", ...all ? { all } : {} }).catch(() => void 0);
      this.ended = true;
      await Promise.race([reply, new Promise((resolve) => setTimeout(resolve, LEAVE_TIMEOUT))]);
    }
    this.end();
  }
  /** Closes without a word. */
  end() {
    this.ended = true;
    this.ready = false;
    this.abort.abort();
    clearInterval(this.pingTimer);
    const socket = this.socket;
    this.socket = void 0;
    if (socket) {
      socket.onmessage = socket.onclose = socket.onerror = null;
      socket.close();
    }
    this.rejectAll(new CallError("session_ended", "the session has ended"));
  }
  /** Closes the socket as if the network had; for tests. */
  interrupt() {
    const socket = this.socket;
    if (!socket) return;
    socket.close();
    this.broken(socket);
  }
  send(command) {
    if (this.ended) return Promise.reject(new CallError("session_ended", "the session has ended"));
    const message = this.message(command);
    this.nextID++;
    const { type, id } = message;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { message, resolve, reject });
      const opening = type === "connect" || type === "resume" || type === "join" && !this.joined;
      if (type === "join" && this.saidFirst) {
        this.saidFirst = false;
        this.handlers.message("sent", true);
      } else if (opening || this.open) this.write(message);
    });
  }
  message(command) {
    const { type, ...fields } = command;
    return { type, id: String(this.nextID), ...fields };
  }
  bytes(form, message) {
    const short = message.offer === void 0 ? message : { ...message, offer: form.shorten(message.offer) };
    return form.encode(JSON.stringify(short));
  }
  write(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const form = this.form;
    if (form) {
      this.socket.send(this.bytes(form, message));
    } else {
      this.socket.send(JSON.stringify(message));
    }
    this.handlers.message("sent", form !== void 0);
  }
  receive(socket, data) {
    if (socket !== this.socket) return;
    this.lastHeard = performance.now();
    this.handlers.message("received", this.form !== void 0);
    let message;
    try {
      message = JSON.parse(this.form && data instanceof ArrayBuffer ? this.form.decode(data) : String(data));
      if (this.form && "answer" in message && message.answer) message.answer = this.form.expand(message.answer);
    } catch {
      return;
    }
    if (typeof message.seq === "number") {
      if (!this.begun) this.early.push({ seq: message.seq, event: message });
      else this.deliver(message.seq, message);
      return;
    }
    if (message.re === void 0) {
      if (message.type === "error") this.refused(new CallError(message.code, message.message));
      return;
    }
    const pending = this.pending.get(message.re);
    if (!pending) return;
    this.pending.delete(message.re);
    if (message.type === "error") pending.reject(new CallError(message.code, message.message));
    else pending.resolve(message);
  }
  /** An error that names no command: it matters only if it ends the session. */
  refused(error) {
    if (!this.ready || error.code !== "unknown_session" && error.code !== "events_lost") return;
    this.end();
    this.handlers.gone(error);
  }
  deliver(seq, event) {
    if (seq <= this.lastEvent || this.ended) return;
    if (seq > this.lastEvent + 1) {
      this.interrupt();
      return;
    }
    this.lastEvent = seq;
    if (event.type === "closed") this.end();
    this.handlers.event(event);
  }
  broken(socket) {
    if (socket !== this.socket) return;
    socket.onmessage = socket.onclose = null;
    this.socket = void 0;
    if (this.ended) return;
    clearInterval(this.pingTimer);
    if (!this.joined) {
      this.ended = true;
      this.rejectAll(new CallError("network", "the connection to the server broke while joining"));
      return;
    }
    if (!this.ready) return;
    this.ready = false;
    this.handlers.lost();
    void this.resume();
  }
  async resume() {
    const backoff = new Backoff();
    while (!this.ended) {
      await pause(backoff.next(), this.abort.signal);
      if (this.ended) return;
      const waiting = [...this.pending];
      try {
        await this.connect();
        const reply = await this.resumeOnce();
        this.ready = true;
        this.startPing(this.joined.pingSeconds);
        for (const [id, { message }] of waiting) if (this.pending.has(id)) this.write(message);
        this.handlers.resumed(reply);
        return;
      } catch (error) {
        if (this.ended) return;
        const code = error instanceof CallError ? error.code : "network";
        if (code === "network" || code === "rate_limited" || code === "internal") {
          this.drop();
          continue;
        }
        this.end();
        this.handlers.gone(error);
        return;
      }
    }
  }
  /** Sends resume; unlike other commands it dies with its socket. */
  resumeOnce() {
    const socket = this.socket;
    if (!socket) return Promise.reject(new CallError("network", "the connection broke while resuming"));
    const id = String(this.nextID);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => socket.close(), OPEN_TIMEOUT);
      const settle = (act) => {
        clearTimeout(timer);
        this.pending.delete(id);
        act();
      };
      socket.onclose = () => {
        if (this.socket === socket) this.socket = void 0;
        settle(() => reject(new CallError("network", "the connection broke while resuming")));
      };
      this.send({
        type: "resume",
        version: PROTOCOL_VERSION,
        token: this.joined.resume ?? "",
        after: this.lastEvent
      }).then(
        (reply) => settle(() => {
          socket.onclose = () => this.broken(socket);
          resolve(reply);
        }),
        (error) => settle(() => reject(error))
      );
    });
  }
  drop() {
    const socket = this.socket;
    this.socket = void 0;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }
  startPing(seconds) {
    clearInterval(this.pingTimer);
    const interval = Math.min(60, Math.max(1, seconds || 15)) * 1e3;
    this.pingTimer = setInterval(() => {
      const sent = performance.now();
      const socket = this.socket;
      this.request({ type: "ping" }).then(
        () => this.roundTrip = performance.now() - sent,
        () => void 0
      );
      setTimeout(() => {
        if (this.socket === socket && this.open && this.lastHeard < sent) this.interrupt();
      }, SILENCE_TIMEOUT);
    }, interval);
  }
  rejectAll(error) {
    const all = [...this.pending.values()];
    this.pending.clear();
    for (const pending of all) pending.reject(error);
  }
};

// src/session.ts
var VERSION = "0.1.0";
var DISCONNECTED_PATIENCE = 2e3;
var RESTART_PATIENCE = 1e4;
var RESTART_ATTEMPTS = 3;
var Session = class {
  /** Error code no_webrtc. */
  constructor(options, counters, handlers) {
    this.options = options;
    this.counters = counters;
    this.handlers = handlers;
    const { rtc = {}, slots = {}, encryption, line, url = defaultURL() } = options;
    this.media = new Media(rtc, slots.audio ?? 3, slots.video ?? (isPhone() ? 4 : 9), () => counters.sdp++, encryption);
    const told = {
      event: (event) => {
        if (brings(event)) this.media.expectPictures();
        handlers.event(event);
      },
      lost: () => handlers.changed(),
      resumed: () => {
        counters.resumes++;
        handlers.changed();
        if (this.restartWanted || !this.media.connected) void this.restart();
      },
      gone: (error) => this.fail(error),
      message: (direction, compact) => {
        if (direction === "sent") counters.messagesSent++;
        else counters.messagesReceived++;
        if (compact) counters.messagesCompact++;
      }
    };
    this.signalling = line ? line.share(told) : new Signalling(url, told);
  }
  options;
  counters;
  handlers;
  signalling;
  media;
  joined;
  ended = false;
  restarting = false;
  restartWanted = false;
  attempts = 0;
  timer;
  /** Says whether commands and packets both flow. */
  get healthy() {
    return this.signalling.open && this.media.connected;
  }
  /**
   * Joins: the request that opens the socket carries the join where it can, so
   * that one round trip does both.
   * Errors: a refusal's code, network, media.
   */
  async join(sending, mode, dataBudget) {
    const { room, name, identity, client = `web/${VERSION}`, token } = this.options;
    try {
      const publish = [];
      for (const [source, one] of sending) publish.push(await this.media.send(source, one, mode));
      const { sdp, send } = await this.media.offer();
      const secret = typeof token === "function" ? await token() : token;
      const join = {
        type: "join",
        version: PROTOCOL_VERSION,
        room,
        name,
        identity,
        client,
        encodes: true,
        dataBudget,
        ...secret ? { token: secret } : {},
        offer: sdp,
        send,
        publish,
        dataMode: mode,
        listensLate: true
      };
      await this.signalling.connect(join);
      const reply = await this.signalling.join(join);
      if (!reply.answer) throw new CallError("media", "the server answered without media");
      this.joined = reply;
      if (reply.participants?.some(({ tracks }) => tracks?.some(({ source }) => isPicture(source)))) this.media.expectPictures();
      const pc = this.media.pc;
      pc.oniceconnectionstatechange = pc.onconnectionstatechange = () => this.pathChanged();
      await this.media.accept(reply.answer, reply.iceServers ?? [], reply.slots ?? []);
      if (this.ended) throw new CallError("network", "the connection broke while joining");
      return reply;
    } catch (error) {
      this.close();
      throw asCallError(error);
    }
  }
  /** The network may have changed: finds a new path unless the old one works. */
  networkChanged() {
    if (!this.ended && this.joined && !this.media.connected) void this.restart();
  }
  /** Renews ICE now. */
  async restart() {
    if (this.restarting || this.ended) return;
    this.restartWanted = !this.signalling.open;
    if (this.restartWanted) return;
    clearTimeout(this.timer);
    this.restarting = true;
    this.counters.iceRestarts++;
    try {
      const { sdp } = await this.media.offer(true);
      const reply = await this.signalling.request({ type: "restart", offer: sdp });
      if (this.ended) return;
      await this.media.accept(reply.answer, reply.iceServers);
    } catch (error) {
      this.fail(asCallError(error));
      return;
    } finally {
      this.restarting = false;
    }
    this.timer = setTimeout(() => this.restartEnded(), RESTART_PATIENCE);
  }
  /** Leaves the room and closes. */
  async leave() {
    const left = this.signalling.leave();
    this.closeMedia();
    await left;
  }
  /** Closes without a word to the server. */
  close() {
    this.signalling.end();
    this.closeMedia();
  }
  closeMedia() {
    this.ended = true;
    clearTimeout(this.timer);
    this.media.pc.oniceconnectionstatechange = this.media.pc.onconnectionstatechange = null;
    this.media.close();
  }
  pathChanged() {
    if (this.ended) return;
    const { pc } = this.media;
    if (this.media.connected) {
      clearTimeout(this.timer);
      this.attempts = 0;
    } else if (pc.iceConnectionState === "failed") {
      this.restartEnded();
    } else if (pc.iceConnectionState === "disconnected") {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.networkChanged(), DISCONNECTED_PATIENCE);
    } else if (pc.connectionState === "failed") {
      this.fail(new CallError("connection_lost", "the encrypted media connection failed"));
    }
    this.handlers.changed();
  }
  restartEnded() {
    if (this.ended || this.media.connected || this.restarting) return;
    if (this.attempts++ < RESTART_ATTEMPTS) void this.restart();
    else this.fail(new CallError("connection_lost", "no path for media was found"));
  }
  fail(error) {
    if (this.ended) return;
    this.ended = true;
    this.handlers.gone(error);
  }
};
function brings(event) {
  if (event.type === "track_published") return isPicture(event.track.source);
  return event.type === "participant_joined" && event.participant.tracks?.some(({ source }) => isPicture(source)) === true;
}

// src/statistics.ts
var LEAST_BUDGET = 1e5;
var HEADERS = { udp4: 28, udp6: 48, tcp4: 42, tcp6: 62 };
var CHECK = { request: 111, answer: 64 };
var Meter = class {
  latest = empty();
  carried = { sent: 0, received: 0 };
  current = { sent: 0, received: 0 };
  before = /* @__PURE__ */ new Map();
  at = 0;
  /** The connection to the other device that was read last, and what it had carried. */
  beside;
  /** The connection was replaced: its bytes stay counted. */
  carry() {
    this.carried.sent += this.current.sent;
    this.carried.received += this.current.received;
    this.current = { sent: 0, received: 0 };
    this.before.clear();
    this.at = 0;
    this.latest = { ...empty(), bytesSent: this.carried.sent, bytesReceived: this.carried.received };
  }
  /** A session counts from its beginning: what earlier ones received is taken off a budget for the call. */
  left(budget) {
    if (!budget?.call) return budget;
    return { ...budget, call: Math.max(LEAST_BUDGET, Math.floor(budget.call - this.latest.bytesReceived)) };
  }
  /**
   * Reads the connection; answers what was found, with rates since the last reading.
   * Of a connection to the other device only the bytes are counted.
   */
  async read(pc, slots, roster, directly) {
    const entries = await entriesOf(pc);
    const more = await this.besides(directly);
    const now = performance.now();
    const seconds = this.at > 0 ? (now - this.at) / 1e3 : 0;
    const result = empty();
    const totals = this.transport(entries, result);
    if (seconds > 0) {
      result.sendRate = Math.max(0, (totals.sent - this.current.sent + more.sent) * 8 / seconds);
      result.receiveRate = Math.max(0, (totals.received - this.current.received + more.received) * 8 / seconds);
    }
    this.current = totals;
    result.bytesSent = this.carried.sent + totals.sent;
    result.bytesReceived = this.carried.received + totals.received;
    this.audio(entries, result);
    this.video(entries, result, seconds, slots, roster);
    this.before = entries;
    this.at = now;
    this.latest = result;
    return result;
  }
  /** Counts what a connection to the other device has carried since it was read last. */
  async besides(pc) {
    if (!pc) return { sent: 0, received: 0 };
    const totals = this.transport(await entriesOf(pc), empty());
    const before = this.beside?.pc === pc ? this.beside.totals : { sent: 0, received: 0 };
    this.beside = { pc, totals };
    const more = { sent: totals.sent - before.sent, received: totals.received - before.received };
    this.carried.sent += more.sent;
    this.carried.received += more.received;
    return more;
  }
  transport(entries, result) {
    const totals = { sent: 0, received: 0 };
    for (const entry of entries.values()) {
      if (entry.type !== "transport") continue;
      const pair = entries.get(String(entry.selectedCandidatePairId));
      const local = pair && entries.get(String(pair.localCandidateId));
      const remote = pair && entries.get(String(pair.remoteCandidateId));
      let header = HEADERS.udp4;
      if (local) {
        const relayed = local.candidateType === "relay";
        const protocol = String(relayed && local.relayProtocol || local.protocol || "udp");
        const tcp = protocol !== "udp";
        const six = String((relayed ? void 0 : remote?.address) ?? local.address ?? "").includes(":");
        header = tcp ? six ? HEADERS.tcp6 : HEADERS.tcp4 : six ? HEADERS.udp6 : HEADERS.udp4;
        if (relayed) header += 4;
        result.path = relayed ? `relay/${tcp ? "tcp" : "udp"}` : protocol;
        result.roundTrip = number(pair.currentRoundTripTime) * 1e3;
      }
      for (const tried of entries.values()) {
        if (tried.type !== "candidate-pair") continue;
        if (!number(tried.responsesReceived) && !number(tried.requestsReceived)) continue;
        totals.sent += number(tried.requestsSent) * (CHECK.request + header) + number(tried.responsesSent) * (CHECK.answer + header);
        totals.received += number(tried.requestsReceived) * (CHECK.request + header);
        totals.received += number(tried.responsesReceived) * (CHECK.answer + header);
      }
      totals.sent += number(entry.bytesSent) + number(entry.packetsSent) * header;
      totals.received += number(entry.bytesReceived) + number(entry.packetsReceived) * header;
    }
    return totals;
  }
  audio(entries, result) {
    const sum = { packets: 0, lost: 0, samples: 0, concealed: 0, delay: 0, emitted: 0 };
    for (const entry of entries.values()) {
      if (entry.type !== "inbound-rtp") continue;
      sum.packets += this.since(entry, "packetsReceived");
      sum.lost += Math.max(0, this.since(entry, "packetsLost"));
      if (entry.kind !== "audio") continue;
      sum.samples += this.since(entry, "totalSamplesReceived");
      sum.concealed += Math.max(0, this.since(entry, "concealedSamples") - this.since(entry, "silentConcealedSamples"));
      sum.delay += this.since(entry, "jitterBufferDelay");
      sum.emitted += this.since(entry, "jitterBufferEmittedCount");
      result.audio.packetsReceived += number(entry.packetsReceived);
      result.audio.energy += number(entry.totalAudioEnergy);
    }
    result.loss = ratio(sum.lost, sum.packets + sum.lost);
    result.audio.concealed = ratio(sum.concealed, sum.samples);
    result.audio.bufferDelay = ratio(sum.delay, sum.emitted) * 1e3;
  }
  video(entries, result, seconds, slots, roster) {
    const byMID = new Map([...slots.values()].map((slot) => [slot.transceiver.mid, slot.slot]));
    for (const entry of entries.values()) {
      if (entry.kind !== "video") continue;
      if (entry.type === "inbound-rtp") {
        const slot = byMID.get(String(entry.mid));
        if (slot === void 0) continue;
        const assignment = roster.assignments.get(slot);
        result.received.push({
          slot,
          track: assignment?.track,
          participant: assignment?.participant,
          width: number(entry.frameWidth),
          height: number(entry.frameHeight),
          framesPerSecond: number(entry.framesPerSecond),
          framesDecoded: number(entry.framesDecoded),
          freezes: number(entry.freezeCount),
          rate: ratio(this.since(entry, "bytesReceived") * 8, seconds)
        });
      } else if (entry.type === "outbound-rtp" && number(entry.bytesSent) > 0) {
        result.sent.push({
          source: entry.mid === this.cameraMID ? "camera" : "screen",
          rid: String(entry.rid ?? ""),
          width: number(entry.frameWidth),
          height: number(entry.frameHeight),
          framesPerSecond: number(entry.framesPerSecond),
          rate: ratio(this.since(entry, "bytesSent") * 8, seconds),
          limited: String(entry.qualityLimitationReason ?? "none")
        });
      }
    }
    result.received.sort((a, b) => a.slot - b.slot);
  }
  /** The mid of the camera's section: the second of the offer. */
  cameraMID = "1";
  since(entry, field) {
    return number(entry[field]) - number(this.before.get(entry.id)?.[field]);
  }
};
async function entriesOf(pc) {
  const entries = /* @__PURE__ */ new Map();
  (await pc.getStats()).forEach((entry) => entries.set(entry.id, entry));
  return entries;
}
function empty() {
  return {
    bytesSent: 0,
    bytesReceived: 0,
    sendRate: 0,
    receiveRate: 0,
    roundTrip: 0,
    loss: 0,
    audio: { packetsReceived: 0, concealed: 0, bufferDelay: 0, energy: 0 },
    received: [],
    sent: [],
    path: ""
  };
}
function number(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
function ratio(part, whole) {
  return whole > 0 ? part / whole : 0;
}

// src/call.ts
async function connect(options) {
  const call = new Call(options);
  await call.start();
  return call;
}
var Call = class extends TypedTarget {
  /** @internal Use connect. */
  constructor(options) {
    super();
    this.options = options;
    this.room = options.room;
    this.dataMode = options.dataMode ?? "auto";
    this.dataBudget = options.dataBudget;
    this.audio = new AudioOutput(() => this.emit("audioblocked", void 0));
    this.elements = new Elements(
      ({ source, slot, participant }) => this.direct?.slot(source, participant.identity) ?? (slot === void 0 ? void 0 : this.session?.media.slots.get(slot)),
      (slot) => this.roster.assignments.get(slot)?.source,
      (tracks) => void this.tell({ type: "view", tracks }),
      options.pauseWhenHidden ?? true
    );
    this.publications = new Publications(
      () => this.session,
      () => this.dataMode,
      (source, track) => {
        this.direct?.changed();
        this.emit("localchanged", { source, track });
      }
    );
    if (!options.encryption) this.direct = options.direct?.(this.directHost());
    for (const [source, given] of Object.entries(options.publish ?? {})) {
      if (!given) continue;
      const { track, muted } = given instanceof MediaStreamTrack ? { track: given, muted: false } : given;
      this.publications.adopt(new LocalTrack(source, track, muted ?? false, false));
    }
    options.signal?.addEventListener("abort", () => {
      if (this.timings.joined === 0) this.finish("aborted", "joining was cancelled");
    });
  }
  options;
  room;
  /** Milliseconds from connect to each stage of the first join, 0 before. */
  timings = { joined: 0, connected: 0 };
  counters = {
    sdp: 0,
    messagesSent: 0,
    messagesReceived: 0,
    messagesCompact: 0,
    resumes: 0,
    iceRestarts: 0,
    rejoins: 0
  };
  dataMode;
  /** How many bytes may be received; undefined for no bound. */
  dataBudget;
  /** What moderators may do, attributes and messages. */
  control = new Control((command) => {
    if (!this.session) throw new CallError("network", "the call is not connected at present; try again when it is");
    return this.session.signalling.request(command);
  });
  direct;
  session;
  current = "connecting";
  roster = new Roster();
  publications;
  elements;
  audio;
  meter = new Meter();
  effects = {
    emit: (type, detail) => this.emit(type, detail),
    touched: (track) => this.elements.refresh(track),
    removed: (track) => this.elements.forget(track),
    acknowledge: (slot, source) => void this.session?.media.negotiating.then(() => this.tell({ type: "ack", slot, source }))
  };
  abort = new AbortController();
  started = performance.now();
  timer;
  onOnline = () => this.session?.networkChanged();
  onHide = () => void this.leave();
  get state() {
    return this.current;
  }
  /** Oneself as others see it; undefined until joined. */
  get local() {
    return this.roster.local;
  }
  /** Nobody else gets in but moderators. */
  get locked() {
    return this.roster.locked;
  }
  /** One is a moderator. */
  get admin() {
    return this.roster.admin;
  }
  /** The members of the room, oneself not among them. */
  get participants() {
    return this.roster.participants;
  }
  /** What one publishes, by source. */
  get tracks() {
    return this.publications.tracks;
  }
  /** The slots with their receivers; changes only when the call rejoins. */
  get slots() {
    return this.session?.media.slots ?? /* @__PURE__ */ new Map();
  }
  /** The connection, for statistics and tests. It is another one after a rejoin. */
  get pc() {
    return this.session?.media.pc;
  }
  /** The latest statistics. */
  get statistics() {
    return this.meter.latest;
  }
  /** Round trip of the signalling in milliseconds, 0 when unknown. */
  get signallingRoundTrip() {
    return this.session?.signalling.roundTrip ?? 0;
  }
  /** @internal */
  async start() {
    try {
      if (this.options.signal?.aborted) throw new CallError("aborted", "joining was cancelled");
      await this.join();
    } catch (error) {
      const refusal = asCallError(error);
      this.finish(refusal.code, refusal.message);
      throw refusal;
    }
    this.timings.joined = performance.now() - this.started;
    const interval = this.options.statisticsInterval ?? 1e3;
    if (interval > 0) this.timer = setInterval(() => void this.measure(), interval);
    globalThis.addEventListener("online", this.onOnline);
    globalThis.addEventListener("pagehide", this.onHide);
  }
  /**
   * Publishes a track, or opens the source's usual device when none is given.
   * A track already published from this source is replaced.
   */
  async publish(source, track, options = {}) {
    if (this.current === "closed") throw new CallError("closed", "the call has ended");
    return this.publications.publish(source, track, options.muted ?? false);
  }
  /** Ends what is published from a source. */
  unpublish(source) {
    return this.publications.unpublish(source);
  }
  /** Silences or blanks what is published from a source, or ends that. */
  mute(source, muted) {
    return this.publications.mute(source, muted);
  }
  /** Changes how much data the call may use, both ways. */
  async setDataMode(mode) {
    if (mode === this.dataMode) return;
    this.dataMode = mode;
    this.tell({ type: "data_mode", mode });
    this.direct?.changed();
    await this.publications.modeChanged();
  }
  /**
   * Bounds how many bytes are received, for the call or for any hour; {} for no
   * bound. Voice goes on whatever it says.
   */
  async setDataBudget(budget) {
    this.dataBudget = budget;
    await this.publications.command({ type: "data_mode", mode: this.dataMode, budget });
  }
  /** Shows a track in a video element; size and visibility become the view. */
  attach(track, element) {
    this.elements.attach(track, element);
  }
  /** Ends attach. */
  detach(element) {
    this.elements.detach(element);
  }
  /** Gives tracks precedence over all others. */
  pin(...tracks) {
    this.elements.pin(tracks.map((track) => track.id));
  }
  /** Says by hand what is wanted, instead of what attached elements show; undefined undoes it. */
  view(tracks) {
    this.elements.setView(tracks);
  }
  /** Plays the call's sound after the browser refused to; call it from a click. */
  startAudio() {
    return this.audio.start();
  }
  /** Chooses the loudspeaker by device id, where the browser can. */
  setAudioOutput(deviceId) {
    return this.audio.use(deviceId);
  }
  /** How media go: by the server, or directly to the other device. */
  get path() {
    return this.direct?.playing ? "direct" : "sfu";
  }
  /** The connection to the other device, while there is one; for statistics and tests. */
  get directPC() {
    return this.direct?.pc;
  }
  /** Renews ICE, as after a network change. */
  async restartICE() {
    await this.session?.restart();
  }
  /** Breaks the signalling connection as the network might; for tests. */
  interruptSignalling() {
    this.session?.signalling.interrupt();
  }
  /** Leaves the room. */
  async leave() {
    if (this.current === "closed") return;
    this.direct?.leave();
    const session = this.session;
    this.session = void 0;
    const left = session?.leave();
    this.finish("left", "the call was left");
    await left;
  }
  async join() {
    const session = new Session(this.options, this.counters, {
      event: (event) => this.session === session && this.receive(event),
      changed: () => this.session === session && this.update(),
      gone: (error) => this.session === session && void this.rejoin(error)
    });
    const stop = () => session.close();
    this.abort.signal.addEventListener("abort", stop);
    const told = this.publications.snapshot();
    const mode = this.dataMode;
    let reply;
    try {
      reply = await session.join(this.publications.tracks, mode, this.meter.left(this.dataBudget));
    } finally {
      this.abort.signal.removeEventListener("abort", stop);
    }
    if (this.ended) {
      void session.leave();
      throw new CallError("aborted", "the call was left");
    }
    this.session = session;
    this.enter(reply);
    session.signalling.begin();
    this.publications.reconcile(told, reply.tracks ?? []);
    if (mode !== this.dataMode) this.tell({ type: "data_mode", mode: this.dataMode });
    this.update();
  }
  /** Takes in the snapshot of the room that a join brings. */
  enter(reply) {
    const attributes = this.local?.attributes ?? {};
    enter(this.roster, reply, this.options.name, this.effects);
    if (Object.keys(attributes).length > 0) this.control.attributes(attributes).catch(() => void 0);
    if (this.options.playAudio ?? true) this.audio.play(this.slots.values());
    this.receive({ type: "slots", slots: reply.assignments ?? [] });
    this.elements.resend();
  }
  directHost() {
    return {
      call: this.room,
      line: this.options.line,
      mode: () => this.dataMode,
      tracks: this.publications.tracks,
      participants: this.participants,
      request: (command) => this.publications.command(command),
      serverPC: () => this.pc,
      pauseServer: (paused) => this.publications.pause(paused),
      streams: (streams) => this.audio.beside(streams),
      play: (direct) => {
        this.audio.hear(direct);
        this.elements.refreshAll();
        this.emit("path", { path: direct ? "direct" : "sfu" });
      }
    };
  }
  async rejoin(cause) {
    const session = this.session;
    this.session = void 0;
    if (!session || this.ended) return;
    this.direct?.reset();
    void session.leave();
    this.meter.carry();
    this.emit("statistics", this.meter.latest);
    this.update();
    const backoff = new Backoff();
    let error = cause;
    for (; ; ) {
      await pause(backoff.next(), this.abort.signal);
      if (this.ended) return;
      this.counters.rejoins++;
      try {
        await this.join();
        return;
      } catch (failure) {
        error = asCallError(failure);
        if (this.ended) return;
        const fresh = error.code === "token_expired" && typeof this.options.token === "function";
        if (!mayRetry(error) && !fresh) break;
      }
    }
    this.finish(error.code, error.message);
  }
  receive(event) {
    if (event.type === "closed") {
      if (event.rejoin) void this.rejoin(new CallError(event.code, event.message));
      else this.finish(event.code, event.message);
      return;
    }
    if (event.type === "direct") {
      if (event.call === this.room) this.direct?.receive(event);
      return;
    }
    if (event.type === "encode") {
      this.publications.order(event).catch(() => void 0);
      return;
    }
    if (event.type === "slots" && !this.options.encryption) this.silence(event.slots ?? []);
    if ("participant" in event && event.participant === this.local?.id) {
      const moderated = this.publications.obey(event);
      if (moderated) this.emit("moderated", moderated);
    }
    reduce(this.roster, event, this.effects);
  }
  /** Plays nothing of what would have to be decrypted: it sounds like noise. */
  silence(changes) {
    for (const { slot, track } of changes) {
      const receiver = this.slots.get(slot)?.transceiver.receiver;
      if (receiver) receiver.track.enabled = !this.roster.track(track)?.encrypted;
    }
  }
  /** Sends a command whose refusal nobody can act upon. */
  tell(command) {
    this.publications.command(command).catch(() => void 0);
  }
  async measure() {
    const { session } = this;
    if (!session) return;
    const statistics = await this.meter.read(session.media.pc, session.media.slots, this.roster, this.directPC).catch(() => void 0);
    if (statistics && this.session === session) this.emit("statistics", statistics);
  }
  get ended() {
    return this.current === "closed";
  }
  update() {
    if (this.current === "closed") return;
    if (this.session?.healthy) {
      void this.direct?.ready();
      if (this.timings.connected === 0) this.timings.connected = performance.now() - this.started;
      this.become("connected");
    } else {
      this.become(this.timings.connected > 0 ? "reconnecting" : "connecting");
    }
  }
  become(state) {
    const before = this.current;
    if (before === state) return;
    this.current = state;
    this.emit("state", { state, before });
  }
  finish(code, message) {
    if (this.current === "closed") return;
    this.become("closed");
    this.abort.abort();
    clearInterval(this.timer);
    globalThis.removeEventListener("online", this.onOnline);
    globalThis.removeEventListener("pagehide", this.onHide);
    this.direct?.end();
    this.session?.close();
    this.session = void 0;
    this.elements.close();
    this.audio.stop();
    this.publications.close();
    this.emit("closed", { code, message });
  }
};

// src/pack.ts
var MOST = 64 << 10;
async function pack(value) {
  const stream = new Blob([JSON.stringify(value)]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
async function unpack(payload = "") {
  const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const chunks = [];
  let size = 0;
  for (; ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MOST) {
      await reader.cancel();
      throw new Error("the other side's description is too large");
    }
    chunks.push(value);
  }
  return JSON.parse(await new Blob(chunks).text());
}

// src/direct.ts
var LOOK = 40;
var SILENCE = 1500;
var PATIENCE = 1500;
var GATHER = 100;
var VOICE_RATE = 24e3;
function directPath(options = {}) {
  return (host) => new DirectPath({ ...options }, host);
}
var DirectPath = class {
  constructor(options, host) {
    this.options = options;
    this.host = host;
    this.stop = host.line?.on("call", ({ detail: { type, call, from } }) => {
      if (call !== host.call) return;
      const own = from?.user === host.line.user && from.device === host.line.device;
      if (type === "call.accepted") void this.ready();
      if ((type === "call.resumed" || type === "call.taken") && own) void this.ready(true);
    });
  }
  options;
  host;
  /** Whether the direct path is what one hears and sees. */
  playing = false;
  /** The user at the other end, once it has said something. */
  peer = "";
  pc;
  epoch = 0;
  moved = false;
  peerIsBack = false;
  willing = false;
  /** The path is of an earlier session: its epoch means something else to the server by now. */
  stale = false;
  ended = false;
  stop;
  sections = [];
  slots = /* @__PURE__ */ new Map();
  early = [];
  found = [];
  gathering;
  looking;
  /** Steps are taken one after the other. */
  work = Promise.resolve();
  /** Says once that this device is willing; before the answer that is refused, and said again. */
  async ready(anew = false) {
    if (anew) this.willing = false;
    if (this.willing || this.ended || !this.host.line || !this.host.serverPC()) return;
    this.willing = true;
    await this.send("ready", 0).catch(() => this.willing = false);
  }
  /** The device leaves, which the other should not have to notice by silence. */
  leave() {
    if (this.willing) void this.send("unready", 0).catch(() => void 0);
    this.willing = false;
  }
  /**
   * The session is gone and another one follows. What comes directly goes on
   * meanwhile; the new session sends by the server too, and says ready anew.
   */
  reset() {
    this.willing = this.moved = false;
    this.stale = true;
  }
  /** Ends for good. */
  end() {
    this.ended = true;
    this.stop?.();
    this.close();
  }
  /** The slot in which a source is to be seen while the path plays. */
  slot(source, user) {
    return this.playing && user === this.peer ? this.slots.get(source) : void 0;
  }
  /** Something of one's own was published, muted or ended. */
  changed() {
    if (this.pc) this.enqueue(() => this.put());
  }
  receive(event) {
    const act = event.step === "start" ? () => this.begin(event) : () => this.step(event);
    this.enqueue(act, event.epoch);
  }
  enqueue(act, epoch = this.epoch) {
    this.work = this.work.then(act).catch(() => {
      if (this.pc && this.epoch === epoch) this.fail();
    });
  }
  async begin(event) {
    const again = this.playing;
    if (again) await this.audible();
    this.close(again ? PATIENCE : 0);
    if (this.ended) return;
    this.stale = false;
    this.epoch = event.epoch;
    const pc = new RTCPeerConnection({
      bundlePolicy: "max-bundle",
      iceServers: event.iceServers ?? [],
      iceTransportPolicy: event.relay || this.options.relayOnly ? "relay" : "all"
    });
    this.pc = pc;
    pc.onicecandidate = ({ candidate }) => candidate?.candidate && this.gather(candidate.toJSON());
    pc.onconnectionstatechange = () => {
      if (this.pc === pc && (pc.connectionState === "failed" || this.playing && pc.connectionState === "disconnected")) this.fail();
    };
    if (!event.offers) return;
    for (const source of SOURCES) pc.addTransceiver(kindOf(source), { direction: "sendrecv" });
    await this.take(pc.getTransceivers());
    await pc.setLocalDescription();
    await this.tell("offer", thrifty(pc.localDescription.sdp));
  }
  async step(event) {
    const { pc } = this;
    if (!pc || event.epoch !== this.epoch) return;
    if (event.from) this.peer = event.from.user;
    switch (event.step) {
      case "offer":
        await pc.setRemoteDescription({ type: "offer", sdp: await unpack(event.payload) });
        await this.take(pc.getTransceivers());
        await pc.setLocalDescription();
        await this.tell("answer", thrifty(pc.localDescription.sdp));
        return this.described();
      case "answer":
        await pc.setRemoteDescription({ type: "answer", sdp: await unpack(event.payload) });
        return this.described();
      case "candidate":
        for (const candidate of await unpack(event.payload)) {
          if (pc.remoteDescription) await pc.addIceCandidate(candidate);
          else this.early.push(candidate);
        }
        return;
      case "direct":
        this.moved = true;
        return this.host.pauseServer(true);
      case "back":
        this.peerIsBack = true;
        return;
      case "return":
        return this.back();
      case "sfu":
        return this.close();
    }
  }
  /** Takes the sections, one of each source in their order, and what is to be sent on them. */
  async take(sections) {
    this.sections = sections.slice(0, SOURCES.length);
    this.sections.forEach((section, index) => {
      section.direction = "sendrecv";
      const stream = new MediaStream([section.receiver.track]);
      const source = SOURCES[index];
      this.slots.set(source, { slot: -1, video: kindOf(source) === "video", transceiver: section, stream });
    });
    await this.put();
  }
  /** Puts what is published onto the sections. */
  async put() {
    for (const [index, section] of this.sections.entries()) {
      const source = SOURCES[index];
      const local = this.host.tracks.get(source);
      if (section.sender.track !== (local?.track ?? null)) await section.sender.replaceTrack(local?.track ?? null);
      if (!local) continue;
      const parameters = section.sender.getParameters();
      const { width = 640, height = 360 } = local.track.getSettings();
      for (const encoding of parameters.encodings) {
        encoding.active = !isMuted(source, local, this.host.mode());
        encoding.maxBitrate = kindOf(source) === "audio" ? VOICE_RATE : this.host.mode() === "low" ? 15e4 : rateFor(width, height);
      }
      await section.sender.setParameters(parameters);
    }
  }
  /** Both sides are described: waits until media comes. */
  async described() {
    const pc = this.pc;
    for (const candidate of this.early.splice(0)) await pc.addIceCandidate(candidate);
    await this.put();
    this.host.streams([...this.slots.values()].filter((slot) => !slot.video).map((slot) => slot.stream));
    this.look(async () => {
      if (pc.connectionState !== "connected" || !await this.flows(pc)) return false;
      this.switchTo(true);
      void this.say("proven");
      this.watch(pc);
      return true;
    });
  }
  /** Says whether sound comes and is decoded, where some is to be expected. */
  async flows(pc) {
    if (!this.expectsSound()) return true;
    const { packets, played } = await sound(pc);
    return packets > 2 && played > 0;
  }
  /** Says whether the other one publishes sound that is not muted. */
  expectsSound() {
    const others = [...this.host.participants.values()].filter((one) => one.identity === this.peer);
    return others.some((one) => [...one.tracks.values()].some((track) => !track.video && !track.muted));
  }
  /** While the path plays: notices that nothing comes any longer. */
  watch(pc) {
    const heard = () => Math.max(0, ...pc.getReceivers().flatMap((receiver) => receiver.getSynchronizationSources().map((source) => source.timestamp)));
    let latest = heard();
    let since = performance.now();
    this.look(async () => {
      if (!this.playing) return true;
      const now = heard();
      if (now !== latest || !this.expectsSound()) since = performance.now();
      latest = now;
      if (performance.now() - since < SILENCE) return false;
      this.fail();
      return true;
    });
  }
  /** On the way back: sends by the server again, and plays it when both do and it is heard. */
  async back() {
    this.moved = false;
    await this.host.pauseServer(false);
    const before = await sound(this.host.serverPC());
    void this.say("back");
    let until = 0;
    this.look(async () => {
      if (!this.peerIsBack) return false;
      until ||= performance.now() + PATIENCE;
      const heard = !this.expectsSound() || await this.hearsServer(before);
      if (!heard && performance.now() < until) return false;
      this.switchTo(false);
      void this.say("returned");
      return true;
    });
  }
  /** Waits until sound comes by the server, for as long as patience lasts. */
  async audible() {
    const [before, until] = [await sound(this.host.serverPC()), performance.now() + PATIENCE];
    while (this.expectsSound() && performance.now() < until && !await this.hearsServer(before)) {
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
  }
  /** Says whether sound has come by the server since, and some of it has left the jitter buffer: a new one takes its time. */
  async hearsServer(since) {
    const now = await sound(this.host.serverPC());
    return now.packets > since.packets + 2 && now.played > since.played;
  }
  /** Gives the direct path up: the server brings both back. */
  fail() {
    clearInterval(this.looking);
    if (this.stale) return this.close();
    if (this.moved) void this.host.pauseServer(false).catch(() => void 0);
    const { epoch } = this;
    this.send("failed", epoch).catch(() => this.epoch === epoch && this.close());
  }
  /** Asks every so often until it is done; a newer question ends it. */
  look(done) {
    clearInterval(this.looking);
    let asking = false;
    const timer = setInterval(() => {
      if (asking) return;
      asking = true;
      done().then(
        (yes) => yes && clearInterval(timer),
        () => void 0
      ).finally(() => asking = false);
    }, LOOK);
    this.looking = timer;
  }
  switchTo(direct) {
    if (this.playing === direct) return;
    this.playing = direct;
    this.host.play(direct);
  }
  /** Closes the connection, after so many milliseconds; what is played is the server's at once. */
  close(after = 0) {
    const { pc } = this;
    clearInterval(this.looking);
    clearTimeout(this.gathering);
    this.switchTo(false);
    if (this.moved) void this.host.pauseServer(false).catch(() => void 0);
    this.moved = this.peerIsBack = false;
    this.pc = void 0;
    this.early = [];
    this.found = [];
    this.sections = [];
    this.slots.clear();
    if (!pc) return;
    this.host.streams([]);
    pc.onicecandidate = pc.onconnectionstatechange = null;
    setTimeout(() => pc.close(), after);
  }
  gather(candidate) {
    this.found.push(candidate);
    if (this.found.length > 1) return;
    const { epoch } = this;
    this.gathering = setTimeout(() => {
      if (this.epoch === epoch) this.enqueue(() => this.tell("candidate", this.found.splice(0)));
    }, GATHER);
  }
  async tell(step, value) {
    const { epoch } = this;
    const payload = await pack(value);
    if (this.pc && this.epoch === epoch) await this.send(step, epoch, payload).catch(() => void 0);
  }
  /** Says a step whose refusal means that the server has moved on. */
  say(step) {
    return this.send(step, this.epoch).catch(() => void 0);
  }
  send(step, epoch, payload) {
    return this.host.request({ type: "direct", call: this.host.call, step, epoch, payload });
  }
};
function kindOf(source) {
  return source === "microphone" || source === "screen_audio" ? "audio" : "video";
}
async function sound(pc) {
  let packets = 0;
  let played = 0;
  for (const report of (await pc?.getStats())?.values() ?? []) {
    if (report.type !== "inbound-rtp" || report.kind !== "audio") continue;
    packets += report.packetsReceived;
    played += report.jitterBufferEmittedCount;
  }
  return { packets, played };
}
function thrifty(sdp) {
  return sdp.replace(/useinbandfec=1/g, "useinbandfec=1;usedtx=1");
}

// src/ring.ts
async function dial(options) {
  const line = new Line(options);
  await line.start();
  return line;
}
var Line = class extends TypedTarget {
  /** @internal Use dial. */
  constructor(options) {
    super();
    this.options = options;
  }
  options;
  /** Who one is, as the server says. */
  user = "";
  device = "";
  /** What the user was in or rung by when the line was last dialled. */
  calls = [];
  signalling;
  ended = false;
  /** Ends when the line is there again; missing while it is. */
  dialling;
  abort = new AbortController();
  channel;
  /** Says whether commands go out at once. */
  get open() {
    return this.signalling.open;
  }
  /** @internal */
  async start() {
    const signalling = new Signalling(this.options.url ?? defaultURL(), {
      event: (event) => this.receive(event),
      lost: () => this.channel?.handlers.lost(),
      resumed: (reply2) => this.channel?.handlers.resumed(reply2),
      gone: (error) => this.redial(error),
      message: (direction, compact) => this.channel?.handlers.message(direction, compact)
    });
    this.signalling = signalling;
    await signalling.connect();
    const token = typeof this.options.token === "function" ? await this.options.token() : this.options.token;
    let reply;
    try {
      reply = await signalling.start({
        type: "connect",
        version: PROTOCOL_VERSION,
        ...token ? { token } : {},
        user: this.options.user,
        device: this.options.device,
        client: this.options.client ?? "web"
      });
    } catch (error) {
      signalling.end();
      throw error;
    }
    this.user = reply.user ?? "";
    this.device = reply.device ?? "";
    this.calls = reply.calls ?? [];
    setTimeout(() => signalling.begin(), 0);
  }
  /** Makes a call and rings users; answers its id. */
  async create(targets, options = {}) {
    const reply = await this.signalling.request({ type: "call.create", targets, ...options });
    return reply.call;
  }
  /** Rings further users; with the third one in it the call is a group. */
  ring(call, targets, options = {}) {
    return this.tell({ type: "call.ring", ...options, call, targets });
  }
  /** Says that this device shows the ring. */
  ringing(call) {
    return this.tell({ type: "call.ringing", call });
  }
  /** Answers. Error code answered_elsewhere when another device was first. */
  accept(call, payload) {
    return this.tell({ type: "call.accept", call, payload });
  }
  decline(call) {
    return this.tell({ type: "call.decline", call });
  }
  busy(call) {
    return this.tell({ type: "call.busy", call });
  }
  /** Ends the ring of some users, or of all. */
  cancel(call, targets) {
    return this.tell({ type: "call.cancel", call, targets });
  }
  hold(call) {
    return this.tell({ type: "call.hold", call });
  }
  resume(call) {
    return this.tell({ type: "call.resume", call });
  }
  /** Takes a call over from another device of the user. */
  take(call) {
    return this.tell({ type: "call.take", call });
  }
  leave(call) {
    return this.tell({ type: "call.leave", call });
  }
  /** Ends the call for everybody; its creator may. */
  end(call) {
    return this.tell({ type: "call.end", call });
  }
  /**
   * Joins a call's room, over this line. While it rings nothing flows, and the
   * answer lets it flow at once. One room at a time.
   */
  async join(call, options = {}) {
    const joined = new Call({ ...options, room: call, line: this });
    await joined.start();
    return joined;
  }
  /** Leaves all calls and closes the line. */
  async close() {
    if (this.ended) return;
    this.finish("left", "the line was closed");
    await this.signalling.leave(true);
  }
  /** Breaks the connection as the network might; for tests. */
  interrupt() {
    this.signalling.interrupt();
  }
  /** @internal A room's share of the line. */
  share(handlers) {
    const forget = (c) => {
      if (this.channel === c) this.channel = void 0;
    };
    this.channel = new LineChannel(() => this.signalling, handlers, forget, () => this.dialling);
    return this.channel;
  }
  tell(command) {
    return this.signalling.request(command);
  }
  receive(event) {
    if (event.type.startsWith("call.")) return this.emit("call", event);
    if (event.type === "closed") {
      this.channel?.receive(event);
      if (event.rejoin) this.redial(new CallError(event.code, event.message));
      else this.finish(event.code, event.message);
      return;
    }
    this.channel?.receive(event);
  }
  /** Dials again, once at a time. */
  redial(error) {
    this.dialling ??= this.dialAgain(error).finally(() => this.dialling = void 0);
    this.dialling.catch(() => void 0);
  }
  async dialAgain(error) {
    const backoff = new Backoff();
    const channel = this.channel;
    while (!this.ended) {
      await pause(backoff.next(), this.abort.signal);
      if (this.ended) break;
      try {
        await this.start();
        this.emit("calls", this.calls);
        channel?.handlers.gone(error);
        return;
      } catch (refusal) {
        const code = refusal instanceof CallError ? refusal.code : "network";
        if (code === "network" || code === "rate_limited" || code === "internal" || code === "draining" || code === "server_full") continue;
        this.finish(code, String(refusal));
        throw refusal;
      }
    }
    throw new CallError("closed", "the line was closed");
  }
  finish(code, message) {
    if (this.ended) return;
    this.ended = true;
    this.abort.abort();
    this.emit("closed", { code, message });
  }
};
var LineChannel = class {
  constructor(signalling, handlers, forget, dialling) {
    this.signalling = signalling;
    this.handlers = handlers;
    this.forget = forget;
    this.dialling = dialling;
  }
  signalling;
  handlers;
  forget;
  dialling;
  early = [];
  ended = false;
  room = "";
  get roundTrip() {
    return this.signalling().roundTrip;
  }
  get open() {
    return !this.ended && this.signalling().open;
  }
  connect() {
    return this.dialling() ?? Promise.resolve();
  }
  join(command) {
    this.room = command.room;
    return this.signalling().request(command);
  }
  begin() {
    const early = this.early ?? [];
    this.early = void 0;
    for (const event of early) this.receive(event);
  }
  request(command) {
    if (this.ended) return Promise.reject(new CallError("session_ended", "the room was left"));
    return this.signalling().request(command);
  }
  async leave() {
    const open2 = this.open;
    this.end();
    if (open2) await this.signalling().request({ type: "leave", room: this.room }).catch(() => void 0);
  }
  end() {
    this.ended = true;
    this.forget(this);
  }
  interrupt() {
    this.signalling().interrupt();
  }
  receive(event) {
    if (this.ended) return;
    if (this.early) {
      this.early.push(event);
      return;
    }
    if (event.type === "left") {
      this.end();
      this.handlers.event({ type: "closed", code: event.code, message: event.message, rejoin: event.rejoin });
      return;
    }
    if (event.type === "closed") this.end();
    this.handlers.event(event);
  }
};
export {
  Call,
  CallError,
  Control,
  Line,
  LocalTrack,
  PROTOCOL_VERSION,
  Participant,
  RemoteTrack,
  TypedTarget,
  VERSION,
  captureCamera,
  captureError,
  captureMicrophone,
  captureScreen,
  connect,
  dial,
  directPath
};
