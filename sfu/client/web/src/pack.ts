/**
 * How two devices write down what the server passes on unread: JSON, deflated, in base64.
 */

/** What an SDP or a list of candidates may be, unpacked. */
const MOST = 64 << 10; // bytes

/** Deflates a value into base64. */
export async function pack(value: unknown): Promise<string> {
  const stream = new Blob([JSON.stringify(value)]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Undoes pack. The other side is not trusted: what swells beyond bounds is refused. */
export async function unpack<T>(payload = ""): Promise<T> {
  const bytes = Uint8Array.from(atob(payload), (letter) => letter.charCodeAt(0));
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > MOST) {
      await reader.cancel();
      throw new Error("the other side's description is too large");
    }
    chunks.push(value);
  }
  return JSON.parse(await new Blob(chunks as BlobPart[]).text()) as T;
}
