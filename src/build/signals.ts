import { constants } from "node:os";

const MAX_SIGNAL = 64;

/** True for a signal's number, or its name with or without SIG, real-time signals included (signal(7)). */
export function isSignal(text: string): boolean {
  if (/^[0-9]+$/.test(text)) return Number(text) >= 1 && Number(text) <= MAX_SIGNAL;
  const name = `SIG${text.toUpperCase().replace(/^SIG/, "")}`;
  return (
    Object.hasOwn(constants.signals, name) ||
    /^SIGRT(?:MIN(?:\+(?:[0-9]|1[0-5]))?|MAX(?:-(?:[0-9]|1[0-4]))?)$/.test(name)
  );
}
