import { Code, ConnectError } from "@connectrpc/connect";

import { DeadlineExceededError, KvgateError } from "./errors.js";
import { fromConnect } from "./status.js";

// The longest timeout that gRPC's header and JavaScript's timers both can say: a day or so.
const TIMEOUT_MS_MAX = 99_999_999;

/** One call with all its tries: its deadline, its end by the caller, its errors. */
export class Call {
  readonly #controller = new AbortController();
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: number;
  readonly #timer: ReturnType<typeof setTimeout> | undefined;
  #reason: unknown;

  constructor(signal: AbortSignal | undefined, timeoutMs: number) {
    this.#deadline = performance.now() + timeoutMs;
    this.#signal = signal;
    if (timeoutMs <= TIMEOUT_MS_MAX) {
      this.#timer = setTimeout(() => {
        this.abort(deadlineExceeded());
      }, timeoutMs);
    }
    if (signal?.aborted) this.#onSignal();
    // By hand rather than by AbortSignal.any(), so that nothing stays with a long-lived signal.
    else signal?.addEventListener("abort", this.#onSignal);
  }

  /** Ends the transport's work, whatever the reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The time left until the deadline, in whole milliseconds. */
  remainingMs(): number {
    return Math.ceil(this.#deadline - performance.now());
  }

  /** The same as a transport takes it; `undefined` without a deadline. */
  timeoutMs(): number | undefined {
    const remainingMs = this.remainingMs();
    return remainingMs <= TIMEOUT_MS_MAX ? Math.max(remainingMs, 1) : undefined;
  }

  /** Ends the call; it rejects with the reason. */
  abort(reason: unknown): void {
    if (this.signal.aborted) return;
    this.#reason = reason;
    // The code has the stream reset with CANCEL.
    this.#controller.abort(new ConnectError("the call was ended", Code.Canceled));
  }

  /** Frees what the call holds. */
  end(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#onSignal);
  }

  /** Settles as `work` does, with the error that callers get, but not after the call's end. */
  async race<R>(work: Promise<R>): Promise<R> {
    const { promise: ended, stop } = this.#ended();
    try {
      return await Promise.race([work, ended]);
    } catch (error) {
      throw this.#explain(error);
    } finally {
      stop();
    }
  }

  async sleep(delayMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      await this.race(new Promise((resolve) => (timer = setTimeout(resolve, delayMs))));
    } finally {
      clearTimeout(timer);
    }
  }

  readonly #onSignal = (): void => {
    this.abort(this.#signal?.reason);
  };

  #ended(): { promise: Promise<never>; stop: () => void } {
    const { signal } = this;
    let stop = (): void => undefined;
    const promise = new Promise<never>((_resolve, reject) => {
      const end = (): void => {
        reject(new ConnectError("the call was ended", Code.Canceled));
      };
      if (signal.aborted) end();
      signal.addEventListener("abort", end);
      stop = () => {
        signal.removeEventListener("abort", end);
      };
    });
    return { promise, stop };
  }

  #explain(error: unknown): unknown {
    if (this.signal.aborted) return this.#reason;
    if (error instanceof KvgateError) return error;
    const { cause } = ConnectError.from(error);
    // an interceptor's, such as the one that has no token
    return cause instanceof KvgateError ? cause : fromConnect(ConnectError.from(error));
  }
}

function deadlineExceeded(): DeadlineExceededError {
  return new DeadlineExceededError("the deadline passed before the server answered", {
    code: "DEADLINE_EXCEEDED",
    reason: "DEADLINE_EXCEEDED",
  });
}
