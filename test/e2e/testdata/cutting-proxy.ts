// A network before a registry that cuts each connection after so many bytes, in either direction; says on standard output how many bytes went which way.
// usage: bun cutting-proxy.ts HOST:PORT UPSTREAM_HOST:PORT BYTES CUTS
// After so many cuts in one direction there is none in that direction any more.
import { connect, createServer, type Socket } from "node:net";

const [at = "", upstream = "", bytes = "", cuts = ""] = process.argv.slice(2);
const most = Number(bytes);
const left = { up: Number(cuts), down: Number(cuts) };
const total = { up: 0, down: 0 };

function pass(from: Socket, to: Socket, way: "up" | "down"): void {
  let went = 0;
  from.on("data", (part: Buffer) => {
    went += part.length;
    total[way] += part.length;
    if (!to.write(part)) from.pause();
    if (went < most || left[way]-- <= 0) return;
    console.log(JSON.stringify(total));
    // What has gone is to arrive first.
    to.end(() => to.destroy());
    from.destroy();
  });
  to.on("drain", () => from.resume());
  from.on("end", () => to.end()).on("error", () => to.destroy()).on("close", () => to.end());
}

const [host = "", port = ""] = at.split(":");
const [toHost = "", toPort = ""] = upstream.split(":");
createServer((client) => {
  const registry = connect(Number(toPort), toHost);
  pass(client, registry, "up");
  pass(registry, client, "down");
}).listen(Number(port), host, () => console.log("ready"));
