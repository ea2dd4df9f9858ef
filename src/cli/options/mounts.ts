import { resolve } from "node:path";
import type { Mount, MountType } from "../../spec/engine-api.ts";
import { BerthError, messageOf } from "../../spec/errors.ts";
import { parseIdMap } from "../../spec/id-map.ts";
import { csvFields } from "../csv.ts";
import { parseSize } from "../format/units.ts";
import { type SecretWords, secretOf } from "./secret-mount.ts";

const invalid = (message: string): BerthError => new BerthError("invalid-argument", message);
const inFlag = (text: string, why: string): BerthError =>
  invalid(`invalid argument ${JSON.stringify(text)} for "--mount" flag: ${why}`);

/** `-v`: with a source it is a bind in the API's words, without one an anonymous volume. */
export function volumeOptions(texts: readonly string[]): {
  binds: string[];
  volumes: Record<string, Record<string, never>>;
} {
  const binds: string[] = [];
  const volumes: Record<string, Record<string, never>> = {};
  for (const text of texts) {
    const parts = text.split(":");
    if (text === "") throw invalid("invalid empty volume spec");
    if (parts.length > 3) throw invalid(`invalid spec: ${text}: too many colons`);
    if (parts.some((p) => p === "")) throw invalid(`invalid spec: ${text}: empty section between colons`);
    if (parts.length === 1) volumes[text] = {};
    else binds.push([sourcePath(parts[0] ?? ""), ...parts.slice(1)].join(":"));
  }
  return { binds, volumes };
}

/** A relative path is the caller's, not the daemon's; a plain word is a volume's name. */
function sourcePath(source: string): string {
  return source.startsWith(".") || source.startsWith("~/")
    ? resolve(source.replace(/^~/, process.env["HOME"] ?? "~"))
    : source;
}

/** `--tmpfs path[:options]`. */
export function tmpfsOptions(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const colon = text.indexOf(":");
      return colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
    }),
  );
}

const BARE = new Set(["readonly", "ro", "volume-nocopy", "bind-nonrecursive"]);

/** `--mount type=…,src=…,dst=…` (docker's CSV form). Throws in Docker's words. */
export function parseMount(text: string): Mount {
  const mount: Wanted = { Type: "volume" };
  for (const field of csvFields(text, (why) => inFlag(text, why))) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    if (equals < 0 && !BARE.has(key)) throw inFlag(text, `invalid field '${field}' must be a key=value pair`);
    setField(mount, { key, value: equals < 0 ? "true" : field.slice(equals + 1), field, text });
  }
  if (mount.Type === "secret") return secretOf(mount, (why) => inFlag(text, why));
  if (mount.secret) throw inFlag(text, `cannot mix options of a secret with mount type '${mount.Type}'`);
  if (!mount.Type) throw inFlag(text, "type is required");
  if (!mount.Target) throw inFlag(text, "target is required");
  if (mount.Source) mount.Source = sourcePath(mount.Source);
  checkType(mount, text);
  return withMap(mount, text);
}

/** A mount with what belongs to the options of its type, which may come later in the text. */
type Wanted = Mount & { map?: string; secret?: SecretWords };

function withMap({ map, secret: _, ...mount }: Wanted, text: string): Mount {
  if (map === undefined) return mount;
  try {
    parseIdMap(map);
  } catch (error) {
    throw inFlag(text, messageOf(error));
  }
  if (mount.Type === "bind") return { ...mount, BindOptions: { ...mount.BindOptions, Map: map } };
  if (mount.Type === "volume") return { ...mount, VolumeOptions: { ...mount.VolumeOptions, Map: map } };
  throw inFlag(text, `cannot mix 'map' with mount type '${mount.Type}'`);
}

interface Field {
  key: string;
  value: string;
  /** As it stands in the text. */
  field: string;
  text: string;
}

const unexpected = ({ key, field, text }: Field): BerthError => inFlag(text, `unexpected key '${key}' in '${field}'`);

function setField(mount: Wanted, field: Field): void {
  const { key, value } = field;
  const [prefix = ""] = key.split("-");
  const group = key.includes("-") ? GROUPS[prefix] : undefined;
  if (group) {
    group(mount, field);
    return;
  }
  switch (key) {
    case "type":
      mount.Type = value.toLowerCase() as MountType;
      break;
    case "source":
    case "src":
      mount.Source = value;
      break;
    case "target":
    case "dst":
    case "destination":
      mount.Target = value;
      break;
    case "readonly":
    case "ro":
      mount.ReadOnly = truth(field);
      break;
    case "uid":
    case "gid":
    case "mode":
    case "env":
      mount.secret = { ...mount.secret, [key]: value };
      break;
    case "map":
      mount.map = value;
      break;
    case "consistency":
      mount.Consistency = value.toLowerCase();
      break;
    default:
      throw unexpected(field);
  }
}

