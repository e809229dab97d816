/** Tests of what the page decides without a call. */
import { equal, ok, test } from "../../../../sfu/client/web/test/harness";
import { bytes, rate } from "../src/format";
import { arrange, type Rect } from "../src/layout";
import { readLink } from "../src/link";
import { choose, languages, text, trouble } from "../src/text";
import { Tile, type TileState } from "../src/tile";
import style from "../files/style.css";

export { run } from "../../../../sfu/client/web/test/harness";

test("data is counted as data plans count it", () => {
  equal([bytes(0), bytes(4200), bytes(3_200_000), bytes(41_000_000), bytes(1_500_000_000)], [
    "0 kB",
    "4.2 kB",
    "3.2 MB",
    "41 MB",
    "1.5 GB",
  ]);
  equal([rate(0), rate(41_300), rate(999_999), rate(1_240_000)], ["0 kbit/s", "41 kbit/s", "1 Mbit/s", "1.2 Mbit/s"]);
  equal(text.dataUsed(bytes(3_200_000), rate(41_300)), "3.2 MB, 41 kbit/s");
});

test("rooms are read from all forms of the link", () => {
  const room = (address: string) => readLink(new URL(address, "https://a.example")).room;
  equal(room("/#room=garden"), "garden");
  equal(room("/?room=garden"), "garden");
  equal(room("/r/garden"), "garden");
  equal(room("/r/caf%C3%A9%20two"), "café two");
  equal(room("/r/%zz"), "%zz", "a broken escape");
  equal(room("/"), "");
});

test("automation is read from the query", () => {
  const link = readLink(new URL("https://a/?room=x&name=Ada&auto=1&audio=0&video=640x360&relay=tcp&ice=tcp&token=t&mode=low&slots=4"));
  equal(link.rtc, { iceTransportPolicy: "relay", turnTransport: "tcp", candidates: "tcp" });
  equal([link.auto, link.audio, link.video, link.width, link.height], [true, false, true, 640, 360]);
  equal([link.token, link.dataMode, link.slots.video, link.name], ["t", "low", 4, "Ada"]);
  const plain = readLink(new URL("https://a/?relay=everything&mode=x&slots=1000"));
  equal([plain.auto, plain.audio, plain.video, plain.dataMode], [false, true, true, "auto"]);
  equal([plain.rtc, plain.slots], [{}, {}]);
});

const areas = [
  [320, 480],
  [360, 640],
  [800, 360],
  [1280, 640],
  [1920, 900],
] as const;

function overlap(a: Rect, b: Rect): boolean {
  return (
    a.left + a.width > b.left + 0.5 &&
    b.left + b.width > a.left + 0.5 &&
    a.top + a.height > b.top + 0.5 &&
    b.top + b.height > a.top + 0.5
  );
}

test("tiles never overlap and never leave the stage sideways", () => {
  for (const [width, height] of areas) {
    for (let count = 1; count <= 16; count++) {
      const rects = arrange(count, width, height, { large: -1, floating: -1 });
      rects.forEach((rect, i) => {
        ok(rect.left >= -0.5 && rect.left + rect.width <= width + 0.5, `${count} in ${width}x${height}: ${JSON.stringify(rect)}`);
        ok(rect.top >= -0.5, `above the stage`);
        ok(rect.width > 60 && rect.height > 60, `${count} in ${width}x${height}: too small`);
        rects.slice(i + 1).forEach((other) => ok(!overlap(rect, other), `${count} in ${width}x${height} overlap`));
      });
    }
  }
});

test("the large tile is the largest and the others stay beside it", () => {
  for (const [width, height] of areas) {
    for (let count = 2; count <= 6; count++) {
      const rects = arrange(count, width, height, { large: 1, floating: -1 });
      const area = (rect: Rect) => rect.width * rect.height;
      rects.forEach((rect, i) => {
        if (i === 1) return;
        ok(area(rect) < area(rects[1]!), `${count} in ${width}x${height}: not the largest`);
        ok(!overlap(rect, rects[1]!), `${count} in ${width}x${height}: overlap`);
      });
    }
  }
});

test("one's own picture floats inside the other's", () => {
  for (const [width, height] of areas) {
    const [other, own] = arrange(2, width, height, { large: -1, floating: 1 }) as [Rect, Rect];
    ok(own.left > other.left && own.left + own.width < other.left + other.width, `${width}x${height}: sideways`);
    ok(own.top > other.top && own.top + own.height < other.top + other.height, `${width}x${height}: upright`);
  }
});

test("a language that lacks words falls back to English", () => {
  languages.xx = { mute: "Xx", reasons: { full: "Xx" } };
  const { tag, text: table } = choose(["yy", "xx-YY", "en"]);
  equal([tag, table.mute, table.unmute], ["xx", "Xx", text.unmute]);
  equal([table.reasons.full, table.reasons.bandwidth], ["Xx", text.reasons.bandwidth]);
  equal(choose(["yy"]).tag, "en");
  delete languages.xx;
});

test("every trouble says what happened, why and what to do", () => {
  for (const code of [...Object.keys(text.troubles), "never heard of"]) {
    const { what, why, next } = trouble(code);
    ok(what !== "" && why !== "" && next !== "", code);
  }
});

test("a picture that pauses stays, dimmed, and the tile says why", () => {
  const sheet = document.createElement("style");
  sheet.textContent = style;
  document.head.append(sheet);
  const tile = new Tile("p/camera", () => undefined);
  document.body.append(tile.element);
  const why = tile.element.querySelector<HTMLElement>(".why")!;
  const look = (reason: string, paused: boolean) => {
    const state: TileState = {
      name: "Ann", initial: "A", hue: 1, screen: false, local: false, picture: true, waiting: false, muted: false, speaking: false,
      pinned: false, state: { slot: 0, paused, reason, width: paused ? undefined : 320, height: paused ? undefined : 180 },
    };
    tile.show(state);
    const { visibility, filter } = getComputedStyle(tile.video);
    ok(visibility === "visible", `${reason}: the picture is ${visibility}`);
    const dimmed = Number(/brightness\(([\d.]+)\)/.exec(filter)?.[1] ?? 1);
    return { dimmed, why: why.hidden ? "" : (why.textContent ?? ""), detail: tile.element.querySelector(".detail")!.textContent ?? "" };
  };
  const whole = look("full", false);
  equal([whole.dimmed, whole.why], [1, ""], "a whole picture");
  const reasons = new Set<string>();
  for (const reason of ["paused_bandwidth", "no_source", "muted", "not_viewed", "data_mode", "codec_not_supported", "data_budget", "publisher", "new one"]) {
    const seen = look(reason, true);
    ok(seen.dimmed < 0.5 && seen.why !== "", `${reason}: dimmed to ${seen.dimmed}, told as "${seen.why}"`);
    ok(tile.element.getAttribute("aria-label")!.includes(seen.why), `${reason} is not spoken`);
    reasons.add(seen.why);
  }
  ok(reasons.size >= 8, `only ${reasons.size} reasons are told apart`);
  const still = look("still", false);
  ok(still.dimmed < 1 && still.dimmed > 0.5 && still.detail.includes(text.reasons.still!), `a still picture: ${JSON.stringify(still)}`);
  for (const reason of ["bandwidth", "fits_view", "publisher"]) {
    ok(look(reason, false).detail.includes(text.reasons[reason]!), `${reason}: why it is no more is not told`);
  }
  tile.element.remove();
  sheet.remove();
});
