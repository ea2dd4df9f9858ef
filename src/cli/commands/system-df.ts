import { command } from "../command.ts";
import { printListing } from "../format/listing.ts";
import { usageListing, usageRows } from "../format/usage.ts";
import { printUsageDetails } from "../format/usage-details.ts";

/** `berth system df`. */
export default command({
  usage: "[OPTIONS]",
  summary: "Show disk usage",
  since: 25,
  args: [0, 0],
  flags: {
    format: { kind: "string", help: "'table', 'table TEMPLATE', 'json', or a Go template for each line" },
    verbose: { kind: "bool", short: "v", help: "Show every object" },
  },
  async run(ctx, { flags }) {
    const usage = await ctx.engine.system.diskUsage();
    if (flags.verbose) await printUsageDetails(ctx, usage, flags.format);
    else await printListing(ctx, usageListing(), usageRows(usage), { format: flags.format });
    return 0;
  },
});
