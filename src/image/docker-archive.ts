import { parseReference, withDefaultTag } from "../spec/reference.ts";
import { type ArchiveFiles, notAnImage } from "./archive.ts";
import { list, object, parseJson, text } from "./config.ts";
import type { Intake } from "./intake.ts";
import type { ImagePlan } from "./plan.ts";

/** The list of images in a docker-archive (moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format"). */
export const MANIFEST_JSON = "manifest.json";

interface Item {
  Config: string;
  RepoTags?: string[];
  Layers?: string[];
}

const items = list(object<Item>({ Config: text, RepoTags: list(text), Layers: list(text) }, ["Config"]));

/** The images that `manifest.json` lists. Layers are taken as they stand in the archive, compressed or not. Throws `invalid-argument` for what is missing or malformed. */
export async function planDockerArchive(files: ArchiveFiles, intake: Intake): Promise<ImagePlan[]> {
  const bytes = await files.read(MANIFEST_JSON);
  if (!bytes) throw notAnImage(`it has no ${MANIFEST_JSON}`);
  const plans: ImagePlan[] = [];
  for (const item of items(parseJson(bytes, MANIFEST_JSON), MANIFEST_JSON)) {
    const config = await files.blob(item.Config, MANIFEST_JSON);
    const layers = [];
    for (const layer of item.Layers ?? []) {
      layers.push(await intake.layerBlob(await files.blob(layer, MANIFEST_JSON)));
    }
    const names = (item.RepoTags ?? []).map((tag) => withDefaultTag(parseReference(tag)));
    plans.push({ config, layers, names });
  }
  return plans;
}
