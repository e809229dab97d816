// A page that rings and is rung: the ringing goes through the messenger's backend,
// the media through Rivulet's SDK.
import { captureMicrophone, connect } from "/sdk/rivulet.js";

const $ = (id) => document.getElementById(id);
let session = "";
let me = {};
let current = null; // { id, media } of the call that this device is in or rung by

async function ask(path, body) {
  const answer = await fetch(path, {
    method: body === undefined ? "GET" : "POST",
    headers: { Authorization: `Bearer ${session}` },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const value = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(value.detail), { code: value.code });
  return value;
}

// show says where the call stands and what can be done: name -> function.
function show(state, actions = {}) {
  $("state").textContent = state;
  $("actions").replaceChildren(
    ...Object.entries(actions).map(([name, act]) => {
      const button = document.createElement("button");
      button.textContent = name;
      button.id = name.toLowerCase().replace(/\W+/g, "-");
      button.onclick = () => act().catch((error) => show(error.message));
      return button;
    }),
  );
  $("dial").hidden = session === "" || Object.keys(actions).length > 0;
}

const say = (verb, fields = {}) => ask(`/call/${current.id}/${verb}`, fields);

async function talk() {
  const { url, token } = await ask(`/call/${current.id}/room`, {});
  const track = await captureMicrophone();
  current.media = await connect({ url, room: current.id, token, publish: { microphone: track } });
  window.media = current.media; // for tests and the curious
  inCall();
}

function inCall() {
  show(current.group ? "In a group" : "In the call", {
    "Hang up": () => say("leave"),
    Invite: async () => {
      const user = window.prompt("Whom to invite?");
      if (user) await say("ring", { users: [user] });
    },
  });
}

function over(state) {
  current?.media?.leave();
  current = null;
  show(state);
}

const reasons = {
  hangup: "The call has ended", declined: "Declined", busy: "Busy", missed: "No answer", cancelled: "Cancelled",
  connection_lost: "The connection was lost", glare: "You both called",
};

async function heard(event) {
  if (event.type === "call.ring") {
    if (current !== null) return ask(`/call/${event.call}/busy`, {});
    current = { id: event.call };
    await say("ringing");
    return show(`${event.from?.user ?? "Somebody"} calls`, {
      Accept: async () => { await say("accept"); await talk(); },
      Decline: () => say("decline"),
    });
  }
  if (event.call !== current?.id) return;
  switch (event.type) {
    case "call.ringing": return show("It rings", { Cancel: () => say("cancel") });
    case "call.accepted":
      if (event.from.user === me.user) return;
      return current.media === undefined ? talk() : undefined;
    case "call.upgraded": current.group = true; return inCall();
    case "call.elsewhere": return over(`Answered elsewhere: ${event.reason}`);
    case "call.cancelled": return event.user === me.user ? over("They hung up") : undefined;
    case "call.missed": return event.user === me.user ? over("Missed") : undefined;
    case "call.left": return event.from.user === me.user ? over("You left") : undefined;
    case "call.ended": return over(reasons[event.reason] ?? event.reason);
    case "call.declined": return event.user === me.user ? over("You declined") : undefined;
  }
}

async function listen() {
  for (let after = 0; ; ) {
    try {
      const { events, last } = await ask(`/inbox?after=${after}`);
      after = last;
      for (const event of events) await heard(event).catch((error) => show(error.message));
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1000)); // the backend restarts
    }
  }
}

$("login").onsubmit = async (event) => {
  event.preventDefault();
  me = { user: $("user").value, device: $("device").value };
  ({ session } = await ask("/login", me));
  $("login").hidden = true;
  show(`You are ${me.user}`);
  listen();
};

$("dial").onsubmit = async (event) => {
  event.preventDefault();
  try {
    current = { id: (await ask("/call", { users: [$("whom").value], lifetimeMs: Number(window.ringFor ?? 0) })).call };
    show("Calling", { Cancel: () => say("cancel") });
  } catch (error) {
    show(error.message);
  }
};
show("");