function truth({ key, value, text }: Field): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw inFlag(text, `invalid value for ${key}: ${value}`);
}

function keyValue(value: string): Record<string, string> {
  const equals = value.indexOf("=");
  return equals < 0 ? { [value]: "" } : { [value.slice(0, equals)]: value.slice(equals + 1) };
}

function setVolume(mount: Mount, field: Field): void {
  const options = (mount.VolumeOptions ??= {});
  switch (field.key) {
    case "volume-nocopy":
      options.NoCopy = truth(field);
      break;
    case "volume-label":
      options.Labels = { ...options.Labels, ...keyValue(field.value) };
      break;
    case "volume-driver":
      options.DriverConfig = { ...options.DriverConfig, Name: field.value };
      break;
    case "volume-opt":
      options.DriverConfig = {
        ...options.DriverConfig,
        Options: { ...options.DriverConfig?.Options, ...keyValue(field.value) },
      };
      break;
    case "volume-subpath":
      options.Subpath = field.value;
      break;
    default:
      throw unexpected(field);
  }
}

const PROPAGATION = ["private", "rprivate", "shared", "rshared", "slave", "rslave"] as const;

function setBind(mount: Mount, field: Field): void {
  const options = (mount.BindOptions ??= {});
  switch (field.key) {
    case "bind-propagation": {
      const known = PROPAGATION.find((p) => p === field.value.toLowerCase());
      if (!known) throw inFlag(field.text, `invalid propagation: ${field.value}`);
      options.Propagation = known;
      break;
    }
    case "bind-nonrecursive":
      options.NonRecursive = truth(field);
      break;
    case "bind-recursive":
      if (field.value === "disabled") options.NonRecursive = true;
      else if (field.value === "writable") options.ReadOnlyNonRecursive = true;
      else if (field.value === "readonly") options.ReadOnlyForceRecursive = true;
      else if (field.value !== "enabled") {
        const choice = '(must be "enabled", "disabled", "writable", or "readonly")';
        throw inFlag(field.text, `invalid value for bind-recursive: ${field.value} ${choice}`);
      }
      break;
    default:
      throw unexpected(field);
  }
}

function setTmpfs(mount: Mount, field: Field): void {
  const options = (mount.TmpfsOptions ??= {});
  if (field.key === "tmpfs-size") {
    try {
      options.SizeBytes = parseSize(field.value);
    } catch {
      // Docker's words name the option, not what is wrong with the size.
      throw inFlag(field.text, `invalid value for tmpfs-size: ${field.value}`);
    }
  } else if (field.key === "tmpfs-mode") {
    if (!/^[0-7]+$/.test(field.value)) throw inFlag(field.text, `invalid value for tmpfs-mode: ${field.value}`);
    options.Mode = Number.parseInt(field.value, 8);
  } else throw unexpected(field);
}

function setImage(mount: Mount, field: Field): void {
  if (field.key !== "image-subpath") throw unexpected(field);
  mount.ImageOptions = { Subpath: field.value };
}

/** Options of one mount type, by prefix. */
const GROUPS: Record<string, (mount: Mount, field: Field) => void> = {
  volume: setVolume,
  bind: setBind,
  tmpfs: setTmpfs,
  image: setImage,
};

function checkType(mount: Mount, text: string): void {
  const mixes: [unknown, string, MountType][] = [
    [mount.VolumeOptions, "volume-*", "volume"],
    [mount.BindOptions, "bind-*", "bind"],
    [mount.TmpfsOptions, "tmpfs-*", "tmpfs"],
    [mount.ImageOptions, "image-*", "image"],
  ];
  for (const [given, prefix, type] of mixes) {
    if (given && mount.Type !== type)
      throw inFlag(text, `cannot mix '${prefix}' options with mount type '${mount.Type}'`);
  }
  const { ReadOnlyNonRecursive: writable, ReadOnlyForceRecursive: readonly, Propagation } = mount.BindOptions ?? {};
  const requires = (value: string, what: string): BerthError =>
    inFlag(text, `option 'bind-recursive=${value}' requires '${what}' to be specified in conjunction`);
  if ((writable || readonly) && !mount.ReadOnly) throw requires(writable ? "writable" : "readonly", "readonly");
  if (readonly && Propagation !== "rprivate") throw requires("readonly", "bind-propagation=rprivate");
}
