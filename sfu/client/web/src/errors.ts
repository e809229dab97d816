/**
 * Refusals: a code for programs and a sentence for people.
 */
export class CallError extends Error {
  /** A code of the server's closed list (docs/protocol.md), or one of the
   * SDK's own: "network", "no_webrtc", "aborted", "closed", "media". */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = "CallError";
    this.code = code;
  }
}

/** Codes with which trying the same join again later makes sense. */
const RETRYABLE = new Set(["network", "rate_limited", "server_full", "internal", "draining", "connection_lost"]);

/** Says whether a join that failed with this error may succeed later. */
export function mayRetry(error: unknown): boolean {
  return error instanceof CallError && RETRYABLE.has(error.code);
}

/** Answers anything thrown as a CallError. */
export function asCallError(error: unknown, code = "media"): CallError {
  if (error instanceof CallError) return error;
  return new CallError(code, error instanceof Error ? error.message : String(error));
}
