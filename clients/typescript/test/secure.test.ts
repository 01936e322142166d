import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inspect } from "node:util";

import {
  type Client,
  KvgateError,
  type NodeOptions,
  PermissionDeniedError,
  UnauthenticatedError,
  UnavailableError,
  connect,
} from "kvgate";

import { Authority, type Pair } from "./certificates.js";
import { type Server, startServer, until } from "./server.js";

const TOKEN = "a-token-that-nobody-may-see";

let folder: string;
let authority: Authority;
let ours: Pair;
let server: Server;
let port: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvgate-typescript-"));
  authority = await Authority.make(folder, "authority");
  const theirs = await authority.sign("server", "DNS:localhost,DNS:kvgate.internal");
  ours = await authority.sign("client", "DNS:reader.internal");
  const config = {
    server: {
      listen: "127.0.0.1:0",
      tls: {
        certificate_file: theirs.certFile,
        key_file: theirs.keyFile,
        client_ca_file: authority.caFile,
        client_certificates: "optional",
      },
      authentication: {
        tokens: [{ principal: "web", sha256: sha256(TOKEN), roles: ["web"] }],
        certificates: [{ name: "reader.internal", roles: ["reader"] }],
      },
      roles: {
        web: [{ stores: ["main"], collections: ["web"], operations: ["read", "write"] }],
        reader: [{ stores: ["main"], operations: ["read"] }],
      },
    },
    stores: { main: { type: "memory" } },
  };
  const file = join(folder, "kvgate.json");
  await writeFile(file, JSON.stringify(config));
  server = await startServer({}, file);
  port = server.place.slice(server.place.lastIndexOf(":") + 1);
});

