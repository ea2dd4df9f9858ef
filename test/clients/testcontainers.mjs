// A job with testcontainers, its resource reaper switched off (TESTCONTAINERS_RYUK_DISABLED=true), against DOCKER_HOST.
import assert from "node:assert/strict";
import { GenericContainer, Network, Wait } from "testcontainers";

// The library takes its log streams off the event loop: without this, a program that only waits for a line may be seen as finished.
const alive = setInterval(() => undefined, 1000);
const network = await new Network().start();
const server = await new GenericContainer("busybox")
  .withCommand([
    "sh",
    "-c",
    "mkdir /www; echo served >/www/index.html; echo ready to serve; exec httpd -f -v -p 80 -h /www",
  ])
  .withExposedPorts(80)
  .withNetwork(network)
  .withNetworkAliases("server")
  .withEnvironment({ A: "b" })
  .withLabels({ job: "testcontainers" })
  .withCopyContentToContainer([{ content: "copied\n", target: "/copied" }])
  .withHealthCheck({ test: ["CMD", "true"], interval: 100, timeout: 3000, retries: 5 })
  .withWaitStrategy(
    Wait.forAll([Wait.forLogMessage("ready to serve"), Wait.forHealthCheck(), Wait.forListeningPorts()]),
  )
  .start();
const address = `http://${server.getHost()}:${server.getMappedPort(80)}/`;
assert.equal(await (await fetch(address)).text(), "served\n");
const { output, exitCode } = await server.exec(["sh", "-c", "cat /copied; echo $A; exit 5"]);
assert.equal(output, "copied\nb\n");
assert.equal(exitCode, 5);
const client = await new GenericContainer("busybox")
  .withNetwork(network)
  .withCommand(["sh", "-c", "until timeout 5 wget -q -O - http://server/; do :; done; echo fetched; sleep 1000"])
  .withWaitStrategy(Wait.forLogMessage("fetched"))
  .start();
const logs = await client.logs();
const first = await new Promise((resolve) => logs.once("data", (line) => resolve(String(line))));
assert.match(first, /served/);
await server.restart();
const image = await GenericContainer.fromDockerfile(new URL("context", import.meta.url).pathname).build(
  "testcontainers-built:1",
);
const once = await image.withWaitStrategy(Wait.forOneShotStartup()).start();
for (const container of [once, client, server]) await container.stop();
await network.stop();
clearInterval(alive);
process.stdout.write("done\n", () => process.exit(0));
