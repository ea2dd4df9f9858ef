import { familiarString, parseReference, type Reference, withDefaultTag } from "../../spec/reference.ts";

/** containerd's annotation of an image's whole name, and OCI's of a tag or a name (OCI image-spec, annotations.md). */
export const CONTAINERD_NAME = "io.containerd.image.name";
/** See CONTAINERD_NAME. */
export const REF_NAME = "org.opencontainers.image.ref.name";

/** A text as a whole reference with a tag; undefined where it is none. */
export function referenceOf(text: string | undefined): Reference | undefined {
  if (text === undefined) return undefined;
  try {
    const ref = withDefaultTag(parseReference(text));
    return ref.tag ? ref : undefined;
  } catch {
    return undefined;
  }
}

/** What an entry of `index.json` is called: containerd's name is whole, OCI's counts as one where it is more than a tag. */
export function nameOf(annotations: Record<string, string> = {}): Reference | undefined {
  const name = annotations[REF_NAME];
  return referenceOf(annotations[CONTAINERD_NAME]) ?? (name && /[:/]/.test(name) ? referenceOf(name) : undefined);
}

/** True where an entry of `index.json` is meant by `name`: its tag or name as it stands, or the same whole name. */
export function isNamed(annotations: Record<string, string> = {}, name: string): boolean {
  if (annotations[REF_NAME] === name || annotations[CONTAINERD_NAME] === name) return true;
  const own = nameOf(annotations);
  const want = referenceOf(name);
  return own !== undefined && want !== undefined && familiarString(own) === familiarString(want);
}

/** The annotations of an entry that is called `name`, or else as the image is called where it comes from. */
export function annotationsFor(name: string | undefined, ref: Reference | undefined): Record<string, string> {
  if (name === undefined && !ref?.tag) return {};
  if (name === undefined && ref?.tag) {
    return { [CONTAINERD_NAME]: `${ref.domain}/${ref.path}:${ref.tag}`, [REF_NAME]: ref.tag };
  }
  const whole = name !== undefined && /[:/]/.test(name) ? referenceOf(name) : undefined;
  return {
    ...(whole ? { [CONTAINERD_NAME]: `${whole.domain}/${whole.path}:${whole.tag}` } : {}),
    [REF_NAME]: name ?? "",
  };
}
