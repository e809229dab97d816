/** Tests of what decides without a network. */
import { Backoff } from "../src/backoff";
import { decode, encode, expand, shorten } from "../src/compact";
import { attributesOf, payloadOf } from "../src/control";
import { pack, unpack } from "../src/pack";
import { asCallError, CallError, mayRetry } from "../src/errors";
import { cameraLayers, fewerLayers, obey, rateFor, scalableRate, stuck } from "../src/layers";
import { isMuted, type Sending } from "../src/media";
import { Roster } from "../src/participants";
import { type RosterEvents, reduce } from "../src/reduce";
import { askAgain, askVoice, awaitsHello, boundPictures, keepCandidates, keepTurn, mids, pauseLayers, withoutPictures } from "../src/sdp";
import { equal, ok, test } from "./harness";

export { run } from "./harness";

const sizes = (width: number, height: number) =>
  cameraLayers(width, height, "auto").layers.map((layer) => `${layer.rid} ${layer.width}x${layer.height}`);

test("the server begins DTLS where the path is far", () => {
  const offer = "v=0\r\nm=audio\r\na=setup:actpass\r\nm=video\r\na=setup:actpass\r\n";
  equal(awaitsHello(offer, 0), offer, "unknown");
  equal(awaitsHello(offer, 375), offer, "near");
  equal(awaitsHello(offer, 600), offer.replaceAll("actpass", "passive"), "far");
});

test("layers are declared by the size of the source", () => {
  equal(sizes(1280, 720), ["q 320x180", "h 640x360", "f 1280x720"]);
  equal(sizes(960, 540), ["q 240x135", "h 480x270", "f 960x540"]);
  equal(sizes(640, 360), ["q 320x180", "h 640x360"]);
  equal(sizes(320, 180), ["q 320x180"]);
  equal(sizes(720, 1280), ["q 180x320", "h 360x640", "f 720x1280"], "upright");
});

test("rids beyond the source are off, and the first ones scale by two", () => {
  const { encodings } = cameraLayers(640, 360, "auto");
  equal(
    encodings.map((e) => [e.rid, e.active, e.scaleResolutionDownBy]),
    [["q", true, 2], ["h", true, 1], ["f", false, 1]],
  );
});

test("the data mode turns encodings off and leaves the announcement alone", () => {
  const active = (mode: "low" | "voice") => cameraLayers(1280, 720, mode).encodings.map((e) => e.active);
  equal(active("low"), [true, false, false]);
  equal(active("voice"), [false, false, false]);
  equal(cameraLayers(1280, 720, "low").layers.length, 3, "announced layers");
});

test("rates grow with the picture, within bounds", () => {
  equal(rateFor(320, 180), 150_000);
  ok(rateFor(640, 360) > 400_000 && rateFor(640, 360) < 450_000, "640x360");
  ok(rateFor(1280, 720) === 1_200_000, "1280x720");
  equal(rateFor(16, 9), 60_000);
  equal(rateFor(8192, 8192), 3_000_000);
});

test("orders only take away, and are found by rid", () => {
  const { encodings } = cameraLayers(1280, 720, "low");
  obey(encodings, [
    { rid: "q", active: true, maxRate: 60_000, maxFrameRate: 7, scale: 4 },
    { rid: "h", active: true },
    { rid: "f", active: false },
  ]);
  equal(
    encodings.map((e) => [e.rid, e.active, e.maxBitrate, e.maxFramerate]),
    [["q", true, 60_000, 7], ["h", false, rateFor(640, 360), undefined], ["f", false, 1_200_000, undefined]],
  );
  const single = [{ active: true, maxBitrate: 2_500_000, maxFramerate: 30 }];
  obey(single, [{ rid: "f", active: true, maxRate: 3_000_000, maxFrameRate: 5 }]);
  equal(single, [{ active: true, maxBitrate: 2_500_000, maxFramerate: 5 }]);
  obey(single, []);
  equal(single[0]!.active, true, "without orders");
});

