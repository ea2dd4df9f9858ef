import { expect, test } from "bun:test";
import { runtimeMessage, startFailure, startFailureCode } from "./runtime-errors.ts";

test("the message is taken out of a runtime's log line, or is the line itself", () => {
  expect(runtimeMessage('{"level":"error","msg":"it broke \\"here\\"\\n","time":"x"}')).toBe('it broke "here"');
  expect(runtimeMessage("plain words")).toBe("plain words");
  expect(runtimeMessage('{"msg":5}')).toBe('{"msg":5}');
  expect(runtimeMessage('{"msg":"cut')).toBe('{"msg":"cut');
});

test("Docker's exit codes for what crun and runc say", () => {
  const codes = [
    "executable file `x` not found in $PATH: No such file or directory",
    'runc run failed: unable to start container process: exec: "x": executable file not found in $PATH',
    "open `/etc/plain`: Permission denied",
    "exec /x: Exec format error",
    "writing file `memory.max`: Invalid argument",
  ].map(startFailureCode);
  expect(codes).toEqual([127, 127, 126, 126, 128]);
  expect(startFailure("executable file `x` not found in $PATH").kind).toBe("invalid-argument");
  expect(startFailure("no cgroup for you").kind).toBe("internal");
});
