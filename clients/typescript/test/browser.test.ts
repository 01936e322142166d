/** The client in a real browser: all cases, and what is different there. */
import { existsSync } from "node:fs";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";
import { chromium } from "playwright-core";

import type { Page } from "./browser/page.js";
import { startProxy } from "./grpc_web.js";
import { readCases } from "./read_cases.js";
import { startServer } from "./server.js";

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
const server = await startServer();
const proxy = await startProxy(server.url);
// As root, Chromium has no sandbox.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const tab = await browser.newPage();
await tab.goto(proxy.pageUrl);
await tab.addScriptTag({ content: script.outputFiles[0]?.text ?? "" });

after(async () => {
  await browser.close();
  await proxy.stop();
  await server.stop();
});

for (const each of readCases()) {
  test(`in Chromium: ${each.name}`, () =>
    tab.evaluate(([url, each]) => page.runCase(url, each), [proxy.url, each] as const));
}

for (const name of await tab.evaluate(() => page.names)) {
  test(`in Chromium: ${name}`, () =>
    tab.evaluate(([url, name]) => page.run(url, name), [proxy.url, name] as const));
}
