import { command } from "../command.ts";
import { dockerEndpoint, storeOf } from "../hosts/edit.ts";
import { checkContextName } from "../hosts/store.ts";

/** `berth context update`. */
export default command({
  usage: "[OPTIONS] CONTEXT",
  summary: "Update a context",
  args: [1, 1],
  flags: {
    description: { kind: "string", help: "What the context is for" },
    docker: { kind: "string", type: "stringToString", help: "Its endpoint, whole: host=HOST,ca=FILE,…" },
  },
  async run(ctx, { flags, args: [name = ""] }) {
    checkContextName(name);
    const store = storeOf(ctx);
    const old = store.read(name);
    const Metadata = flags.description ? { ...old.Metadata, Description: flags.description } : old.Metadata;
    const endpoint = flags.docker ? await dockerEndpoint(ctx, flags.docker) : undefined;
    const docker = endpoint ? endpoint.docker : old.Endpoints.docker;
    store.write({ ...old, Metadata, Endpoints: { ...old.Endpoints, ...(docker ? { docker } : {}) } }, endpoint?.tls);
    ctx.io.out(`${name}\n`);
    ctx.io.err(`Successfully updated context "${name}"\n`);
    return 0;
  },
});
