/** What src/compact.ts uses of fflate 0.8.2; for the check of types only. */
export function deflateSync(data: Uint8Array, options: { level: 9; dictionary: Uint8Array }): Uint8Array<ArrayBuffer>;
export function inflateSync(data: Uint8Array, options: { dictionary: Uint8Array }): Uint8Array<ArrayBuffer>;
