/** Tests of one signalling session against a scripted socket. */
import type { CallError } from "../src/errors";
import type { ServerEvent } from "../src/protocol";
import { Signalling } from "../src/signalling";
import { equal, ok, refusal, test, until } from "./harness";

export { run } from "./harness";

interface Message {
  type: string;
  id: string;
  [field: string]: unknown;
}

/** Stands for the network: sockets that the test opens, feeds and breaks. */
class FakeSocket {
  static all: FakeSocket[] = [];
  static refuse = false;
  readyState = 0;
  sent: Message[] = [];
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
    setTimeout(() => {
      if (FakeSocket.refuse) return this.break();
      this.readyState = 1;
      this.onopen?.();
    });
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.readyState = 3;
  }
  /** A message from the server. */
  feed(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  /** The network breaks the connection. */
  break(): void {
    this.readyState = 3;
    this.onclose?.();
  }
  last(type: string): Message | undefined {
    return this.sent.filter((message) => message.type === type).at(-1);
  }
}
Object.assign(FakeSocket, { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 });
globalThis.WebSocket = FakeSocket as unknown as typeof WebSocket;

interface Heard {
  events: string[];
  lost: number;
  resumed: number;
  gone: CallError[];
}

const newest = () => FakeSocket.all.at(-1)!;

/** A session that has joined, with event 5 as the last before it. */
async function joined() {
  FakeSocket.all = [];
  FakeSocket.refuse = false;
  const heard: Heard = { events: [], lost: 0, resumed: 0, gone: [] };
  const signalling = new Signalling("ws://test/v1/ws", {
    event: (event: ServerEvent) => void heard.events.push(event.type),
    lost: () => heard.lost++,
    resumed: () => heard.resumed++,
    gone: (error) => void heard.gone.push(error),
    message: () => undefined,
  });
  await signalling.connect();
  const reply = signalling.join({ type: "join", version: 1, room: "r" });
  newest().feed({ type: "left_early", seq: 5 });
  newest().feed({ type: "early", seq: 6 });
  newest().feed({ type: "joined", re: newest().last("join")!.id, resume: "secret", sequence: 5, pingSeconds: 60 });
  await reply;
  signalling.begin();
  return { signalling, heard };
}

/** Waits for the socket after a break and its resume. */
async function resumeOf(count: number): Promise<FakeSocket> {
  await until(() => FakeSocket.all.length >= count && newest().last("resume"), "a resume");
  return newest();
}

test("events that overtake the join's reply come after it, each once", async () => {
  const { heard, signalling } = await joined();
  equal(heard.events, ["early"]);
  newest().feed({ type: "early", seq: 6 });
  newest().feed({ type: "next", seq: 7 });
  equal(heard.events, ["early", "next"]);
  signalling.end();
});

test("replies and errors find their command", async () => {
  const { signalling } = await joined();
  const good = signalling.request({ type: "mute", source: "camera", muted: true });
  const bad = signalling.request({ type: "unpublish", source: "screen" });
  newest().feed({ type: "error", re: newest().last("unpublish")!.id, code: "unknown_track", message: "none" });
  newest().feed({ type: "done", re: newest().last("mute")!.id });
  equal((await good).type, "done");
  equal(await refusal(bad), "unknown_track");
  signalling.end();
});

test("a refused join says why", async () => {
  FakeSocket.all = [];
  const signalling = new Signalling("ws://test", {
    event: () => undefined,
    lost: () => undefined,
    resumed: () => undefined,
    gone: () => undefined,
    message: () => undefined,
  });
  await signalling.connect();
  const reply = signalling.join({ type: "join", version: 1, room: "r" });
  newest().feed({ type: "error", re: newest().last("join")!.id, code: "room_full", message: "full" });
  equal(await refusal(reply), "room_full");
  signalling.end();
});

