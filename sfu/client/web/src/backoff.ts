/**
 * How long to wait before trying again: doubling with jitter, so that the
 * clients of a restarted server do not all come back in the same instant.
 */
export class Backoff {
  private attempt = 0;

  /** Limits in milliseconds. */
  constructor(
    private readonly first = 200,
    private readonly limit = 5000,
  ) {}

  /** Answers the next wait in milliseconds: half to all of the doubled step. */
  next(): number {
    const step = Math.min(this.limit, this.first * 2 ** Math.min(this.attempt, 10));
    this.attempt++;
    return step * (0.5 + Math.random() / 2);
  }

  /** Begins again at the first step, after a success. */
  reset(): void {
    this.attempt = 0;
  }
}

/**
 * Waits; the page coming back online ends the wait early, because then the
 * reason to wait is gone. An aborted signal ends it too.
 */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", end);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    globalThis.addEventListener?.("online", end);
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
}
