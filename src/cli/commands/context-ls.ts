import { messageOf } from "../../spec/errors.ts";
import { command } from "../command.ts";
import { type Listing, printListing } from "../format/listing.ts";
import { naturalOrder } from "../format/natural.ts";
import { currentName, DEFAULT_ABOUT, fullContext, storeOf } from "../hosts/edit.ts";
import { Row } from "../template/values.ts";

interface Shown {
  name: string;
  current: boolean;
  about: string;
  host: string;
  error: string;
}

/** `berth context ls`. */
export default command({
  usage: "[OPTIONS]",
  summary: "List contexts",
  args: [0, 0],
  flags: {
    format: { kind: "string", help: "'table', 'table TEMPLATE', 'json', or a Go template for each line" },
    quiet: { kind: "bool", short: "q", help: "Only show names" },
  },
  async run(ctx, { flags }) {
    const current = currentName(ctx);
    const { meta } = await fullContext(ctx, "default");
    const all = [{ ...meta, Metadata: { Description: DEFAULT_ABOUT } }, ...storeOf(ctx).list()];
    const shown = all.map(({ Name, Metadata, Endpoints }) => ({
      name: Name,
      current: Name === current,
      about: Metadata.Description ?? "",
      host: Endpoints.docker?.Host ?? "",
      error: "",
    }));
    if (!shown.some((item) => item.current)) shown.push(missing(() => storeOf(ctx).read(current), current));
    shown.sort((a, b) => naturalOrder(a.name, b.name));
    const quiet = flags.quiet ? "Name" : undefined;
    await printListing(ctx, LISTING, shown, { format: flags.format, quiet });
    const variable = ["BERTH_HOST", "DOCKER_HOST"].find((key) => ctx.env[key]);
    if (variable !== undefined && ctx.globals.context === "" && !flags.quiet) {
      const how = `To use a context, either set the global --context flag, or unset ${variable} environment variable.`;
      ctx.io.err(`Warning: ${variable} environment variable overrides the active context. ${how}\n`);
    }
    return 0;
  },
});

function missing(read: () => unknown, name: string): Shown {
  try {
    read();
    return { name, current: true, about: "", host: "", error: "" };
  } catch (error) {
    return { name, current: true, about: "", host: "", error: messageOf(error) };
  }
}

const ABOUT_WIDTH = 45;

const ellipsis = (text: string): string => (text.length > ABOUT_WIDTH ? `${text.slice(0, ABOUT_WIDTH - 1)}…` : text);

const LISTING: Listing<Shown> = {
  titles: {
    Name: "NAME",
    NameMarked: "NAME",
    Description: "DESCRIPTION",
    DockerEndpoint: "DOCKER ENDPOINT",
    Error: "ERROR",
    Current: "CURRENT",
  },
  columns: ["NameMarked", "Description", "DockerEndpoint", "Error"],
  row: (item) =>
    new Row(
      {
        ...plain(item),
        NameMarked: item.current ? `${item.name} *` : item.name,
      },
      { json: plain(item) },
    ),
};

function plain(item: Shown): Record<string, unknown> {
  return {
    Current: item.current,
    Description: item.about,
    DockerEndpoint: item.host,
    Error: ellipsis(item.error),
    Name: item.name,
  };
}