test("one encoding begins anew where its frame rate rises by half", () => {
  const one = (active: boolean, maxFramerate?: number) => ({ rid: "h", active, maxFramerate });
  const other = { rid: "q", active: true, maxFramerate: 5 };
  ok(stuck([one(true, 13)], [one(true, 120)]), "free again");
  ok(stuck([one(true, 13), { ...other, active: false }], [one(true), { ...other, active: false }]), "without a limit");
  ok(stuck([one(true, 10)], [one(true, 15)]), "by half");
  ok(!stuck([one(true, 13)], [one(true, 16)]), "not worth a key frame");
  ok(!stuck([one(true, 30)], [one(true, 13)]), "less");
  ok(!stuck([one(true)], [one(true)]), "nothing new");
  ok(!stuck([one(false, 13)], [one(true, 120)]), "it begins");
  ok(!stuck([one(true, 13), other], [one(true, 120), other]), "two are sent");
  ok(!stuck([one(true, 13)], [one(false, 13), other]), "another is sent");
});

test("a scalable stream may use what its layers would", () => {
  const sum = rateFor(320, 180) + rateFor(640, 360) + rateFor(1280, 720);
  equal(scalableRate("L3T3_KEY", 1280, 720, "auto"), sum);
  equal(scalableRate("S3T1", 1280, 720, "auto"), sum);
  equal(scalableRate("L1T3", 640, 360, "auto"), rateFor(640, 360));
  equal(scalableRate("L2T1h", 960, 540, "auto"), rateFor(640, 360) + rateFor(960, 540));
  equal(scalableRate("L3T3", 1280, 720, "low"), rateFor(320, 180), "low data mode: the smallest alone");
  equal(scalableRate("something", 640, 360, "auto"), rateFor(640, 360), "an unknown mode is one layer");
});

test("fewer layers inside a stream keep the sizes of those that stay", () => {
  const sent = (mode: string, order?: { spatials?: number; scale?: number }) => {
    const s = fewerLayers(mode, 1280, 720, "auto", order);
    return [s.scalabilityMode, s.scaleResolutionDownBy, s.maxBitrate];
  };
  const [q, h, f] = [rateFor(320, 180), rateFor(640, 360), rateFor(1280, 720)];
  equal(sent("L3T3_KEY"), ["L3T3_KEY", 1, q + h + f]);
  equal(sent("L3T3_KEY", { spatials: 3 }), ["L3T3_KEY", 1, q + h + f]);
  equal(sent("L3T3_KEY", { spatials: 2, scale: 2 }), ["L2T3_KEY", 2, q + h]);
  equal(sent("L3T3_KEY", { spatials: 1, scale: 4 }), ["L1T3", 4, q]);
  equal(sent("L3T3", { spatials: 1 }), ["L1T3", 4, q], "without a scale by the mode's own steps");
  equal(sent("L3T3", { spatials: 1, scale: 2 }), ["L1T3", 2, h], "the browser had left a layer out by itself");
  equal(sent("L3T2h", { spatials: 2 }).slice(0, 2), ["L2T2h", 1.5]);
  equal(sent("S3T3", { spatials: 1 }).slice(0, 2), ["L1T3", 4]);
  equal(sent("L1T3", { spatials: 1 }).slice(0, 2), ["L1T3", 1]);
});

test("video is muted by hand or by the voice mode, sound by hand only", () => {
  const sending = { muted: false } as Sending;
  equal(isMuted("camera", sending, "voice"), true);
  equal(isMuted("screen", sending, "voice"), true);
  equal(isMuted("microphone", sending, "voice"), false);
  equal(isMuted("camera", sending, "low"), false);
  equal(isMuted("microphone", { muted: true } as Sending, "auto"), true);
});

const SDP = [
  "v=0",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=mid:0",
  "a=candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host",
  "a=candidate:2 1 TCP 1671430143 192.0.2.1 7882 typ host tcptype passive",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=mid:v1",
  "",
].join("\r\n");

test("mids come in the order of the sections", () => equal(mids(SDP), ["0", "v1"]));

test("candidates of the other transport are taken out", () => {
  ok(!keepCandidates(SDP, "tcp").includes(" udp "), "udp stayed");
  ok(keepCandidates(SDP, "tcp").includes(" TCP "), "tcp went");
  ok(keepCandidates(SDP, "udp").includes(" udp "), "udp went");
  ok(!keepCandidates(SDP, "udp").includes("tcptype"), "tcp stayed");
  equal(keepCandidates(SDP, "udp").split("\r\n").length, SDP.split("\r\n").length - 1, "lines");
});

