import { after, test } from "node:test";

import { connect } from "kvgate";

import { runCase } from "./cases.js";
import { readCases } from "./read_cases.js";
import { startServer } from "./server.js";

const server = await startServer();
const client = connect(server.url);

after(async () => {
  await client.close();
  await server.stop();
});

for (const each of readCases()) {
  test(each.name, () => runCase(client, each));
}
