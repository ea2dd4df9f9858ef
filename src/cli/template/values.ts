/** What a row is where it is not a plain line of a listing. */
export interface RowShape {
  /** Go's name of the type, in messages. */
  type?: string;
  /** What it is as JSON, where that is not its fields by name. */
  json?: unknown;
}

/** An object whose fields are computed when a template asks: one line of `ps`, of `images`, … Functions take arguments. */
export class Row {
  constructor(
    readonly fields: Record<string, unknown>,
    private readonly shape: RowShape = {},
  ) {}

  /** Its Go type, for messages about fields that it has not. */
  get type(): string {
    return this.shape.type ?? "*formatter.Context";
  }

  /** Docker prints rows as JSON by field name; fields that need an argument are left out. */
  toJSON(): unknown {
    return this.shape.json ?? this.plain();
  }

  /** Its fields by name, sorted, without those that need an argument. */
  plain(): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (const key of Object.keys(this.fields).sort()) {
      const value = this.fields[key];
      if (typeof value !== "function") out[key] = value;
    }
    return out;
  }
}

/** A JSON null whose Go type is known from its name: prints as an empty map or list, is JSON null, is false. */
export class NilOf {
  constructor(readonly shape: "map" | "list" | "pointer") {}

  toJSON(): null {
    return null;
  }
}

const MAPS = new Set(
  "Labels Ports Networks Options DriverOpts Sysctls Annotations Config StorageOpt Tmpfs Volumes ExposedPorts Data PortBindings Attributes Containers Runtimes UsageData Status".split(
    " ",
  ),
);
const STRUCTS_TOO = new Set(["Config", "Options", "Data", "Status", "UsageData", "Ports"]);
const LISTS = new Set(
  "Args Entrypoint Cmd Env Mounts ExecIDs Binds CapAdd CapDrop Dns DnsOptions DnsSearch ExtraHosts GroupAdd Links Devices DeviceRequests DeviceCgroupRules RepoTags RepoDigests Aliases DNSNames SecurityOpt VolumesFrom OnBuild Ulimits Layers BlkioWeightDevice Shell Test MaskedPaths ReadonlyPaths Warnings SecondaryIPAddresses SecondaryIPv6Addresses".split(
    " ",
  ),
);

/** What stands for a null under the key `name`. */
export function nilFor(name: string): NilOf {
  if (LISTS.has(name)) return new NilOf("list");
  return new NilOf(MAPS.has(name) ? "map" : "pointer");
}

/**
 * A copy with members that a template finds by name, and that neither printing nor JSON shows: Go's name of a field beside
 * its JSON name, or a field that JSON leaves out when it is nil.
 */
export function withHidden<T extends object>(value: T, hidden: Record<string, unknown>): T {
  const copy = { ...value };
  for (const [name, member] of Object.entries(hidden)) {
    if (!Object.hasOwn(copy, name)) Object.defineProperty(copy, name, { value: member, enumerable: false });
  }
  return copy;
}

/** True for anything with named members. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Go's truth: empty strings, lists and maps, zero, false and nil are false. */
export function truth(value: unknown): boolean {
  if (value === undefined || value === null || value instanceof NilOf) return false;
  if (Array.isArray(value) || typeof value === "string") return value.length > 0;
  if (value instanceof Row) return true;
  return isRecord(value) ? Object.keys(value).length > 0 : Boolean(value);
}

/**
 * Go's `%v`. JSON does not tell a struct from a map: an object under a key that names a map in Docker's API, or with a
 * key that cannot be a Go field, prints as `map[k:v …]` sorted, any other as a struct, `{v v}`.
 */
export function goText(value: unknown, options: { top?: boolean; asMap?: boolean } = {}): string {
  if (value === undefined) return "<no value>";
  if (value === null) return options.top ? "<no value>" : "<nil>";
  if (value instanceof NilOf) return { map: "map[]", list: "[]", pointer: "<nil>" }[value.shape];
  if (Array.isArray(value)) return `[${value.map((v) => goText(v)).join(" ")}]`;
  if (value instanceof Row)
    return `{${Object.values(value.plain())
      .map((v) => goText(v))
      .join(" ")}}`;
  if (typeof value === "function") return "<func>";
  return isRecord(value) ? objectText(value, options.asMap ?? false) : String(value);
}

/** A value remembered with the key it was found under, so that it prints as Go would have it. */
export function namedText(name: string | undefined, value: unknown): string {
  return goText(value, { top: true, asMap: name !== undefined && MAPS.has(name) && !looksLikeStruct(name, value) });
}

function looksLikeStruct(name: string, value: unknown): boolean {
  return (
    STRUCTS_TOO.has(name) &&
    isRecord(value) &&
    Object.keys(value).some((k) => k === "Hostname" || k === "Image" || k === "Size")
  );
}

/** `{}` as a member of ExposedPorts and Volumes: Go's struct{}. */
function isEmptyObject(value: unknown): boolean {
  return isRecord(value) && Object.keys(value).length === 0;
}

function objectText(value: Record<string, unknown>, asMap: boolean): string {
  const keys = Object.keys(value);
  if (asMap && keys.length > 0 && keys.every((k) => isEmptyObject(value[k])))
    return `map[${keys
      .sort()
      .map((k) => `${k}:{}`)
      .join(" ")}]`;
  const isStruct = !asMap && keys.length > 0 && keys.every((k) => /^[A-Z][A-Za-z0-9]*$/.test(k));
  const member = (key: string): string => {
    const inner = value[key];
    const known = inner === null ? nilFor(key) : inner;
    return goText(known, { asMap: MAPS.has(key) && !looksLikeStruct(key, known) });
  };
  if (isStruct) return `{${keys.map(member).join(" ")}}`;
  return `map[${keys
    .sort()
    .map((k) => `${k}:${member(k)}`)
    .join(" ")}]`;
}
