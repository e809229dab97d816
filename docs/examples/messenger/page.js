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

// show says where the call stands and what can be done: name -> function. A
// button that is pressed when its call is over already says nothing: an event
// has said so, or does.
function show(state, actions = {}) {
  $("state").textContent = state;
  $("actions").replaceChildren(
    ...Object.entries(actions).map(([name, act]) => {
      const button = document.createElement("button");
      button.textContent = name;
      button.id = name.toLowerCase().replace(/\W+/g, "-");
      button.onclick = () => act().catch((error) => late(error) || show(error.message));
      return button;
    }),
  );
  $("dial").hidden = session === "" || Object.keys(actions).length > 0;
}

// late says that something was refused because the call was over already.
const late = (error) => ["not_invited", "unknown_call", "call_over", "session_ended", "closed", "not_joined", "unknown_session"].includes(error.code);

// build joins the call's room: while it rings nothing flows, and the answer opens
// it. Until the call is over for this device it may be asked for again.
async function build(call) {
  try {
    const media = await line.join(call.id);
    if (current !== call) return void media.leave();
    call.media = media;
    window.media = media; // for tests and the curious
  } catch (error) {
    if (!late(error)) throw error;
  }
}

// speak opens the microphone: somebody has pressed a button.
async function speak(call) {
  const track = await captureMicrophone();
  if (current === call) await (call.built ??= build(call)); // after the answer, where the ring did not allow it before
  if (current !== call || !call.media) return track.stop(); // over meanwhile
  await call.media.publish("microphone", track).catch((error) => {
    if (!late(error)) throw error;
  });
}

function inCall(call) {
  show(call.group ? "In a group" : "In the call", {
    "Hang up": () => line.leave(call.id),
    Invite: async () => {
      const user = window.prompt("Whom to invite?");
      if (user) await ask(`/call/${call.id}/ring`, { users: [user] });
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
    const call = (current = { id: event.call });
    show(`${event.from?.user ?? "Somebody"} calls`, {
      Accept: async () => {
        await line.accept(call.id);
        if (current !== call) return;
        inCall(call);
        await speak(call);
      },
      Decline: () => line.decline(call.id),
    });
    await line.ringing(call.id);
    if (event.early && current === call) call.built = build(call); // gated until the answer
    return;
  }
  const call = current;
  if (event.call !== call?.id) return;
  switch (event.type) {
    case "call.ringing": return show("It rings", { Cancel: () => line.cancel(call.id) });
    case "call.accepted": return event.from.user === me.user ? undefined : inCall(call);
    case "call.upgraded": call.group = true; return inCall(call);
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
  line.on("call", ({ detail }) => heard(detail).catch((error) => late(error) || (current?.id === detail.call && show(error.message))));
  line.on("closed", ({ detail }) => show(`The line is closed: ${detail.message}`));
  window.line = line;
  $("login").hidden = true;
  show(`You are ${me.user}`);
};

$("dial").onsubmit = async (event) => {
  event.preventDefault();
  // The id is ours, so that what happens before our own answer comes is known:
  // on a fast network it rings, or is answered, by then. So nothing is shown
  // after the answer that an event has overtaken.
  const call = (current = { id: crypto.randomUUID() });
  const asked = ask("/call", { call: call.id, users: [$("whom").value], lifetimeMs: Number(window.ringFor ?? 0) });
  show("Calling", { Cancel: () => asked.then(() => line.cancel(call.id)) });
  try {
    await asked;
    if (current !== call) return;
    call.built ??= build(call);
    await speak(call);
  } catch (error) {
    if (current === call) over(error.message);
  }
};
show("");