const VOICE = [
  "v=0",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9",
  "a=mid:0",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 minptime=10;useinbandfec=1",
  "a=rtpmap:63 red/48000/2",
  "a=fmtp:63 111/111",
  "m=video 9 UDP/TLS/RTP/SAVPF 96",
  "a=mid:1",
  "a=rtpmap:96 VP8/90000",
  "",
].join("\r\n");

test("lost packets of sound are asked for, once", () => {
  const once = askAgain(VOICE);
  ok(once.includes("a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 nack\r\n"), once);
  equal(once.split("nack").length, 2, "pictures are not touched");
  equal(askAgain(once), once);
});

test("an answer is edited as the server edits it", () => {
  const ask = { maxRate: 12_000, packetTime: 60, dtx: true, fec: false, red: 0 };
  const thin = askVoice(VOICE, "0", ask);
  const head = "a=rtpmap:111 opus/48000/2\r\na=ptime:60\r\n";
  ok(thin.includes(`${head}a=fmtp:111 minptime=10;maxaveragebitrate=12000;usedtx=1\r\n`), thin);
  const rich = { maxRate: 24_000, packetTime: 20, dtx: false, fec: true, red: 1 };
  equal(askVoice(thin, "0", rich), askVoice(VOICE, "0", rich), "edited again");
  ok(askVoice(thin, "0", rich).includes("SAVPF 63 111 9\r\n"), "redundancy first");
  ok(askVoice(thin, "0", rich).includes("usedtx=0;useinbandfec=1\r\n"), "FEC");
  equal(askVoice(VOICE, "7", ask), VOICE, "no such section");
  equal(askVoice(VOICE, "1", ask), VOICE, "not of pictures");
});

test("layers that are off stay off when an answer is applied", () => {
  const video = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rid:q recv\r\na=simulcast:recv q;h;f\r\n";
  const answer = `v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n${video}`;
  const thin = pauseLayers(answer, "1", ["q", "f"]);
  ok(thin.endsWith("a=simulcast:recv ~q;h;~f\r\n"), thin);
  equal(pauseLayers(thin, "1", []), answer, "on again");
  equal(pauseLayers(thin, "1", ["h"]), answer.replace("q;h;f", "q;~h;f"), "others");
  equal(pauseLayers(answer, "0", ["q"]), answer, "another section");
});

test("relays are filtered by transport, with the defaults of RFC 7065", () => {
  const servers = [
    { urls: ["turn:a?transport=udp", "turn:a?transport=tcp", "turns:a", "turn:b", "stun:c"], username: "u" },
    { urls: "turn:d?transport=tcp" },
  ];
  equal(keepTurn(servers, "udp"), [{ urls: ["turn:a?transport=udp", "turn:b"], username: "u" }]);
  equal(keepTurn(servers, "tcp"), [
    { urls: ["turn:a?transport=tcp", "turns:a"], username: "u" },
    { urls: ["turn:d?transport=tcp"] },
  ]);
});

test("waits double with jitter up to the limit, and begin again", () => {
  const backoff = new Backoff(200, 5000);
  for (const step of [200, 400, 800, 1600, 3200, 5000, 5000]) {
    const wait = backoff.next();
    ok(wait >= step / 2 && wait <= step, `${wait} is not ${step / 2} to ${step}`);
  }
  backoff.reset();
  ok(backoff.next() <= 200, "reset");
});

test("only what may pass is tried again", () => {
  ok(mayRetry(new CallError("network", "")), "network");
  ok(mayRetry(new CallError("server_full", "")), "server_full");
  ok(!mayRetry(new CallError("bad_token", "")), "bad_token");
  ok(!mayRetry(new Error("x")), "any error");
  equal(asCallError(new Error("x")).code, "media");
});

