/** The most entries of one batch of a bulk load. */
export const BATCH_ENTRIES_MAX = 1_000;
/** The most keys of one request of a bulk get. */
export const BATCH_KEYS_MAX = 10_000;
/** The most bytes of one batch; one entry that is larger is a batch by itself. */
export const BATCH_BYTES_MAX = 1024 * 1024;

/** Parts what `items` gives into batches, by count and by bytes. */
export async function* inBatches<T>(
  items: Iterable<T> | AsyncIterable<T>,
  countMax: number,
  bytesOf: (item: T) => number,
): AsyncGenerator<T[], void, undefined> {
  let batch: T[] = [];
  let bytes = 0;
  for await (const item of items) {
    const itemBytes = bytesOf(item);
    if (batch.length === countMax || (batch.length > 0 && bytes + itemBytes > BATCH_BYTES_MAX)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += itemBytes;
  }
  if (batch.length > 0) yield batch;
}

/** The most bytes that text may have as UTF-8, without writing it. */
export function bytesMaxOf(text: string): number {
  return text.length * 3;
}
