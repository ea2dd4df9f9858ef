import type { Platform } from "../spec/oci.ts";
import { formatPlatform, platformMatches } from "../spec/platform.ts";
import { type ContentDescriptor, isManifestType } from "./content.ts";

/** Members of an index that are images; attestations and the like have the platform `unknown`. */
export function imagesOf(members: readonly ContentDescriptor[]): ContentDescriptor[] {
  return members.filter((member) => isManifestType(member.mediaType) && member.platform?.os !== "unknown");
}

/** Of an index's members the one for a platform: the one of the very variant, else the first that fits, else one that names no platform. */
export function chooseMember(members: readonly ContentDescriptor[], want: Platform): ContentDescriptor | undefined {
  const images = imagesOf(members);
  const fits = images.filter((member) => member.platform && platformMatches(member.platform, want));
  const exact = fits.find((member) => member.platform?.variant === want.variant);
  return exact ?? fits[0] ?? images.find((member) => !member.platform);
}

/** The platforms of an index's members for people, `linux/amd64, linux/arm64`; `none` without. */
export function platformList(members: readonly ContentDescriptor[]): string {
  const names = imagesOf(members).flatMap((member) => (member.platform ? [formatPlatform(member.platform)] : []));
  return [...new Set(names)].slice(0, MOST_NAMED).join(", ") || "none";
}

const MOST_NAMED = 30;