/** A roster with one member who has camera and microphone, and what happened. */
function room() {
  const roster = new Roster();
  const happened: string[] = [];
  const acknowledged: string[] = [];
  const effects = {
    emit: <K extends keyof RosterEvents>(type: K) => void happened.push(type),
    touched: (track: { id: string }) => void happened.push(`touched ${track.id}`),
    removed: (track: { id: string }) => void happened.push(`removed ${track.id}`),
    acknowledge: (slot: number, source: number) => void acknowledged.push(`${slot}=${source}`),
  };
  const apply = (event: Parameters<typeof reduce>[1]) => reduce(roster, event, effects);
  apply({
    type: "participant_joined",
    participant: {
      id: "p1",
      identity: "ada",
      tracks: [{ id: "m1", source: "microphone" }, { id: "c1", source: "camera" }],
    },
  });
  return { roster, happened, acknowledged, apply };
}

test("slots change hands and are acknowledged", () => {
  const { roster, acknowledged, apply, happened } = room();
  apply({ type: "slots", slots: [{ slot: 3, track: "c1", participant: "p1", source: 7 }] });
  equal(roster.track("c1")?.slot, 3);
  apply({ type: "slots", slots: [{ slot: 4, track: "c1", participant: "p1", source: 7 }, { slot: 3 }] });
  equal(roster.track("c1")?.slot, 4, "moved");
  apply({ type: "slots", slots: [{ slot: 4 }] });
  equal(roster.track("c1")?.slot, undefined, "empty");
  equal(acknowledged, ["3=7", "4=7"]);
  equal(happened.filter((one) => one === "slotschanged").length, 3);
});

test("a slot may be assigned before its track is known", () => {
  const { roster, apply } = room();
  apply({ type: "slots", slots: [{ slot: 5, track: "s1", participant: "p1", source: 9 }] });
  apply({ type: "track_published", participant: "p1", track: { id: "s1", source: "screen" } });
  equal(roster.track("s1")?.slot, 5);
});

test("states belong to the track in the slot and end with it", () => {
  const { roster, apply } = room();
  apply({ type: "slot_states", states: [{ slot: 3, reason: "full" }] });
  equal(roster.track("c1")?.state, undefined, "no slot yet");
  apply({ type: "slots", slots: [{ slot: 3, track: "c1", participant: "p1", source: 7 }] });
  apply({ type: "slot_states", states: [{ slot: 3, paused: true, reason: "bandwidth" }] });
  equal(roster.track("c1")?.state?.paused, true);
  apply({ type: "slots", slots: [{ slot: 3 }] });
  equal(roster.track("c1")?.state, undefined, "after the slot");
});

test("who leaves takes the tracks along; strangers change nothing", () => {
  const { roster, apply, happened } = room();
  apply({ type: "participant_left", participant: "p9", reason: "left" });
  apply({ type: "track_muted", participant: "p9", track: "c1", muted: true });
  equal(roster.participants.size, 1);
  apply({ type: "participant_left", participant: "p1", reason: "left" });
  equal(roster.participants.size, 0);
  equal(happened, ["participantjoined", "removed m1", "removed c1", "participantleft"]);
});

test("speakers replace the earlier ones", () => {
  const { roster, apply } = room();
  apply({ type: "speakers", speakers: [{ participant: "p1", level: 90 }, { participant: "p9", level: 80 }] });
  equal(roster.participants.get("p1")?.speaking, true);
  apply({ type: "speakers", speakers: null });
  equal(roster.participants.get("p1")?.speaking, false);
});

test("an event of a later version is passed over", () => {
  const { apply, happened } = room();
  apply({ type: "weather" } as never);
  equal(happened, ["participantjoined"]);
});

test("descriptions come back from their short form", () => {
  const section = (kind: string, mid: number) => `m=${kind} 9\r\na=mid:${mid}\r\na=rtpmap:96 VP8/90000\r\na=rtcp-mux\r\na=rtcp-rsize\r\n`;
  const sdp = "v=0\r\no=- 1 2\r\n" + section("audio", 0) + section("video", 1) + section("audio", 2) + section("video", 3);
  const short = shorten(sdp);
  equal(short, "~1\nv=0\no=- 1 2\nm=audio 9\na=mid:0\na=rtpmap:96 VP8/90000\na=rtcp-mux\na=rtcp-rsize\nm=video 9\na=mid:1\na=rtpmap:96 VP8/90000\na=rtcp-mux\na=rtcp-rsize\nm=audio 9\na=mid:2\n-1\n=3\nm=video 9\na=mid:3\n-1\n=3");
  equal(expand(short), sdp);
  for (const text of ["", "v=0", "v=0\n", "v=0\r\n=1\r\n", "v=0\r\n\r\n"]) {
    equal(shorten(text), text);
    equal(expand(text), text);
  }
  let refused = false;
  try {
    expand("~1\nm=audio 9\n=1");
  } catch {
    refused = true;
  }
  ok(refused, "a copy of lines that are not there is refused");
});

