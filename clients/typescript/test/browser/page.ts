/** What runs in the browser: each test is a function that throws what does not hold. */
import { type Client, InvalidArgumentError, KvgateError, connect } from "kvgate/web";

import { type Case, runCase } from "../cases.js";

type PageTest = (client: Client) => Promise<void>;

const tests: Record<string, PageTest> = {
  "a bulk load goes in batches": async (client) => {
    const counts: number[] = [];
    const entries = Array.from({ length: 2_500 }, (_, n) => [String(n), { n }] as const);
    const onStored = (count: number): unknown => counts.push(count);
    await client.collection("bulk").streamPutMany(entries, { onStored });
    expect(JSON.stringify(counts) === "[1000,2000,2500]", String(counts));
  },
  "a load that fails says what is stored": async (client) => {
    const entries = [...Array.from({ length: 1_000 }, (_, n) => String(n)), ""];
    const load = client.collection("half").streamPutMany(entries.map((key) => [key, {}] as const));
    const error = await failureOf(load);
    expect(error instanceof InvalidArgumentError, String(error));
    expect(error.putMany?.acknowledged === 1_000, String(error.putMany?.acknowledged));
  },
  "an early break ends the stream": async (client) => {
    const many = client.collection("break");
    await many.putMany(Array.from({ length: 5_000 }, (_, n) => [String(n), { n }] as const));
    let seen = 0;
    for await (const { value } of many.scan()) {
      expect(typeof value["n"] === "number", "a value");
      seen += 1;
      if (seen === 10) break;
    }
    await client.close({ graceMs: 1_000 });
  },
  "a deadline": async (client) => {
    const stuck = new AbortController();
    const call = client.collection().get("key", { signal: stuck.signal });
    stuck.abort(new Error("the page was left"));
    const error: unknown = await call.catch((error: unknown) => error);
    expect(error instanceof Error && error.message === "the page was left", String(error));
  },
  "integers beyond 2^53": async (client) => {
    const values = client.collection("integers");
    await values.putText("key", '{"n":9007199254740993}');
    const error = await failureOf(values.get("key"));
    expect(error.name === "UnsafeIntegerError", String(error));
    expect((await values.getText("key")) === '{"n":9007199254740993}', "letter for letter");
  },
  "a server that can't be reached": async () => {
    const nowhere = connect("http://127.0.0.1:1", { attemptsMax: 2 });
    const error = await failureOf(nowhere.collection().get("key"));
    expect(error.code === "UNAVAILABLE", `${error.code}: ${error.message}`);
    expect(!error.fromServer, "it is not the server's word");
  },
  "a token": async () => {
    const refused = await failureOf(
      // as a promise, since connect() throws at once
      Promise.resolve().then(() => connect("http://kvgate.example", { token: "secret" })),
    );
    expect(refused.reason === "INSECURE_TOKEN", String(refused));
  },
};

// Run by name, from another page.
const ELSEWHERE = "what the origin does not allow";
const elsewhere: PageTest = async (client) => {
  const error = await failureOf(client.collection().get("key", { timeoutMs: 2_000 }));
  expect(!error.fromServer, `the server's word: ${error.message}`);
};

const page = {
  names: Object.keys(tests),
  run: async (url: string, name: string): Promise<void> => {
    const run = name === ELSEWHERE ? elsewhere : tests[name];
    if (run === undefined) throw new Error(`there is no test ${name}`);
    await run(connect(url));
  },
  runCase: async (url: string, each: Case): Promise<void> => {
    await runCase(connect(url), each);
  },
};

Object.assign(globalThis, { page });
export type Page = typeof page;

async function failureOf(work: Promise<unknown>): Promise<KvgateError> {
  const error: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error instanceof KvgateError, `not a KvgateError: ${String(error)}`);
  return error;
}

function expect(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}
