// Serves descriptor 3; says so on stdout. Started by listen.test.ts, ended by it.
import { listen } from "../listen.ts";
import { reflect } from "./reflect.ts";

await listen(
  async (request) =>
    request.path === "/x"
      ? reflect(request)
      : { status: 200, headers: { Connection: "close" }, body: { kind: "text", text: "from fd" } },
  { fd: 3 },
);
console.log("listening");
