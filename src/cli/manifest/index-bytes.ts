import { MediaType } from "../../spec/oci.ts";
import { parseReference, type Reference } from "../../spec/reference.ts";
import { ExitError } from "../exit.ts";
import { fullName, type Member } from "./lists.ts";

const INDENT = 3;

/** The list as it is shown and pushed: an OCI index where its first image is of that kind, and else Docker's list. */
export function indexOf(target: Reference, members: readonly Member[]): { mediaType: string; bytes: Buffer } {
  const mediaType = members[0]?.Descriptor.mediaType === MediaType.manifest ? MediaType.index : MediaType.dockerIndex;
  const manifests = members.map((member) => {
    checkHost(target, member);
    const { mediaType: type, size, digest, urls, platform } = member.Descriptor;
    return { mediaType: type, size, digest, ...(urls ? { urls } : {}), platform };
  });
  return { mediaType, bytes: Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }, null, INDENT)) };
}

function checkHost(target: Reference, member: Member): void {
  const { domain } = parseReference(member.Ref);
  if (domain === target.domain) return;
  throw new ExitError(
    1,
    `cannot use source images from a different registry than the target image: ${domain} != ${target.domain}`,
  );
}

/** Throws where an image cannot be told from others by its platform. */
export function checkPlatforms(members: readonly Member[]): void {
  for (const { Ref, Descriptor } of members) {
    if (Descriptor.platform.architecture !== "" && Descriptor.platform.os !== "") continue;
    const name = fullName(parseReference(Ref));
    throw new ExitError(1, `manifest ${name} must have an OS and Architecture to be pushed to a registry`);
  }
}
