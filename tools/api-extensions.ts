/** What the Engine API's specification lacks and Berth takes, in the specification's own terms. */
interface Definition {
  enum?: (string | number)[];
  properties?: Record<string, Definition & { type?: string | string[] }>;
}

const text = { type: "string" };
const integer = { type: "integer" };

/** Adds the extensions to the specification's definitions. */
export function extend(definitions: Record<string, Definition>): void {
  const mount = definitions["Mount"]?.properties ?? {};
  for (const kind of ["BindOptions", "VolumeOptions"]) Object.assign(mount[kind]?.properties ?? {}, { Map: text });
  // `Data` is base64; it goes in and never comes out.
  mount["SecretOptions"] = { type: "object", properties: { Data: text, UID: integer, GID: integer, Mode: integer } };
  definitions["MountType"]?.enum?.push("secret");
}
