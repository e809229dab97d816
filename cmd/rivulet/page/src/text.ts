/**
 * Every word that people read on the page, in one table. English is the
 * first; another language is a table of the same keys under its tag in
 * `languages`, and what it lacks is shown in English.
 */

/** What happened, why, and what to do about it. */
export interface Trouble {
  what: string;
  why: string;
  next: string;
}

const english = {
  product: "Rivulet",
  tagline: "Calls that keep talking on thin links",

  development: "This is a server for development: anybody may join any room.",

  yourName: "Your name",
  namePlaceholder: "How others see you",
  room: "Room",
  roomPlaceholder: "for example garden",
  join: "Join",
  joining: "Joining…",
  joinWithout: "Join without",
  preview: "Your picture before joining",
  cameraIsOff: "Camera is off",
  openingDevices: "Opening camera and microphone…",
  microphone: "Microphone",
  camera: "Camera",
  speaker: "Loudspeaker",
  noDevice: "None found",
  defaultDevice: "Default",
  numbered: (kind: string, n: number) => `${kind} ${n}`,
  level: "Microphone level",
  roomMissing: "Please say which room to join.",

  mute: "Mute",
  unmute: "Unmute",
  cameraOn: "Camera on",
  cameraOff: "Camera off",
  shareScreen: "Share screen",
  stopSharing: "Stop sharing",
  settings: "Settings",
  leave: "Leave",
  copyLink: "Copy link",
  linkCopied: "Link copied",
  close: "Close",
  pin: (name: string) => `Enlarge ${name}`,
  unpin: (name: string) => `Stop enlarging ${name}`,
  controls: "Call controls",
  people: "People in this call",

  guest: "Guest",
  you: "you",
  youAre: (name: string) => `${name} (you)`,
  screenOf: (name: string) => `Screen of ${name}`,
  yourScreen: "Your screen",
  muted: "muted",
  speaking: "speaking",
  pictureHidden: "picture not shown",
  alone: "Nobody else is here yet",
  aloneHint: "Send the link of this page to whom you want to talk.",
  others: (count: number) => `and ${count} others`,
  hasJoined: (name: string) => `${name} joined`,
  hasLeft: (name: string) => `${name} left`,
  hasLost: (name: string) => `The connection of ${name} was lost`,
  sharesScreen: (name: string) => `${name} shares a screen`,

  oneVoice: {
    encrypted: "Your connection is thin: you hear one voice at a time, for encrypted voices cannot be mixed",
    no_codec: "Your connection is thin: you hear one voice at a time, for this server cannot mix",
  },
  connection: (quality: string) => `Connection: ${quality}`,
  excellent: "excellent",
  good: "good",
  poor: "poor",
  lost: "lost",

  data: "Data",
  dataUsed: (total: string, rate: string) => `${total}, ${rate}`,
  dataLabel: (total: string, rate: string) => `Data used: ${total}, now ${rate}. Opens the settings.`,
  dataMode: "Data mode",
  modeAuto: "Automatic",
  modeAutoHint: "The best picture and sound that the link carries.",
  modeLow: "Low",
  modeLowHint: "Small pictures only, about 150 kbit/s for each.",
  modeVoice: "Voice only",
  modeVoiceHint: "No pictures either way, about 40 kbit/s.",
  devices: "Devices",
  keyboard: "Keyboard",
  keyMute: "mute or unmute",
  keyCamera: "camera on or off",
  keyScreen: "share or stop sharing the screen",
  keyLeave: "leave the call",
  keySettings: "open these settings",
  path: "Path",
  delay: "Round trip",
  loss: "Loss",
  milliseconds: (n: number) => `${n} ms`,
  percent: (n: string) => `${n} %`,
  unknown: "not known yet",
  /** How media go, of a call that rang. */
  ways: {
    sfu: { short: "via server", now: "Sound and pictures go by the server" },
    direct: { short: "direct", now: "Sound and pictures go directly to the other device" },
  },
  paths: {
    udp: "to the server, UDP",
    tcp: "to the server, TCP",
    "relay/udp": "relay, UDP",
    "relay/tcp": "relay, TCP",
  } as Record<string, string>,

  connecting: "Connecting…",
  reconnecting: "The connection was lost. Reconnecting…",
  reconnectingLong: "Still reconnecting. Check your network; the call goes on by itself when it is back.",
  reconnected: "Connected again",
  soundBlocked: "The browser holds back the sound until you click.",
  playSound: "Play sound",

  size: (width: number, height: number) => `${width}×${height}`,
  /** Why no more is received of a picture, by the reasons of the protocol. */
  reasons: {
    full: "full quality",
    fits_view: "fits this tile",
    bandwidth: "limited by your link",
    paused_bandwidth: "Paused: your link is too thin for the picture",
    no_source: "Waiting for the picture",
    muted: "Camera is paused",
    not_viewed: "Not shown",
    data_mode: "limited by your data mode",
    codec_not_supported: "This browser cannot decode the picture",
    still: "still picture: your link is thin",
    publisher: "limited by the sender's link",
    data_budget: "limited by your data limit",
  } as Record<string, string>,
  pausedReasons: {
    data_mode: "Paused by your data mode",
    data_budget: "Paused: your data limit is reached",
    bandwidth: "Paused: your link is too thin for the picture",
  } as Record<string, string>,
  /** What of pictures comes and goes, in the settings. */
  pictures: "Pictures",
  received: "Received",
  sent: "Sent",
  nothingReceived: "No pictures are received now.",
  nothingSent: "Nobody sees your camera now: nothing is sent.",
  perSecond: (frames: number) => `${frames}/s`,
  sentLimited: {
    bandwidth: "limited by your link",
    cpu: "limited by this device",
  } as Record<string, string>,
  asked: "as much as others can see",
  dataLimit: "Data limit for what is received",
  noLimit: "None",
  perHour: (amount: string) => `${amount} an hour`,
  dataLimitHint: "Pictures get smaller, then pause. Voice goes on.",
  noSlot: "no room for this picture now",
  pausedOther: "Paused",

  /** What moderators do. */
  moderation: {
    title: "People and room",
    mute: "Mute",
    muteWhom: (name: string) => `Mute ${name}`,
    remove: "Remove",
    removeWhom: (name: string) => `Remove ${name}`,
    lock: "Lock the room",
    unlock: "Unlock the room",
    end: "End for everybody",
    endSure: "End this call for everybody?",
    nowLocked: "The room is locked: nobody else gets in",
    nowOpen: "The room is open again",
    mutedBy: (what: string) => `${what}: muted by a moderator`,
    askedBy: (what: string) => `${what}: a moderator asks you to switch it on`,
  },

  /** Ringing and being rung. */
  rings: {
    you: (user: string) => `You are ${user}`,
    whom: "Whom to call?",
    call: "Call",
    calling: (peer: string) => `Calling ${peer}…`,
    ringingOn: (peer: string, devices: number) => `Ringing ${peer}${devices > 1 ? ` on ${devices} devices` : ""}…`,
    cancel: "Cancel",
    calls: (peer: string) => `${peer || "Somebody"} is calling`,
    accept: "Accept",
    decline: "Decline",
    missed: (peer: string) => `Missed call from ${peer}`,
    ended: "The call has ended",
    elsewhere: {
      accepted: "Answered on another device",
      declined: "Declined on another device",
      busy: "You are busy on another device",
    } as Record<string, string>,
    outcome: (reason: string, peer: string, answered: boolean) =>
      answered
        ? "The call has ended"
        : ({ declined: `${peer} declined`, busy: `${peer} is busy`, missed: `${peer} does not answer` }[reason] ?? "The call has ended"),
  },

  left: "You left the call",
  leftHint: "You can come back with the same link.",
  ended: "The call has ended for you",
  rejoin: "Join again",
  retry: "Try again",
  newCall: "Another room",
  cannotJoin: "You could not join",
  details: "Details",

  /** Troubles by error code: those of the server and of the SDK. */
  troubles: {
    denied: {
      what: "The browser may not use it",
      why: "Access was refused to this page, by you earlier or by a setting.",
      next: "Allow it beside the address of the page, then try again. You can also join without.",
    },
    no_device: {
      what: "None was found",
      why: "Nothing is plugged in, or the system hides it.",
      next: "Plug one in and try again, or join without: you will still hear and see the others.",
    },
    device_busy: {
      what: "It could not be opened",
      why: "Another program is probably using it.",
      next: "Close the other program and try again, or join without.",
    },
    insecure: {
      what: "Camera and microphone are not available here",
      why: "Browsers open them only on pages from https:// or localhost.",
      next: "Open this page over https://, or join to listen and watch only.",
    },
    no_webrtc: {
      what: "This browser cannot make calls",
      why: "It has no WebRTC, or WebRTC is switched off.",
      next: "Use a current Firefox, Chrome, Edge or Safari.",
    },
    network: {
      what: "The server could not be reached",
      why: "Your network is down, or something on the way blocks WebSockets.",
      next: "Check the network and try again.",
    },
    media: {
      what: "The media connection could not be set up",
      why: "The browser and the server did not agree.",
      next: "Try again; if it stays so, tell the operator the details below.",
    },
    bad_token: {
      what: "Your invitation is not valid",
      why: "The link has no token, or one that this server did not sign.",
      next: "Ask for a new link.",
    },
    token_expired: {
      what: "Your invitation has expired",
      why: "Its time was limited.",
      next: "Ask for a new link.",
    },
    wrong_room: {
      what: "Your invitation is for another room",
      why: "The token in the link names a different room.",
      next: "Check the link, or ask for a new one.",
    },
    not_permitted: {
      what: "You may not do this here",
      why: "Your invitation does not include it.",
      next: "Ask whoever invited you for more rights.",
    },
    room_full: {
      what: "The room is full",
      why: "It has as many people as it may have.",
      next: "Try again when somebody has left.",
    },
    server_full: {
      what: "The server is full",
      why: "It carries as many calls as it can.",
      next: "Try again in a few minutes.",
    },
    rate_limited: {
      what: "Too many attempts",
      why: "Many joins came from your network in a short time.",
      next: "Wait a moment and try again.",
    },
    replaced: {
      what: "You joined from somewhere else",
      why: "The same person is now in this call in another window or on another device.",
      next: "Go on there, or take the call back here.",
    },
    removed: {
      what: "You were taken out of this call",
      why: "A moderator did it.",
      next: "Ask whoever runs the call.",
    },
    ended: {
      what: "The call was ended for everybody",
      why: "A moderator or the server did it.",
      next: "Join again to begin a new one.",
    },
    room_locked: {
      what: "The room is locked",
      why: "A moderator lets nobody else in.",
      next: "Ask to be let in, then try again.",
    },
    banned: {
      what: "You may not come back yet",
      why: "A moderator took you out of this room for a while.",
      next: "Try again later.",
    },
    slow_client: {
      what: "This device fell too far behind",
      why: "It did not read what the server sent.",
      next: "Close other programs and join again.",
    },
    unsupported_version: {
      what: "This page is too old or too new for the server",
      why: "They speak different versions of the protocol.",
      next: "Reload the page.",
    },
    bad_message: {
      what: "The server did not accept the request",
      why: "Something in the name, the room or the request is not allowed.",
      next: "Shorten the name or the room's name (64 bytes at most) and try again.",
    },
    other: {
      what: "The call could not go on",
      why: "The server ended it.",
      next: "Try again; if it stays so, tell the operator the details below.",
    },
  } as Record<string, Trouble>,
  microphoneTrouble: "Microphone",
  cameraTrouble: "Camera",
  screenTrouble: "Screen sharing",
  complaint: (subject: string, { what, why, next }: Trouble) => `${subject}: ${what}. ${why} ${next}`,
  deviceGone: (kind: string) => `${kind}: the device was disconnected or stopped.`,
};

export type Text = typeof english;

/** The languages by BCP 47 tag. */
export const languages: Record<string, Partial<Text>> = { en: english };

/** Answers the table of the first wanted language there is, completed with English. */
export function choose(wanted: readonly string[]): { tag: string; text: Text } {
  for (const tag of wanted) {
    const known = [tag, tag.split("-")[0]!].find((one) => languages[one]);
    if (known) return { tag: known, text: complete(languages[known]!) };
  }
  return { tag: "en", text: english };
}

function complete(table: Partial<Text>): Text {
  const merged: Record<string, unknown> = { ...english };
  for (const [key, value] of Object.entries(table)) {
    const fallback = merged[key];
    merged[key] = typeof value === "object" ? { ...(fallback as object), ...value } : value;
  }
  return merged as Text;
}

const chosen = choose(typeof navigator === "undefined" ? [] : navigator.languages);

/** The table in use. */
export const text = chosen.text;
/** Its language. */
export const language = chosen.tag;

/** Answers the trouble of an error code. */
export function trouble(code: string): Trouble {
  return text.troubles[code] ?? text.troubles.other!;
}
