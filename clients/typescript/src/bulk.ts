/** The bulk load: a stream of batches, of which only a few are without an answer at a time. */
import type { MessageInitShape } from "@bufbuild/protobuf";

import { BATCH_ENTRIES_MAX, bytesMaxOf, inBatches } from "./batches.js";
import type { Calls } from "./calls.js";
import { KvgateError } from "./errors.js";
import {
  KeyValueService,
  type PutManyRequestSchema,
} from "./gen/keyvalue/v1/key_value_service_pb.js";
import type { StreamPutOptions } from "./options.js";
import { type NewEntry, type PutEntryInit, toDuration, toPutEntry } from "./requests.js";
import { withPutMany } from "./status.js";

/** The most batches that were sent and not yet answered. They are all the memory that it takes. */
export const BATCHES_UNANSWERED_MAX = 4;

/** Stores what `entries` gives, and returns how many that were. */
export async function putStream<T extends object>(
  calls: Calls,
  address: { store: string; collection: string },
  entries: Iterable<NewEntry<T>> | AsyncIterable<NewEntry<T>>,
  options: StreamPutOptions,
): Promise<number> {
  const ttl = toDuration(options.ttl);
  const source = new Source(
    entries,
    (entry, at) => toPutEntry(entry, at, ttl),
    (batch) => ({ ...address, entries: batch }),
  );
  const answers = calls.streamsRequests
    ? inOneStream(calls, source, options)
    : batchByBatch(calls, source, options);
  let stored = 0;
  try {
    for await (const count of answers) {
      stored += count;
      options.onStored?.(stored);
    }
    return stored;
  } catch (error) {
    // The call breaks too if the caller's own iteration does, which is what came first.
    const cause = source.failure ? source.failure.error : error;
    throw cause instanceof KvgateError ? withPutMany(cause, stored) : cause;
  } finally {
    source.stop();
  }
}

type Batch = Exclude<MessageInitShape<typeof PutManyRequestSchema>, { $typeName: string }>;

async function* inOneStream(
  calls: Calls,
  source: Source,
  options: StreamPutOptions,
): AsyncGenerator<number, void, undefined> {
  const { streamPutMany } = KeyValueService.method;
  for await (const { stored } of calls.stream(streamPutMany, source.batches(), options)) {
    source.answered();
    yield Number(stored);
  }
}

// Browsers can't stream requests: each batch is a call, and may be tried again.
async function* batchByBatch(
  calls: Calls,
  source: Source,
  options: StreamPutOptions,
): AsyncGenerator<number, void, undefined> {
  for await (const batch of source.batches()) {
    await calls.unary(KeyValueService.method.putMany, batch, options);
    source.answered();
    yield batch.entries?.length ?? 0;
  }
}

// The caller's entries as batches, each given out when there is room for it.
class Source {
  /** What the caller's own iteration, or writing one of its values, threw. */
  failure: { error: unknown } | undefined;

  readonly #entries: Iterable<NewEntry<object>> | AsyncIterable<NewEntry<object>>;
  readonly #toEntry: (entry: NewEntry<object>, at: number) => PutEntryInit;
  readonly #toBatch: (entries: PutEntryInit[]) => Batch;
  #unanswered = 0;
  #stopped = false;
  #wake: (() => void) | undefined;

  constructor(
    entries: Iterable<NewEntry<object>> | AsyncIterable<NewEntry<object>>,
    toEntry: (entry: NewEntry<object>, at: number) => PutEntryInit,
    toBatch: (entries: PutEntryInit[]) => Batch,
  ) {
    this.#entries = entries;
    this.#toEntry = toEntry;
    this.#toBatch = toBatch;
  }

  async *batches(): AsyncGenerator<Batch, void, undefined> {
    const batches = inBatches(
      this.#written(),
      BATCH_ENTRIES_MAX,
      ({ key, value }) => bytesMaxOf(key) + value.length,
    );
    for await (const batch of batches) {
      while (this.#unanswered >= BATCHES_UNANSWERED_MAX && !this.#stopped) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      if (this.#stopped) return;
      this.#unanswered += 1;
      yield this.#toBatch(batch);
    }
  }

  /** The oldest batch is stored. */
  answered(): void {
    this.#unanswered -= 1;
    this.#wake?.();
  }

  /** Nothing more is asked for, so that the caller's iteration ends too. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  async *#written(): AsyncGenerator<PutEntryInit, void, undefined> {
    let at = 0;
    try {
      for await (const entry of this.#entries) {
        if (this.#stopped) return;
        yield this.#toEntry(entry, at);
        at += 1;
      }
    } catch (error) {
      // Only what the iteration threw: the end of the call comes as a return.
      if (!this.#stopped) this.failure = { error };
      throw error;
    }
  }
}
