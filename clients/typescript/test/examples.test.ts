import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { startServer } from "./server.js";

const server = await startServer();

after(() => server.stop());

const SAYS = {
  quickstart: "Ada Lovelace visited 1 times\nada is known\nnobody is unknown\ndeleted: true\n",
  bulk:
    "5000 stored so far\n10000 stored so far\n10000 stored\nsensor-1/1 20.01\n" +
    "sensor-1/none is missing\nsensor 3 has 1000 readings, 20.0 °C on average\n",
  errors:
    "no such store: nowhere\nrefused: INVALID_KEY in entries[1].key; stored: []\n" +
    'as text: {"n": 9007199254740993}\ntrue UNAVAILABLE answered: false\n',
};

for (const [name, says] of Object.entries(SAYS)) {
  test(`the example ${name} runs`, async () => {
    const example = fileURLToPath(new URL(`../examples/${name}.js`, import.meta.url));
    const env = { ...process.env, KVGATE_URL: server.url };
    const { stdout } = await promisify(execFile)(process.execPath, [example], { env });
    assert.equal(stdout, says);
  });
}

test("the README shows the example quickstart", () => {
  const read = (path: string): string =>
    readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  const example = read("examples/quickstart.ts").replace(
    'process.env["KVGATE_URL"] ?? "http://localhost:50051"',
    '"http://localhost:50051"',
  );
  assert(read("README.md").includes(example), "the README differs from examples/quickstart.ts");
});
