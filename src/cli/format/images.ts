import type { ImageSummary } from "../../spec/engine-api.ts";
import { Row } from "../template/values.ts";
import type { Listing } from "./listing.ts";
import { shortId } from "./text.ts";
import { ago, goTime } from "./time.ts";
import { humanSize, humanSizeShort } from "./units.ts";

const NONE = "<none>";

/** One line of `images`: an image under one of its names. */
export interface ImageLine {
  image: ImageSummary;
  repository: string;
  tag: string;
  digest: string;
}

/** The lines of images: one a tag, and with `digests` one a digest; images without names have one `<none>` line. */
export function imageLines(images: readonly ImageSummary[], digests: boolean): ImageLine[] {
  return images.flatMap((image) => namesOf(image, digests).map((name) => ({ image, ...name })));
}

type Name = Omit<ImageLine, "image">;

function namesOf(image: ImageSummary, digests: boolean): Name[] {
  const tags = (image.RepoTags ?? []).filter((t) => t !== `${NONE}:${NONE}`).map(splitTag);
  const byRepo = (image.RepoDigests ?? []).map((d) => {
    const [repository = NONE, digest = NONE] = d.split("@");
    return { repository, digest };
  });
  if (tags.length === 0) {
    const [first] = byRepo;
    return [{ repository: first?.repository ?? NONE, tag: NONE, digest: first?.digest ?? NONE }];
  }
  const names = tags.flatMap(({ repository, tag }): Name[] => {
    const own = byRepo.filter((d) => d.repository === repository);
    if (!digests || own.length === 0) return [{ repository, tag, digest: NONE }];
    return own.map(({ digest }) => ({ repository, tag, digest }));
  });
  if (!digests) return names;
  const untagged = byRepo.filter((d) => !tags.some((t) => t.repository === d.repository));
  return [...names, ...untagged.map((d) => ({ ...d, tag: NONE }))];
}

function splitTag(text: string): { repository: string; tag: string } {
  const colon = text.lastIndexOf(":");
  return { repository: text.slice(0, colon), tag: text.slice(colon + 1) };
}

/** `images` as Docker lists them. */
export function imageListing(options: { truncate: boolean; digests: boolean }): Listing<ImageLine> {
  const id = (line: ImageLine): string => (options.truncate ? shortId(line.image.Id) : line.image.Id);
  return {
    titles: {
      ID: "IMAGE ID",
      Repository: "REPOSITORY",
      Tag: "TAG",
      Digest: "DIGEST",
      CreatedSince: "CREATED",
      CreatedAt: "CREATED AT",
      Size: "SIZE",
      Containers: "CONTAINERS",
      VirtualSize: "SIZE",
      SharedSize: "SHARED SIZE",
      UniqueSize: "UNIQUE SIZE",
    },
    raw: [
      ["repository", "Repository"],
      ["tag", "Tag"],
      ...(options.digests ? [["digest", "Digest"] as [string, string]] : []),
      ["image_id", "ID"],
      ["created_at", "CreatedAt"],
      ["virtual_size", "Size"],
    ],
    columns: ["Repository", "Tag", ...(options.digests ? ["Digest"] : []), "ID", "CreatedSince", "Size"],
    row: (line) => imageRow(line, id(line)),
  };
}

const known = (n: number): boolean => n !== -1;

function imageRow({ image, repository, tag, digest }: ImageLine, id: string): Row {
  const unique = known(image.Size) && known(image.SharedSize);
  return new Row(
    {
      ID: id,
      Repository: repository,
      Tag: tag,
      Digest: digest,
      CreatedSince: image.Created > 0 ? ago(image.Created) : "N/A",
      CreatedAt: goTime(image.Created),
      Size: humanSizeShort(image.Size),
      Containers: known(image.Containers) ? String(image.Containers) : "N/A",
      VirtualSize: humanSize(image.Size),
      SharedSize: known(image.SharedSize) ? humanSize(image.SharedSize) : "N/A",
      UniqueSize: unique ? humanSize(image.Size - image.SharedSize) : "N/A",
    },
    { type: "*formatter.imageContext" },
  );
}
