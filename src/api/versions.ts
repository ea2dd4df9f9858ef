import { API_VERSION, MIN_API_VERSION } from "../spec/api-version.ts";
import type { ContainerInspectResponse, EventMessage, ImageInspect, ImageSummary } from "../spec/engine-api.ts";
import { invalid } from "./errors.ts";

const NEWEST = minorOf(API_VERSION);
const OLDEST = minorOf(MIN_API_VERSION);
const FIRST_WITH_DESCRIPTOR = 48;

/**
 * Splits `/v1.NN/rest` into the minor version and `/rest`; without a prefix it is the newest. Throws `invalid-argument`, in
 * Docker's words, outside of MIN_API_VERSION to API_VERSION.
 */
export function splitVersion(path: string): { version: number; path: string } {
  const match = /^\/v(\d{1,6})(?:\.(\d{1,6}))?(\/.*)$/.exec(path);
  if (!match) return { version: NEWEST, path };
  const [, major = "", minor = "0", rest = ""] = match;
  const asked = path.slice(2, path.length - rest.length);
  const number = Number(major) === 1 ? Number(minor) : Number(major) < 1 ? -1 : Number.POSITIVE_INFINITY;
  if (number < OLDEST) {
    throw invalid(
      `client version ${asked} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
  if (number > NEWEST) {
    throw invalid(`client version ${asked} is too new. Maximum supported API version is ${API_VERSION}`);
  }
  return { version: number, path: rest };
}

function minorOf(version: string): number {
  return Number(version.split(".")[1]);
}

/** Before 1.48 there was no Descriptor; before 1.44 images had VirtualSize; before 1.43 one without any name was listed as `<none>:<none>`. */
export function imageRow({ Descriptor, ...row }: ImageSummary, version: number): object {
  const nameless = version < 43 && row.RepoTags.length === 0 && row.RepoDigests.length === 0;
  return {
    ...row,
    ...(Descriptor && version >= FIRST_WITH_DESCRIPTOR ? { Descriptor } : {}),
    ...(nameless ? { RepoTags: ["<none>:<none>"], RepoDigests: ["<none>@<none>"] } : {}),
    ...(version < 44 ? { VirtualSize: row.Size } : {}),
  };
}

/** Before 1.48 there was no Descriptor; before 1.44 VirtualSize; before 1.50 the configuration held members that only containers use, always empty. */
export function imageDetails({ Descriptor, ...image }: ImageInspect, version: number): object {
  const unused = {
    Hostname: "",
    Domainname: "",
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    Tty: false,
    OpenStdin: false,
    StdinOnce: false,
    Image: "",
  };
  return {
    ...image,
    ...(Descriptor && version >= FIRST_WITH_DESCRIPTOR ? { Descriptor } : {}),
    ...(version < 44 ? { VirtualSize: image.Size } : {}),
    ...(version < 50 && image.Config ? { Config: { ...unused, ...image.Config } } : {}),
    // Gone since 1.45; docker-compose 1.29 cannot make a service anew without it.
    ...(version < 45 ? { Container: "", ContainerConfig: { ...unused, ...image.Config } } : {}),
  };
}

/** Before 1.45 the aliases on networks of one's own had the short id and the host name among them. */
export function containerDetails(container: ContainerInspectResponse, version: number): object {
  const { Id: id = "", Config: config, NetworkSettings: settings } = container;
  if (version >= 45 || !settings?.Networks) return container;
  const own = [id.slice(0, SHORT_ID), config?.Hostname ?? ""].filter((name) => name !== "");
  const networks = Object.entries(settings.Networks).map(([name, endpoint]) => {
    if (BUILT_IN.has(name)) return [name, endpoint];
    return [name, { ...endpoint, Aliases: [...new Set([...(endpoint.Aliases ?? []), ...own])] }];
  });
  return { ...container, NetworkSettings: { ...settings, Networks: Object.fromEntries(networks) } };
}

const SHORT_ID = 12;
const BUILT_IN = new Set(["bridge", "host", "none"]);

/** `GET /system/df`, whose images are rows of `GET /images/json`. */
export function diskUsage(usage: object, version: number): object {
  if (!("Images" in usage) || !Array.isArray(usage.Images)) return usage;
  return { ...usage, Images: usage.Images.map((row: ImageSummary) => imageRow(row, version)) };
}

/** An event with the members `status`, `id` and `from` of the first versions, which 1.51 still sends for containers and images. */
export function eventLine(event: EventMessage): object {
  if (event.Type !== "container" && event.Type !== "image") return event;
  const from = event.Type === "container" ? event.Actor?.Attributes?.["image"] : undefined;
  return { status: event.Action, id: event.Actor?.ID, ...(from ? { from } : {}), ...event };
}
