/** What the Engine API's specification lacks and Berth takes, in the specification's own terms. */
interface Definition {
  type?: string | string[];
  items?: Definition;
  additionalProperties?: Definition | boolean;
  enum?: (string | number)[];
  properties?: Record<string, Definition>;
}

const text = { type: "string" };
const integer = { type: "integer" };

/** A registry's mirrors: where they are, how they are, which gave something last. Times are RFC 3339. */
const MIRRORS: Definition = {
  type: "object",
  properties: {
    Registry: text,
    LastServedBy: text,
    LastServedAt: text,
    Mirrors: {
      type: "array",
      items: {
        type: "object",
        properties: { URL: text, State: text, FailingSince: text, NextTry: text, LastError: text, LastServedAt: text },
      },
    },
  },
};

/** Adds the extensions to the specification's definitions. */
export function extend(definitions: Record<string, Definition>): void {
  const mount = definitions["Mount"]?.properties ?? {};
  for (const kind of ["BindOptions", "VolumeOptions"]) Object.assign(mount[kind]?.properties ?? {}, { Map: text });
  // `Data` is base64; it goes in and never comes out.
  mount["SecretOptions"] = { type: "object", properties: { Data: text, UID: integer, GID: integer, Mode: integer } };
  definitions["MountType"]?.enum?.push("secret");
  const config = definitions["RegistryServiceConfig"]?.properties;
  if (!config) return;
  config["MirrorStates"] = { type: "array", items: MIRRORS };
  config["DefaultRegistry"] = text;
  config["ShortNames"] = { type: "object", additionalProperties: text };
}
