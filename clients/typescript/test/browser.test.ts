/**
 * The client in a real browser, which calls the server by itself: all cases, and what is different
 * there. A browser speaks HTTP/2 only over TLS.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { type Server as HttpServer, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { chromium } from "playwright-core";

import type { Page } from "./browser/page.js";
import { Authority } from "./certificates.js";
import { readCases } from "./read_cases.js";
import { CASES, type Server, startServer } from "./server.js";

declare const page: Page;

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"].map(
  (name) => `/usr/bin/${name}`,
);
const executablePath = process.env["CHROMIUM"] ?? PROGRAMS.find((path) => existsSync(path));
if (executablePath === undefined) {
  throw new Error("there is no Chromium: install it, or set CHROMIUM to its path");
}

const script = await build({
  entryPoints: [fileURLToPath(new URL("../../test/browser/page.ts", import.meta.url))],
  bundle: true,
  write: false,
  platform: "browser",
  format: "iife",
});
const folder = await mkdtemp(join(tmpdir(), "kvgate-typescript-"));
const site = await startSite();
const server = await startServerFor(site.url);
const url = `https://${server.place}`;
// As root, Chromium has no sandbox. It does not know the authority of the test.
const args = ["--no-sandbox", "--ignore-certificate-errors"];
const browser = await chromium.launch({ executablePath, args });
const tab = await browser.newPage();
await tab.goto(site.url);
await tab.addScriptTag({ content: script.outputFiles[0]?.text ?? "" });

after(async () => {
  await browser.close();
  await server.stop();
  site.stop();
  await rm(folder, { recursive: true });
});

for (const each of readCases()) {
  test(`in Chromium: ${each.name}`, () =>
    tab.evaluate(([url, each]) => page.runCase(url, each), [url, each] as const));
}

for (const name of await tab.evaluate(() => page.names)) {
  test(`in Chromium: ${name}`, () =>
    tab.evaluate(([url, name]) => page.run(url, name), [url, name] as const));
}

test("in Chromium: a page of another origin may not call", async () => {
  const stranger = await startSite();
  const other = await browser.newPage();
  await other.goto(stranger.url);
  await other.addScriptTag({ content: script.outputFiles[0]?.text ?? "" });
  await other.evaluate((url) => page.run(url, "what the origin does not allow"), url);
  await other.close();
  stranger.stop();
});

/** An origin of its own with an empty page, so that calls cross origins. */
async function startSite(): Promise<{ readonly url: string; readonly stop: () => void }> {
  const site: HttpServer = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><title>kvgate</title>");
  });
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${String((site.address() as AddressInfo).port)}`,
    stop: () => {
      site.close();
      site.closeAllConnections();
    },
  };
}

/** A server with the stores of the cases, over TLS, for pages of one origin. */
async function startServerFor(origin: string): Promise<Server> {
  const authority = await Authority.make(folder, "authority");
  const { certFile, keyFile } = await authority.sign("server", "IP:127.0.0.1");
  const config = join(folder, "kvgate.toml");
  const text = await readFile(join(CASES, "kvgate.toml"), "utf8");
  await writeFile(
    config,
    `${text}
[server.tls]
certificate_file = ${JSON.stringify(certFile)}
key_file = ${JSON.stringify(keyFile)}

[server.web]
origins = [${JSON.stringify(origin)}]
`,
  );
  return startServer({}, config);
}
