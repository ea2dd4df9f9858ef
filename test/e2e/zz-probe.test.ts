import { test } from "bun:test";
import { TestDaemon } from "../../src/testing/daemon.ts";

test("x", async () => {
  await using d = await TestDaemon.start();
  const S = `unix://${d.socket}`;
  await d.ok("run", "-d", "--name", "ee", "busybox", "sleep", "1000");
  console.log(
    await Bun.$`sh -c "(sleep 0.5; printf '\\020\\021'; sleep 0.5) | script -q -e -c \"dist/berth -H ${S} exec -it ee sh -c 'echo in; exec sleep 4321'\" /dev/null"; dist/berth -H ${S} top ee -o pid,args; dist/berth -H ${S} top ee; dist/berth -H ${S} exec ee ps`
      .nothrow()
      .text(),
  );
  await d.ok("run", "-di", "--name", "plain", "busybox", "sh", "-c", "head -c 3 | hexdump -C; sleep 1000");
  console.log(
    await Bun.$`sh -c "printf '\\020\\021x' | timeout 3 dist/berth -H ${S} attach plain"; dist/berth -H ${S} logs plain`
      .nothrow()
      .text(),
  );
  await d.ok("run", "-di", "--name", "plain2", "busybox", "sh", "-c", "head -c 3 | hexdump -C; sleep 1000");
  console.log(
    await Bun.$`sh -c "(printf '\\020\\021x'; sleep 2) | timeout 3 dist/berth -H ${S} attach plain2"; dist/berth -H ${S} logs plain2`
      .nothrow()
      .text(),
  );
}, 60000);
