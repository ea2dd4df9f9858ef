// One load on a registry: `registry-load.ts PORT manifests|blobs SIZE COUNT`; prints its rates as JSON.
import { load } from "./registry-servers.ts";

const [, , port, kind = "", size, count] = process.argv;
console.log(JSON.stringify(await load(Number(port), { kind, size: Number(size), count: Number(count) })));
