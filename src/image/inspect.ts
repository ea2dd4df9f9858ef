import type { DriverData, ImageConfig, ImageInspect } from "../spec/engine-api.ts";
import type { ImageRunConfig } from "../spec/oci.ts";
import type { Catalog, StoredImage } from "./catalog.ts";
import { orNull } from "./docker-json.ts";
import { descriptorOf, manifestSummaries } from "./manifests.ts";
import { refusePlatform } from "./platform.ts";
import { resolveImage } from "./resolve.ts";
import type { ImageUser } from "./types.ts";

/** Go's zero time, which Docker writes for "never". */
const NEVER = "0001-01-01T00:00:00Z";

/** The image as `GET /images/{name}/json` of API 1.51 has it. */
export function inspectImage(
  catalog: Catalog,
  name: string,
  { platform, users }: { platform?: string; users?: ImageUser[] } = {},
): ImageInspect {
  const image = resolveImage(catalog, name);
  refusePlatform(image, name, platform);
  const { config } = image;
  const descriptor = descriptorOf(catalog, image);
  const manifests = users && manifestSummaries(catalog, image, users);
  return {
    Id: image.id,
    ...(descriptor ? { Descriptor: descriptor } : {}),
    ...(manifests ? { Manifests: manifests } : {}),
    RepoTags: image.tags,
    RepoDigests: image.digests,
    Parent: image.parent ?? "",
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? "",
    ...(config.created ? { Created: config.created } : {}),
    DockerVersion: config.docker_version ?? "",
    Author: config.author ?? "",
    Architecture: config.architecture,
    ...(config.variant ? { Variant: config.variant } : {}),
    Os: config.os,
    Size: image.size,
    GraphDriver: graphDriver(catalog, image),
    RootFS: {
      Type: "layers",
      ...(config.rootfs.diff_ids.length > 0 ? { Layers: config.rootfs.diff_ids } : {}),
    },
    Metadata: { LastTagTime: image.tagged === 0 ? NEVER : new Date(image.tagged).toISOString() },
    Config: dockerConfig(config.config ?? {}),
  };
}

/** The run config as Docker's JSON has it: some fields always there, `null` when empty, the others only when set. */
export function dockerConfig(run: ImageRunConfig): ImageConfig {
  const { ExposedPorts, Healthcheck, Shell, StopSignal, ArgsEscaped } = run;
  return {
    Cmd: orNull(run.Cmd),
    Entrypoint: orNull(run.Entrypoint),
    Env: orNull(run.Env),
    ...(ExposedPorts && Object.keys(ExposedPorts).length > 0 ? { ExposedPorts } : {}),
    ...(Healthcheck ? { Healthcheck } : {}),
    Labels: orNull(run.Labels),
    OnBuild: orNull(run.OnBuild),
    ...(Shell ? { Shell } : {}),
    ...(StopSignal ? { StopSignal } : {}),
    ...(ArgsEscaped ? { ArgsEscaped } : {}),
    User: run.User ?? "",
    Volumes: orNull(run.Volumes),
    WorkingDir: run.WorkingDir ?? "",
  };
}

/** Where the unpacked layers are. Berth has no `merged` folder outside a container's own mount namespace; clients expect the key nevertheless. */
function graphDriver(catalog: Catalog, image: StoredImage): DriverData {
  if (!image.top) return { Data: orNull<DriverData["Data"]>(undefined), Name: "overlay2" };
  const { base, lower } = catalog.deps.layers.mount(image.top, { upper: "", work: "" });
  const [top = "", ...below] = lower.map((short) => `${base}/${short}`);
  const folder = top.replace(/\/diff$/, "");
  return {
    Data: {
      ...(below.length > 0 ? { LowerDir: below.join(":") } : {}),
      MergedDir: `${folder}/merged`,
      UpperDir: top,
      WorkDir: `${folder}/work`,
    },
    Name: "overlay2",
  };
}
