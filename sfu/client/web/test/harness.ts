/**
 * The least that a test in a page needs. A test file registers its tests and
 * exports `run`; the Go package webtest calls it.
 */
interface Case {
  name: string;
  body: () => void | Promise<void>;
}

const cases: Case[] = [];

/** Registers a test. */
export function test(name: string, body: () => void | Promise<void>): void {
  cases.push({ name, body });
}

/** Fails unless two values have the same JSON. */
export function equal(got: unknown, want: unknown, what = "value"): void {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
  if (a !== b) throw new Error(`${what} is ${a}, want ${b}`);
}

/** Fails unless a condition holds. */
export function ok(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** Waits for a condition, at most five seconds. */
export async function until(condition: () => unknown, what: string): Promise<void> {
  const end = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`in vain waited for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Answers the code with which a promise was refused. */
export async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  throw new Error("nothing was refused");
}

/** Runs all tests and answers their results as JSON. */
export async function run(): Promise<string> {
  const results = [];
  for (const { name, body } of cases) {
    try {
      await body();
      results.push({ name, error: "" });
    } catch (error) {
      results.push({ name, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
  return JSON.stringify(results);
}
