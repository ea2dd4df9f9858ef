import { humanSize } from "../format/units.ts";

const WIDTH = 8;

/** The context as it is, and one line of how much was sent at its end, as docker's classic builds say it. */
export async function* saySending(
  tar: AsyncIterable<Uint8Array>,
  say: (text: string) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const part of tar) {
    bytes += part.length;
    yield part;
  }
  say(`Sending build context to Docker daemon ${humanSize(bytes).padStart(WIDTH)}\r\r\n`);
}
