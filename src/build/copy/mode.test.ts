import { expect, test } from "bun:test";
import { parseMode } from "./mode.ts";

/** The entries that each change was tried on, with Docker 28.5's BuildKit: files of 644, 600, 4755 and 640, folders of 700 and 2770. */
const ENTRIES = [
  { type: "file", mode: 0o644 },
  { type: "file", mode: 0o600 },
  { type: "file", mode: 0o4755 },
  { type: "dir", mode: 0o700 },
  { type: "dir", mode: 0o2770 },
  { type: "file", mode: 0o640 },
];

test.each([
  ["+x", "755 711 4755 711 2771 751"],
  ["a+x", "755 711 4755 711 2771 751"],
  ["u+x", "744 700 4755 700 2770 740"],
  ["u-w", "444 400 4555 500 2570 440"],
  ["o=", "640 600 4750 700 2770 640"],
  ["g=u", "664 660 4775 770 2770 660"],
  ["u=rwX,go=rX", "644 644 755 755 755 644"],
  ["a=rX", "444 444 555 555 555 444"],
  ["+X", "644 600 4755 711 2771 640"],
  ["-x", "644 600 4644 600 2660 640"],
  ["ug+s", "6644 6600 6755 6700 6770 6640"],
  ["+t", "1644 1600 5755 1700 3770 1640"],
  ["u+s", "4644 4600 4755 4700 6770 4640"],
  ["g+s", "2644 2600 6755 2700 2770 2640"],
  ["=r", "444 444 444 444 444 444"],
  ["u=,g=rx", "54 50 55 50 50 50"],
  ["a+rwx-w", "555 555 4555 555 2555 555"],
  ["0755", "755 755 755 755 755 755"],
  ["00755", "755 755 755 755 755 755"],
  ["755 ", "755 755 755 755 755 755"],
  ["go-r,u+x", "700 700 4711 700 2730 700"],
  ["o+t", "644 600 4755 700 2770 640"],
  ["u=g", "444 0 4555 0 2770 440"],
  ["+r", "644 644 4755 744 2774 644"],
  ["+w", "666 622 4777 722 2772 662"],
  ["a-rwx", "0 0 4000 0 2000 0"],
  ["u=rwx,g=,o=", "700 700 700 700 700 700"],
  ["7", "7 7 7 7 7 7"],
])("--chmod=%s", (text, modes) => {
  const change = parseMode(text);
  expect(ENTRIES.map((e) => change.of(e).toString(8)).join(" ")).toBe(modes);
});

test.each(["u+rw,", "x", "u+q", "777,u-x", "u+x,0644", "999", "10000", "-1x", "u", "0x7"])("%j is refused", (text) => {
  expect(() => parseMode(text)).toThrow(`invalid chmod parameter: '${text}'`);
});

test("only digits say the whole mode", () => {
  expect(parseMode("0711").absolute).toBe(0o711);
  expect(parseMode("u=rwx,g=,o=").absolute).toBeUndefined();
});
