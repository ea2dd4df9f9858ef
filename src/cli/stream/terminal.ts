import { spawnSync } from "node:child_process";
import { constants } from "node:os";
import type { Context } from "../context.ts";

/**
 * Puts the terminal on standard input into raw mode. The returned function puts it back; so does the end of the process,
 * whatever ends it, and signals that would end it first pass here.
 */
export function rawMode(ctx: Context): () => void {
  const stdin = ctx.io.stdin();
  if (!ctx.io.stdinIsTerminal()) return () => undefined;
  const restore = (): void => {
    if (stdin.isRaw) stdin.setRawMode(false);
  };
  stdin.setRawMode(true);
  withoutOutputProcessing();
  process.once("exit", restore);
  const unguard = onSignals(ENDING, (signal) => {
    // Where the signal is passed on to the container, another listener does that, and this process goes on.
    if (process.listenerCount(signal) > 1) return;
    restore();
    process.exit(SIGNAL_BASE + constants.signals[signal]);
  });
  return () => {
    process.off("exit", restore);
    unguard();
    restore();
  };
}

/**
 * The runtime's raw mode leaves the terminal turning `\n` into `\r\n`, which the container's own terminal has done already.
 * Without stty there is one carriage return too many, which no terminal shows.
 */
function withoutOutputProcessing(): void {
  spawnSync("stty", ["-opost"], { stdio: ["inherit", "ignore", "ignore"] });
}

/** The size of the terminal on standard output, as the API takes it; undefined without one. */
export function terminalSize(ctx: Context): { h: number; w: number } | undefined {
  if (!ctx.io.stdoutIsTerminal()) return undefined;
  const { rows, columns } = ctx.io.stdout();
  return rows > 0 && columns > 0 ? { h: rows, w: columns } : undefined;
}

const RETRIES = 5;
const RETRY_MS = 10;

/**
 * Tells `resize` the size now and at each change. A process that is just being made cannot be resized yet, so that the first
 * one is tried a few times. The returned function ends it.
 */
export function followSize(ctx: Context, resize: (size: { h: number; w: number }) => Promise<void>): () => void {
  let ended = false;
  const send = async (tries: number): Promise<void> => {
    const size = terminalSize(ctx);
    if (!size || ended) return;
    try {
      await resize(size);
    } catch {
      // Not there yet, or gone already: neither is the user's concern.
      if (tries > 0) setTimeout(() => void send(tries - 1), RETRY_MS * (RETRIES - tries + 1));
    }
  };
  const onChange = (): void => void send(0);
  process.on("SIGWINCH", onChange);
  void send(RETRIES);
  return () => {
    ended = true;
    process.off("SIGWINCH", onChange);
  };
}

type Signal = NodeJS.Signals;

const ENDING: readonly Signal[] = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"];
const PROXIED: readonly Signal[] = [...ENDING, "SIGUSR1", "SIGUSR2", "SIGCONT"];
const SIGNAL_BASE = 128;

/** Sends the signals that this process gets to `kill` instead. The returned function ends it. A change of the size is the terminal's matter, where there is one. */
export function proxySignals(kill: (signal: string) => Promise<void>, options: { tty?: boolean } = {}): () => void {
  const signals: readonly Signal[] = options.tty ? PROXIED : [...PROXIED, "SIGWINCH"];
  // The container may have ended just before; its exit code then tells.
  return onSignals(signals, (signal) => void kill(String(constants.signals[signal])).catch(() => undefined));
}

function onSignals(signals: readonly Signal[], act: (signal: Signal) => void): () => void {
  const listeners = signals.map((signal) => ({ signal, listener: () => act(signal) }));
  for (const { signal, listener } of listeners) process.on(signal, listener);
  return () => {
    for (const { signal, listener } of listeners) process.off(signal, listener);
  };
}