after(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function using<R>(
  options: NodeOptions,
  use: (client: Client) => Promise<R>,
  host = "localhost",
): Promise<R> {
  const tls = { caFile: authority.caFile, ...options.tls };
  const client = connect(`https://${host}:${port}`, { ...options, tls });
  try {
    return await use(client);
  } finally {
    await client.close({ graceMs: 0 });
  }
}

test("a token over TLS", async () => {
  await using({ token: TOKEN }, async (client) => {
    await client.collection("web").put("key", { n: 1 });
    assert.deepEqual(await client.collection("web").get("key"), { n: 1 });
  });
});

test("what no role allows is denied", async () => {
  await using({ token: TOKEN }, async (client) => {
    await assert.rejects(client.collection("other").get("key"), (error) => {
      assert(error instanceof PermissionDeniedError);
      assert.equal(error.reason, "NOT_ALLOWED");
      return true;
    });
  });
});

test("no token, and a wrong one, which no error shows", async () => {
  const get = (client: Client) => client.collection("web").get("key");
  await assert.rejects(using({}, get), (error) => {
    assert(error instanceof UnauthenticatedError);
    assert.equal(error.reason, "CREDENTIALS_MISSING");
    return true;
  });
  await assert.rejects(using({ token: "wrong-secret" }, get), (error) => {
    assert(error instanceof UnauthenticatedError);
    assert.equal(error.reason, "CREDENTIALS_INVALID");
    assert.doesNotMatch(inspect(error, { depth: 10 }), /wrong-secret/);
    return true;
  });
  await assert.rejects(using({ token: "wrong secret\u0007" }, get), (error) => {
    assert(error instanceof UnauthenticatedError);
    assert.equal(error.reason, "TOKEN_UNUSABLE");
    assert.doesNotMatch(inspect(error, { depth: 10 }), /wrong.secret/);
    return true;
  });
});

test("a client shows no token when it is printed", async () => {
  await using({ token: TOKEN }, (client) => {
    assert.doesNotMatch(inspect(client, { depth: 10, showHidden: true }), new RegExp(TOKEN));
    return Promise.resolve();
  });
});

test("a token is asked for at each call", async () => {
  let asked = 0;
  const token = (): Promise<string> => {
    asked += 1;
    return asked === 2 ? Promise.reject(new Error("no network")) : Promise.resolve(TOKEN);
  };
  await using({ token }, async (client) => {
    await client.collection("web").get("key");
    await assert.rejects(client.collection("web").get("key"), (error) => {
      assert(error instanceof UnauthenticatedError);
      assert.equal((error.cause as Error).message, "no network");
      return true;
    });
    await client.collection("web").get("key");
  });
});

test("a token that never comes does not outlast the deadline", async () => {
  const token = (): Promise<string> => new Promise(() => undefined);
  await using({ token, timeoutMs: 100 }, async (client) => {
    await assert.rejects(client.collection("web").get("key"), { code: "DEADLINE_EXCEEDED" });
  });
});

test("a file's token is read again", async () => {
  const tokenFile = join(folder, "token");
  await writeFile(tokenFile, "old\n");
  await using({ tokenFile }, async (client) => {
    const web = client.collection("web");
    await assert.rejects(web.get("key"), UnauthenticatedError);
    await writeFile(tokenFile, `${TOKEN}\n`);
    await until("the new token is used", () =>
      web.get("key").then(
        () => true,
        () => false,
      ),
    );
    await rm(tokenFile);
    await until("the file's absence is noticed", async () => {
      const error: unknown = await web.get("key").catch((error: unknown) => error);
      return error instanceof KvgateError && error.reason === "TOKEN_UNUSABLE";
    });
  });
});

test("the server's certificate must come from the authority, for the name", async () => {
  const other = await Authority.make(folder, "other");
  const get = (client: Client) => client.collection("web").get("key");
  const options = { token: TOKEN, attemptsMax: 1 };
  const distrusting = { ...options, tls: { caFile: other.caFile } };
  await assert.rejects(using(distrusting, get), UnavailableError);
  await assert.rejects(using(options, get, "127.0.0.1"), UnavailableError);
  const named = { ...options, tls: { serverName: "kvgate.internal" } };
  await using(named, get, "127.0.0.1");
});

test("a client certificate instead of a token", async () => {
  await using({ tls: ours }, async (client) => {
    await client.collection("web").get("key");
    await assert.rejects(client.collection("web").put("key", {}), PermissionDeniedError);
  });
  const stranger = await (await Authority.make(folder, "strangers")).sign("stranger", "DNS:x");
  await using({ tls: stranger, attemptsMax: 1 }, async (client) => {
    await assert.rejects(client.collection("web").get("key"), UnavailableError);
  });
});

test("certificates that are not there are missed at once", () => {
  const tls = { caFile: join(folder, "nothing.pem") };
  assert.throws(() => connect("https://localhost", { tls }), { code: "ENOENT" });
});

test("a token goes nowhere that others can read it", () => {
  const refused = { reason: "INSECURE_TOKEN", field: "token" };
  const tokenFile = join(folder, "token");
  assert.throws(() => connect("http://kvgate.example", { token: TOKEN }), refused);
  assert.throws(() => connect("http://kvgate.example", { tokenFile }), refused);
  assert.throws(() => connect("dns:///kvgate.example", { token: TOKEN }), refused);
  assert.throws(() => connect("http://127.0.0.1.example", { token: TOKEN }), refused);
  connect("http://kvgate.example", { token: TOKEN, allowInsecureToken: true });
  connect("https://kvgate.example", { token: TOKEN });
  for (const host of ["localhost", "127.0.0.1", "[::1]"]) {
    connect(`http://${host}:50051`, { token: TOKEN });
  }
  connect("unix:/run/kvgate.sock", { token: TOKEN });
});

test("a Unix socket", async () => {
  const socket = join(folder, "kvgate.sock");
  const local = await startServer({ KVGATE_SERVER__LISTEN: `unix:${socket}` });
  for (const url of [`unix:${socket}`, `unix://${socket}`]) {
    const client = connect(url);
    await client.collection().put("key", { n: 1 });
    assert.deepEqual(await client.collection().get("key"), { n: 1 });
    await client.close();
  }
  await local.stop();
});
