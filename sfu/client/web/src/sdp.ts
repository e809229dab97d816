/**
 * The few things that must be read from or changed in an SDP text.
 */

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
