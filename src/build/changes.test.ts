import { describe, expect, test } from "bun:test";
import { applyChanges } from "./changes.ts";
import { exposedPorts } from "./ports.ts";

describe("changes of commit and import", () => {
  test("all that are allowed", () => {
    const run = Object.freeze({ Env: ["PATH=/bin", "a=1"], Cmd: ["old"], Labels: { keep: "1" } });
    const changed = applyChanges(run, [
      "ENV a=2 b=$a",
      'CMD ["new"]',
      "entrypoint run it",
      "EXPOSE 80/udp 90-91",
      "LABEL x=y",
      "USER app",
      "VOLUME /v",
      "WORKDIR /w",
      "WORKDIR in",
      "STOPSIGNAL 9",
      "HEALTHCHECK NONE",
      "ONBUILD RUN x",
    ]);
    expect(changed).toEqual({
      Env: ["PATH=/bin", "a=2", "b=1"],
      Cmd: ["new"],
      Entrypoint: ["/bin/sh", "-c", "run it"],
      ExposedPorts: { "80/udp": {}, "90/tcp": {}, "91/tcp": {} },
      Labels: { keep: "1", x: "y" },
      User: "app",
      Volumes: { "/v": {} },
      WorkingDir: "/w/in",
      StopSignal: "9",
      Healthcheck: { Test: ["NONE"] },
      OnBuild: ["RUN x"],
    });
    expect(run.Env).toEqual(["PATH=/bin", "a=1"]);
  });

  test("an entrypoint drops the command that it did not come with", () => {
    expect(applyChanges({ Cmd: ["old"] }, ['ENTRYPOINT ["e"]'])).toEqual({ Entrypoint: ["e"] });
  });

  test.each(["RUN x", "COPY a b", "FROM x", "ARG x", "MAINTAINER x", 'SHELL ["x"]'])("%s is refused", (change) => {
    expect(() => applyChanges({}, [change])).toThrow(`${change.split(" ")[0]} is not a valid change command`);
  });

  test("what is no instruction", () => {
    expect(() => applyChanges({}, ["CMDD x"])).toThrow("CMDD is not a valid change command");
  });
});

test.each([
  ["80", ["80/tcp"]],
  ["80/UDP", ["80/udp"]],
  ["8080:80", ["80/tcp"]],
  ["127.0.0.1:8080:80/sctp", ["80/sctp"]],
  ["1-3", ["1/tcp", "2/tcp", "3/tcp"]],
])("port %s", (text, ports) => expect(exposedPorts(text)).toEqual(ports));

test.each([
  ["x", "Invalid containerPort: x"],
  ["70000", "Invalid containerPort: 70000"],
  ["3-1", "Invalid containerPort: 3-1"],
  ["80/icmp", "invalid proto: icmp"],
  ["80/tcp/x", "invalid proto: tcp"],
])("port %s is refused", (text, message) => expect(() => exposedPorts(text)).toThrow(message));
