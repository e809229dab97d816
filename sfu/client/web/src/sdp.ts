/**
 * The few things that must be read from or changed in an SDP text.
 */
import type { EncodeAudioInfo } from "./protocol";

/** Answers the mids of the media sections in their order. */
export function mids(sdp: string): string[] {
  return [...sdp.matchAll(/^a=mid:(\S+)/gm)].map((match) => match[1]!);
}

/**
 * Keeps the candidates of one transport only, for tests and for networks
 * where one of them is known not to work.
 */
export function keepCandidates(sdp: string, transport: "udp" | "tcp"): string {
  return sdp
    .split("\r\n")
    .filter((line) => !line.startsWith("a=candidate:") || line.split(" ")[2]?.toLowerCase() === transport)
    .join("\r\n");
}

/**
 * Keeps the TURN addresses of one transport only. An address without a
 * transport means UDP (RFC 7065 §3.1), over TLS it means TCP.
 */
export function keepTurn(servers: RTCIceServer[], transport: "udp" | "tcp"): RTCIceServer[] {
  const kept: RTCIceServer[] = [];
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

/**
 * Asks for lost packets of sound too: browsers offer that for pictures only.
 * The server answers while the round trip is short.
 */
export function askAgain(sdp: string): string {
  return eachSection(sdp, (lines) => {
    const opus = lines[0]!.startsWith("m=audio") ? payloadType(lines, "opus") : undefined;
    if (!opus || lines.includes(`a=rtcp-fb:${opus} nack`)) return lines;
    return lines.flatMap((line) =>
      line.startsWith(`a=rtpmap:${opus} `) ? [line, `a=rtcp-fb:${opus} nack`] : [line],
    );
  });
}

/**
 * Edits an answer so that the sound of one section is encoded as asked: a
 * browser obeys the answer and nothing else. The server edits the first one in
 * the same way.
 */
export function askVoice(sdp: string, mid: string, ask: EncodeAudioInfo): string {
  return eachSection(sdp, (lines) => {
    if (!lines[0]!.startsWith("m=audio") || !lines.includes(`a=mid:${mid}`)) return lines;
    const opus = payloadType(lines, "opus");
    const red = payloadType(lines, "red");
    if (!opus) return lines;
    const parameters = (list: string) =>
      [
        ...list.split(";").filter((p) => p && !/^\s*(maxaveragebitrate|usedtx|useinbandfec)=/.test(p)),
        `maxaveragebitrate=${ask.maxRate}`,
        `usedtx=${ask.dtx ? 1 : 0}`,
        ...(ask.fec ? ["useinbandfec=1"] : []),
      ].join(";");
    const fmtp = `a=fmtp:${opus} `;
    const described = lines.some((line) => line.startsWith(fmtp));
    return lines.flatMap((line) => {
      if (line.startsWith("a=ptime:")) return [];
      if (line.startsWith("m=")) return [prefer(line, ask.red > 0 && red ? red : opus)];
      if (line.startsWith(fmtp)) return [fmtp + parameters(line.slice(fmtp.length))];
      if (!line.startsWith(`a=rtpmap:${opus} `)) return [line];
      return [line, `a=ptime:${ask.packetTime}`, ...(described ? [] : [fmtp + parameters("")])];
    });
  });
}

/**
 * Marks simulcast layers of one section as paused in an answer (RFC 8853 §5.1).
 * Browsers take from an answer which encodings are active, each time that it is
 * applied: one that does not say so would switch all of them on again.
 */
export function pauseLayers(sdp: string, mid: string, paused: readonly string[]): string {
  return eachSection(sdp, (lines) => {
    if (!lines.includes(`a=mid:${mid}`)) return lines;
    return lines.map((line) => {
      const found = /^a=simulcast:recv (\S+)$/.exec(line);
      if (!found) return line;
      const rids = found[1]!.split(";").map((rid) => rid.replace(/^~/, ""));
      return `a=simulcast:recv ${rids.map((rid) => (paused.includes(rid) ? `~${rid}` : rid)).join(";")}`;
    });
  });
}

/**
 * Leaves out of an answer which streams its pictures will be. A browser reports
 * once a second on every stream of pictures that it was told of, whether anything
 * comes or not: with nine slots that is 6 kbit/s of the way up, a third of all that
 * a 2G phone has.
 */
export function withoutPictures(sdp: string): string {
  return eachSection(sdp, (lines) => (lines[0]!.startsWith("m=video") ? lines.filter((line) => !line.startsWith("a=ssrc")) : lines));
}

/**
 * Lets a browser that shows no picture expect little of the path, and leaves out
 * what it would resend pictures with: it fills that with padding to try the path,
 * camera or not, two seconds of queue on gprs. What it takes the path for is in
 * all sections of pictures, the last one counts, and is 300 kbit/s by itself: then it
 * reports ten times a second on what it hears, 6 kbit/s up.
 */
export function boundPictures(sdp: string): string {
  return eachSection(sdp, (lines) => {
    if (!lines[0]!.startsWith("m=video")) return lines;
    const again = lines.includes("a=recvonly") ? lines.flatMap((line) => /^a=rtpmap:(\d+) rtx\//.exec(line)?.[1] ?? []) : [];
    return lines.flatMap((line) => {
      if (line.startsWith("m=")) return [line.split(" ").filter((field) => !again.includes(field)).join(" ")];
      if (line.startsWith("c=")) return [line, "b=AS:40"];
      return again.includes(/^a=\w+:(\d+) /.exec(line)?.[1] ?? "") ? [] : [line];
    });
  });
}

/** Milliseconds of round trip from which on a path is far. */
const FAR = 400;

/** Milliseconds of round trip as the browser estimates it; Chromium alone tells. */
function roundTrip(): number {
  return (navigator as Navigator & { connection?: { rtt?: number } }).connection?.rtt ?? 0;
}

/**
 * Has the server begin DTLS where the path is far: its hello leaves with the answer
 * to the first check, half a round trip before the browser may send one, and is an
 * eighth as large (Chromium's has a post-quantum key: two packets, 0.6 s at 20 kbit/s,
 * and so long under way that it is repeated). Near paths stay as they are: there the
 * browser repeats what is lost after 50 ms, the server after seconds.
 */
export function awaitsHello(sdp: string, rtt = roundTrip()): string {
  return rtt < FAR ? sdp : sdp.replaceAll("a=setup:actpass", "a=setup:passive");
}

/** Lets each media section be edited; its first line is the m= line. */
function eachSection(sdp: string, edit: (lines: string[]) => string[]): string {
  const sections = sdp.split(/\r\n(?=m=)/);
  return sections.map((text, index) => (index === 0 ? text : edit(text.split("\r\n")).join("\r\n"))).join("\r\n");
}

/** Answers the payload type of a codec in a section. */
function payloadType(lines: string[], codec: string): string | undefined {
  for (const line of lines) {
    const found = /^a=rtpmap:(\d+) ([^/]+)\//.exec(line);
    if (found?.[2]?.toLowerCase() === codec) return found[1];
  }
  return undefined;
}

/** Puts a payload type first: that is what a browser sends. */
function prefer(line: string, first: string): string {
  const fields = line.split(" ");
  return [...fields.slice(0, 3), first, ...fields.slice(3).filter((field) => field !== first)].join(" ");
}