test("messages come back from their compressed form", () => {
  const text = JSON.stringify({ type: "speakers", seq: 42, speakers: [{ participant: "p_FgmT7bLTZArU94Rv", level: 96 }] });
  const short = encode(text);
  ok(short.length <= 60, `a change of speakers is ${short.length} bytes`);
  equal(decode(short.slice().buffer), text);
});

test("streams of pictures are left out of an answer, those of sound are not", () => {
  const ssrc = "a=ssrc-group:FID 1 2\r\na=ssrc:1 cname:x\r\na=ssrc:2 cname:x\r\n";
  const section = (kind: string, streams: string) => `m=${kind} 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n${streams}a=sendonly\r\n`;
  const answer = (pictures: string) => `v=0\r\n${section("audio", ssrc)}${section("video", pictures)}${section("audio", ssrc)}`;
  equal(withoutPictures(answer(ssrc)), answer(""));
});

test("what devices tell each other is small, and what swells is refused", async () => {
  const value = [{ candidate: "candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host", sdpMid: "0" }];
  equal(await unpack(await pack(value)), value);
  const sdp = "a=rtpmap:96 VP8/90000\r\n".repeat(300);
  ok((await pack(sdp)).length < 400, "an SDP is compressed");
  for (const hostile of [await pack("x".repeat(1 << 20)), btoa("no deflate"), "%", ""]) {
    let refused = false;
    await unpack(hostile).catch(() => (refused = true));
    ok(refused, `${hostile.slice(0, 20)} of ${hostile.length} letters is refused`);
  }
});

test("attributes and payloads of others are read within bounds", () => {
  equal(attributesOf({ seat: "3", long: "x".repeat(257), number: 3, none: null }), { seat: "3" });
  equal(Object.keys(attributesOf(Object.fromEntries([...Array(99).keys()].map((n) => ["a" + n, "v"])))).length, 16);
  equal(attributesOf(undefined), {});
  equal(attributesOf("ab"), { 0: "a", 1: "b" }, "odd, and harmless");
  equal([...payloadOf(btoa("hi"))!], [104, 105]);
  equal(payloadOf("***"), undefined, "no base64");
  equal(payloadOf(btoa("x".repeat(1025))), undefined, "more than is carried");
  equal(payloadOf({}), undefined, "no string");
  equal(payloadOf()!.length, 0, "empty");
});

test("what moderators change reaches members, and messages name whom they know", () => {
  const { roster, happened, apply } = room();
  apply({ type: "participant_updated", participant: "p1", attributes: { a: "b" } });
  apply({ type: "participant_updated", participant: "unknown", attributes: { a: "b" } });
  apply({ type: "room_locked", locked: true });
  apply({ type: "message", from: "p1", payload: btoa("x") });
  apply({ type: "message", payload: "***" });
  equal(happened.slice(-3), ["participantupdated", "roomlocked", "message"]);
  equal(roster.participants.get("p1")!.attributes, { a: "b" });
});

test("who shows no picture has nothing to try the path with, and takes it for thin", () => {
  const answer = (way: string, list: string, bound: string, again: string) =>
    `m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n${way}\r\n` +
    `m=video 9 UDP/TLS/RTP/SAVPF ${list}\r\nc=IN IP4 0.0.0.0\r\n${bound}${way}\r\na=rtpmap:96 VP8/90000\r\n${again}a=rtcp-fb:96 nack\r\n`;
  const rtx = "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";
  equal(boundPictures(answer("a=recvonly", "96 97", "", rtx)), answer("a=recvonly", "96", "b=AS:40\r\n", ""), "what is sent");
  equal(boundPictures(answer("a=sendonly", "96 97", "", rtx)), answer("a=sendonly", "96 97", "b=AS:40\r\n", rtx), "what is received");
});