test("a broken connection resumes and repeats what was not answered", async () => {
  const { signalling, heard } = await joined();
  newest().feed({ type: "next", seq: 7 });
  const asked = signalling.request({ type: "mute", source: "camera", muted: true });
  const id = newest().last("mute")!.id;
  newest().break();
  const meanwhile = signalling.request({ type: "unpublish", source: "screen" });
  equal(heard.lost, 1, "lost");
  const socket = await resumeOf(2);
  const { token, after } = socket.last("resume")!;
  equal([token, after], ["secret", 7]);
  equal(socket.last("mute"), undefined, "before the resume");
  socket.feed({ type: "resumed", re: socket.last("resume")!.id, participant: "p", sequence: 8 });
  await until(() => heard.resumed === 1, "resumed");
  equal(socket.last("mute")!.id, id, "the repeated id");
  socket.feed({ type: "missed", seq: 8 });
  socket.feed({ type: "done", re: id });
  socket.feed({ type: "done", re: socket.last("unpublish")!.id });
  await Promise.all([asked, meanwhile]);
  equal(heard.events, ["early", "next", "missed"]);
  signalling.end();
});

test("it tries again while the server cannot be reached", async () => {
  const { signalling, heard } = await joined();
  FakeSocket.refuse = true;
  newest().break();
  await until(() => FakeSocket.all.length >= 3, "two attempts");
  FakeSocket.refuse = false;
  const count = FakeSocket.all.length;
  const socket = await resumeOf(count);
  socket.break();
  const again = await resumeOf(FakeSocket.all.length + 1);
  again.feed({ type: "resumed", re: again.last("resume")!.id, participant: "p", sequence: 6 });
  await until(() => heard.resumed === 1, "resumed");
  equal(heard.lost, 1, "told once");
  signalling.end();
});

test("a missing event makes it resume after the last one", async () => {
  const { signalling, heard } = await joined();
  newest().feed({ type: "too-far", seq: 9 });
  newest().feed({ type: "even-further", seq: 10 });
  const socket = await resumeOf(2);
  equal(socket.last("resume")!.after, 6);
  equal(heard.events, ["early"]);
  signalling.end();
});

test("a session that is gone says so and refuses what waits", async () => {
  const { signalling, heard } = await joined();
  const waiting = signalling.request({ type: "ping" });
  newest().break();
  const socket = await resumeOf(2);
  socket.feed({ type: "error", re: socket.last("resume")!.id, code: "unknown_session", message: "gone" });
  equal(await refusal(waiting), "session_ended");
  await until(() => heard.gone.length === 1, "gone");
  equal(heard.gone[0]!.code, "unknown_session");
  equal(await refusal(signalling.request({ type: "ping" })), "session_ended");
});

test("events that are lost after the resume end the session too", async () => {
  const { heard } = await joined();
  newest().feed({ type: "error", code: "bad_message", message: "something else" });
  equal(heard.gone.length, 0);
  newest().feed({ type: "error", code: "events_lost", message: "too far behind" });
  equal(heard.gone.map((error) => error.code), ["events_lost"]);
});

test("after closed nothing is tried again", async () => {
  const { heard } = await joined();
  const socket = newest();
  socket.feed({ type: "closed", seq: 7, code: "replaced", message: "elsewhere", rejoin: false });
  socket.break();
  equal(heard.events, ["early", "closed"]);
  await new Promise((resolve) => setTimeout(resolve, 300));
  equal([FakeSocket.all.length, heard.lost], [1, 0]);
});

test("what is no JSON is passed over", async () => {
  const { signalling, heard } = await joined();
  newest().onmessage?.({ data: "{" });
  newest().feed({ type: "next", seq: 7 });
  equal(heard.events, ["early", "next"]);
  signalling.end();
});

test("leaving does not wait for a dead network", async () => {
  const { signalling } = await joined();
  const begun = performance.now();
  await signalling.leave();
  ok(newest().last("leave"), "no leave was sent");
  ok(performance.now() - begun < 3000, "it waited too long");
});
