/** Calls of each kind, and when they are tried again. */
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";

import { Call } from "./call.js";
import { ClosedError } from "./errors.js";
import type { UnsafeIntegers } from "./json.js";
import { ATTEMPTS_MAX, type CallOptions, type ClientOptions, TIMEOUT_MS } from "./options.js";
import { retryDelayMs } from "./retry.js";

/** A connection, or several, to a server: what a runtime brings. */
export interface Channel {
  /** What carries the next call, or the next try of one. */
  transport(): Promise<Transport>;
  /** Whether requests can be streamed. Browsers can't. */
  readonly streamsRequests: boolean;
  close(): void;
}

/** Makes the calls of one client. */
export class Calls {
  readonly unsafeIntegers: UnsafeIntegers;
  readonly streamsRequests: boolean;

  readonly #channel: Channel;
  readonly #timeoutMs: number;
  readonly #attemptsMax: number;
  readonly #underWay = new Set<Call>();
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(channel: Channel, options: ClientOptions) {
    this.unsafeIntegers = options.unsafeIntegers ?? "throw";
    this.streamsRequests = channel.streamsRequests;
    this.#channel = channel;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#attemptsMax = options.attemptsMax ?? ATTEMPTS_MAX;
  }

  /** A call with one answer. It is tried again, as every such call of kvgate can be. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const call = this.#begin(options, this.#timeoutMs);
    try {
      const response = await this.#retrying(call, async () => {
        const transport = await this.#channel.transport();
        return transport.unary(method, call.signal, call.timeoutMs(), options.headers, request);
      });
      return response.message;
    } finally {
      this.#end(call);
    }
  }

  /** A call that is answered by a stream. It is tried again until the first answer is there. */
  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const call = this.#begin(options, Infinity);
    try {
      const { first, rest } = await this.#retrying(call, () =>
        this.#open(call, method, only(request), options),
      );
      yield* answers(call, first, rest);
    } finally {
      // The caller may have left its loop: that ends the call at the server.
      call.abort(undefined);
      this.#end(call);
    }
  }

  /** A call with streams both ways. It is tried once, as what was sent can't be sent again. */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    requests: AsyncIterable<MessageInitShape<I>>,
    options: CallOptions = {},
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const call = this.#begin(options, Infinity);
    try {
      const { first, rest } = await call.race(this.#open(call, method, requests, options));
      yield* answers(call, first, rest);
    } finally {
      call.abort(undefined);
      this.#end(call);
    }
  }

  /** Begins no more calls, waits for those under way, ends what is left after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    if (this.#underWay.size > 0 && graceMs > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#onIdle = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    for (const call of this.#underWay) call.abort(new ClosedError());
    this.#channel.close();
  }

  #begin(options: CallOptions, timeoutMs: number): Call {
    if (this.#closed) throw new ClosedError();
    const call = new Call(options.signal, options.timeoutMs ?? timeoutMs);
    this.#underWay.add(call);
    return call;
  }

  #end(call: Call): void {
    call.end();
    this.#underWay.delete(call);
    if (this.#underWay.size === 0) this.#onIdle?.();
  }

  async #open<I extends DescMessage, O extends DescMessage>(
    call: Call,
    method: DescMethodStreaming<I, O>,
    requests: AsyncIterable<MessageInitShape<I>>,
    { headers }: CallOptions,
  ): Promise<{
    first: IteratorResult<MessageShape<O>, unknown>;
    rest: AsyncIterator<MessageShape<O>>;
  }> {
    const transport = await this.#channel.transport();
    const timeoutMs = call.timeoutMs();
    const response = await transport.stream(method, call.signal, timeoutMs, headers, requests);
    const rest = response.message[Symbol.asyncIterator]();
    return { first: await rest.next(), rest };
  }

  async #retrying<R>(call: Call, start: () => Promise<R>): Promise<R> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call.race(start());
      } catch (error) {
        const delayMs = attempt < this.#attemptsMax ? retryDelayMs(error, attempt) : undefined;
        if (delayMs === undefined || delayMs >= call.remainingMs()) throw error;
        await call.sleep(delayMs);
      }
    }
  }
}

async function* answers<T>(
  call: Call,
  first: IteratorResult<T, unknown>,
  rest: AsyncIterator<T, unknown>,
): AsyncGenerator<T, void, undefined> {
  for (let next = first; next.done !== true; next = await call.race(rest.next())) {
    yield next.value;
  }
}

// eslint-disable-next-line @typescript-eslint/require-await -- what a transport takes is async
async function* only<T>(request: T): AsyncGenerator<T, void, undefined> {
  yield request;
}
