// A page that rings and is rung. It logs in at the messenger's backend, which has
// Rivulet ring; everything else goes over one line to Rivulet: answers, what
// happens to calls, and media, which is built while it rings.
import { captureMicrophone, dial } from "/sdk/rivulet.js";

const $ = (id) => document.getElementById(id);
let session = "";
let me = {};
let line;
let current = null; // { id, media, group } of the call that this device is in or rung by

async function ask(path, body) {
  const answer = await fetch(path, { method: "POST", headers: { Authorization: `Bearer ${session}` }, body: JSON.stringify(body) });
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

// build joins the call's room: while it rings nothing flows, and the answer opens
// it. The microphone is opened when somebody has pressed a button.
async function build() {
  const call = current;
  try {
    const media = await line.join(call.id);
    if (current !== call) return void media.leave();
    call.media = media;
    window.media = media; // for tests and the curious
  } catch (error) {
    if (!late(error)) throw error;
  }
}

async function speak() {
  const call = current;
  const track = await captureMicrophone();
  await (call.built ??= build()); // after the answer, where the ring did not allow it before
  await call.media?.publish("microphone", track).catch((error) => {
    if (!late(error)) throw error;
  });
}

// late says that something was refused because the call was over already: an
// event says so too.
const late = (error) => ["not_invited", "unknown_call", "call_over", "session_ended", "closed", "not_joined", "unknown_session"].includes(error.code);

function inCall() {
  show(current.group ? "In a group" : "In the call", {
    "Hang up": () => line.leave(current.id),
    Invite: async () => {
      const user = window.prompt("Whom to invite?");
      if (user) await ask(`/call/${current.id}/ring`, { users: [user] });
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
    if (current?.id === event.call) return; // told again, after the line was dialled anew
    if (current !== null) return line.busy(event.call);
    current = { id: event.call };
    show(`${event.from?.user ?? "Somebody"} calls`, {
      Accept: async () => { await line.accept(event.call); inCall(); await speak(); },
      Decline: () => line.decline(event.call),
    });
    await line.ringing(event.call);
    if (event.early) current.built = build(); // gated until the answer
    return;
  }
  if (event.call !== current?.id) return;
  switch (event.type) {
    case "call.ringing": return show("It rings", { Cancel: () => line.cancel(current.id) });
    case "call.accepted": return event.from.user === me.user ? undefined : inCall();
    case "call.upgraded": current.group = true; return inCall();
    case "call.elsewhere": return over(`Answered elsewhere: ${event.reason}`);
    case "call.cancelled": return event.user === me.user ? over("They hung up") : undefined;
    case "call.missed": return event.user === me.user ? over("Missed") : undefined;
    case "call.left": return event.from.user === me.user ? over("You left") : undefined;
    case "call.ended": return over(reasons[event.reason] ?? event.reason);
    case "call.declined": return event.user === me.user ? over("You declined") : undefined;
  }
}

$("login").onsubmit = async (event) => {
  event.preventDefault();
  me = { user: $("user").value, device: $("device").value };
  const login = await ask("/login", me);
  session = login.session;
  line = await dial({ url: login.url.replace("http", "ws") + "/v1/ws", device: me.device, token: async () => (await ask("/token", {})).token });
  line.on("call", ({ detail }) => heard(detail).catch((error) => current?.id === detail.call && show(error.message)));
  line.on("closed", ({ detail }) => show(`The line is closed: ${detail.message}`));
  window.line = line;
  $("login").hidden = true;
  show(`You are ${me.user}`);
};

$("dial").onsubmit = async (event) => {
  event.preventDefault();
  // The id is ours, so that an answer that is quicker than our own is known.
  const call = { id: crypto.randomUUID() };
  current = call;
  try {
    await ask("/call", { call: call.id, users: [$("whom").value], lifetimeMs: Number(window.ringFor ?? 0) });
    if (current !== call) return;
    show("Calling", { Cancel: () => line.cancel(call.id) });
    call.built = build();
    await speak();
  } catch (error) {
    if (current !== call) return;
    current = null;
    show(error.message);
  }
};
show("");
