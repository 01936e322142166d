/** A `kvgate serve` of its own for each file of tests. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const REPOSITORY = fileURLToPath(new URL("../../../../", import.meta.url));
export const CASES = join(REPOSITORY, "clients/cases");

export interface Server {
  /** Where it listens, as `HOST:PORT` or `unix:PATH`. */
  readonly place: string;
  readonly url: string;
  /** Stops it where it is, and lets it go on. */
  freeze(): void;
  thaw(): void;
  /** Ends it, gracefully unless told otherwise. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts a server; `environment` has settings such as `KVGATE_SERVER__LISTEN`. */
export async function startServer(
  environment: Record<string, string> = {},
  config = join(CASES, "kvgate.toml"),
): Promise<Server> {
  const server = spawn(program(), ["serve", "--config", config], {
    // nothing of the user's own settings, but where its libraries are
    env: {
      PATH: process.env["PATH"],
      LD_LIBRARY_PATH: process.env["LD_LIBRARY_PATH"],
      ...environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const place = await listeningAt(server);
  process.once("exit", () => server.kill("SIGKILL"));
  return {
    place,
    url: place.startsWith("unix:") ? place : `http://${place}`,
    freeze: () => server.kill("SIGSTOP"),
    thaw: () => server.kill("SIGCONT"),
    stop: async (signal = "SIGTERM") => {
      if (server.exitCode !== null || server.signalCode !== null) return;
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill(signal);
      await ended;
    },
  };
}

/** A folder that is removed when `use` is done. */
export async function inFolder<R>(use: (folder: string) => Promise<R>): Promise<R> {
  const folder = await mkdtemp(join(tmpdir(), "kvgate-typescript-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Waits until something holds, and fails if it doesn't within 10 seconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function program(): string {
  const target = process.env["CARGO_TARGET_DIR"] ?? join(REPOSITORY, "target");
  const path = process.env["KVGATE_BIN"] ?? join(target, "debug/kvgate");
  if (!existsSync(path)) {
    throw new Error(`there is no ${path}: run cargo build -p kvgate, or set KVGATE_BIN`);
  }
  return path;
}

async function listeningAt(server: ChildProcess): Promise<string> {
  const { stdout, stderr } = server;
  if (!stdout || !stderr) throw new Error("the server has no output");
  let log = "";
  stderr.setEncoding("utf8").on("data", (text: string) => (log = (log + text).slice(-10_000)));
  for await (const line of createInterface({ input: stdout })) {
    const place = /^kvgate listening on (.*)$/.exec(line)?.[1];
    if (place !== undefined) return place;
  }
  throw new Error(`the server did not start:\n${log}`);
}
