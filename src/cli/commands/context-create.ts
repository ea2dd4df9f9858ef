import { BerthError } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { dockerEndpoint, fullContext, storeOf } from "../hosts/edit.ts";
import { checkContextName } from "../hosts/store.ts";

/** `berth context create`. */
export default command({
  usage: "[OPTIONS] CONTEXT",
  summary: "Create a context",
  args: [1, 1],
  flags: {
    description: { kind: "string", help: "What the context is for" },
    docker: {
      kind: "string",
      type: "stringToString",
      help: "Its endpoint: host=HOST,ca=FILE,cert=FILE,key=FILE,skip-tls-verify=BOOL",
    },
    from: { kind: "string", help: "Begin with what another context has" },
  },
  async run(ctx, { flags, given, args: [name = ""] }) {
    checkContextName(name);
    const store = storeOf(ctx);
    if (store.has(name)) throw new BerthError("conflict", `context "${name}" already exists`);
    const base = given.has("docker") ? undefined : await fullContext(ctx, flags.from || "default");
    const { docker, tls } = base
      ? { docker: base.meta.Endpoints.docker, tls: base.tls }
      : await dockerEndpoint(ctx, flags.docker);
    const Metadata = { ...(flags.from ? base?.meta.Metadata : {}) };
    if (flags.description) Metadata.Description = flags.description;
    store.write({ Name: name, Metadata, Endpoints: { docker: docker ?? { SkipTLSVerify: false } } }, tls);
    ctx.io.out(`${name}\n`);
    ctx.io.err(`Successfully created context "${name}"\n`);
    return 0;
  },
});
