import { BerthError } from "../../../spec/errors.ts";
import { parseIp, parseNet } from "../../../spec/ipnet.ts";
import type { AccessConfig, Grant } from "./config.ts";
import { whyNotName } from "./htpasswd.ts";

const GRANTS: readonly Grant[] = ["pull", "push", "delete", "catalog", "admin", "*"];
const KEYS = [
  ...["mode", "htpasswd", "realm", "service", "publicUrl", "proxies"],
  ...["issuer", "trust", "rules", "groups", "anonymous"],
];
const ISSUER_KEYS = ["name", "keyFile", "tokenSeconds", "refreshSeconds"];
/** No client counts on less. */
const LEAST_SECONDS = 60;
const MOST_RULES = 10_000;

/** A file's or a program's value as a configuration. Throws `invalid-argument` that names the key. */
export function accessConfig(value: Record<string, unknown>): AccessConfig {
  const unknown = Object.keys(value).find((key) => !KEYS.includes(key));
  if (unknown !== undefined) throw invalid(`unknown key "${unknown}"`, `known are ${KEYS.join(", ")}`);
  for (const key of ["htpasswd", "realm", "service", "publicUrl"]) optionalText(value, key);
  if (!["undefined", "none", "basic", "token"].includes(String(value["mode"]))) {
    throw invalid("mode is none of none, basic and token");
  }
  texts(value["proxies"] ?? [], "proxies");
  grants(value["anonymous"] ?? [], "anonymous");
  for (const [group, members] of Object.entries(object(value["groups"] ?? {}, "groups"))) {
    texts(members, `groups.${group}`);
  }
  list(value["rules"] ?? [], "rules").forEach((rule, i) => {
    checkRule(object(rule, `rules[${i}]`), `rules[${i}]`);
  });
  const { issuer, trust } = value;
  if (issuer !== undefined) checkIssuer(object(issuer, "issuer"));
  if (trust !== undefined) checkTrust(object(trust, "trust"));
  const config = value as AccessConfig;
  checkAccess(config);
  return config;
}

/** Throws `invalid-argument` for settings that do not go together. */
export function checkAccess(config: AccessConfig): void {
  const { mode, htpasswd, issuer, trust, rules = [], groups = {}, proxies = [], publicUrl } = config;
  if (mode === "none" && (htpasswd !== undefined || issuer || trust))
    throw invalid("mode none asks for no users, keys or tokens");
  if (mode === "basic" && htpasswd === undefined) throw invalid("mode basic needs htpasswd, the file of users");
  if (mode === "basic" && (issuer || trust)) throw invalid("mode basic has no tokens", 'set mode to "token"');
  if (issuer && trust) throw invalid("issuer and trust are two token servers", "keep one of them");
  if (htpasswd !== undefined && trust) throw invalid("with trust another server knows the users", "leave out htpasswd");
  if (issuer && htpasswd === undefined) throw invalid("issuer needs htpasswd, the file of users");
  if (mode === "token" && htpasswd === undefined && !trust) throw invalid("mode token needs htpasswd or trust");
  if (rules.length > MOST_RULES) throw invalid(`more than ${MOST_RULES} rules`);
  checkAnonymous(config);
  rules.forEach((rule, i) => {
    if ("group" in rule && groups[rule.group] === undefined) throw invalid(`rules[${i}]: no group "${rule.group}"`);
  });
  const proxy = proxies.find((text) => parseIp(text) === undefined && parseNet(text) === undefined);
  if (proxy !== undefined) throw invalid(`proxies: "${proxy}" is no address and no subnet`);
  if (publicUrl !== undefined) checkUrl(publicUrl, "publicUrl");
}

/** docker, asked for a password it has not, gives up: with `basic` it could never pull anonymously. */
function checkAnonymous({ mode, rules = [], anonymous = [] }: AccessConfig): void {
  const open = anonymous.length > 0 || rules.some((rule) => "user" in rule && rule.user === "");
  if (mode === "basic" && open) throw invalid("mode basic lets in nobody anonymous", 'set mode to "token"');
}

function checkRule(rule: Record<string, unknown>, where: string): void {
  const { user, group, repository, actions } = rule;
  if ((user === undefined) === (group === undefined)) throw invalid(`${where}: want either user or group`);
  if (user !== undefined && (typeof user !== "string" || (user !== "" && user !== "*" && whyNotName(user)))) {
    throw invalid(`${where}.user is no user's name`, '"*" is every user, "" everybody');
  }
  if (group !== undefined && typeof group !== "string") throw invalid(`${where}.group is no text`);
  if (typeof repository !== "string" || !/^[a-z0-9._/*?-]{1,255}$/.test(repository)) {
    throw invalid(`${where}.repository is no pattern of names`, 'for example "team/**"');
  }
  grants(actions, `${where}.actions`);
  const unknown = Object.keys(rule).find((key) => !["user", "group", "repository", "actions"].includes(key));
  if (unknown !== undefined) throw invalid(`${where}: unknown key "${unknown}"`);
}

function checkIssuer(issuer: Record<string, unknown>): void {
  for (const key of ["name", "keyFile"]) optionalText(issuer, key);
  for (const key of ["tokenSeconds", "refreshSeconds"]) {
    const seconds = issuer[key] ?? LEAST_SECONDS;
    if (!Number.isInteger(seconds) || Number(seconds) < LEAST_SECONDS) {
      throw invalid(`issuer.${key} is no count of seconds, ${LEAST_SECONDS} or more`);
    }
  }
  const unknown = Object.keys(issuer).find((key) => !ISSUER_KEYS.includes(key));
  if (unknown !== undefined) throw invalid(`issuer: unknown key "${unknown}"`, `known are ${ISSUER_KEYS.join(", ")}`);
}

function checkTrust(trust: Record<string, unknown>): void {
  for (const key of ["realm", "issuer", "keys"]) {
    if (typeof trust[key] !== "string" || trust[key] === "") throw invalid(`trust.${key} is missing`);
  }
  checkUrl(String(trust["realm"]), "trust.realm");
}

function checkUrl(text: string, key: string): void {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol) || url.username !== "" || url.search !== "" || url.hash !== "") {
    throw invalid(`${key} is no URL of http or https`);
  }
}

function grants(value: unknown, key: string): void {
  const bad = texts(value, key).find((text) => !(GRANTS as readonly string[]).includes(text));
  if (bad !== undefined) throw invalid(`${key}: no action "${bad}"`, `known are ${GRANTS.join(", ")}`);
}

function texts(value: unknown, key: string): string[] {
  return list(value, key).map((item) => {
    if (typeof item !== "string") throw invalid(`${key} is no list of texts`);
    return item;
  });
}

function list(value: unknown, key: string): unknown[] {
  if (!Array.isArray(value)) throw invalid(`${key} is no list`);
  return value;
}

function object(value: unknown, key: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${key} is no object`);
  return value as Record<string, unknown>;
}

function optionalText(value: Record<string, unknown>, key: string): void {
  const text = value[key];
  if (text !== undefined && (typeof text !== "string" || text === "")) throw invalid(`${key} is no text`);
}

function invalid(why: string, hint?: string): BerthError {
  return new BerthError("invalid-argument", `access: ${why}`, hint ? { hint } : {});
}
