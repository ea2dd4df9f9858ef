import type { DeviceRequest } from "../../spec/engine-api.ts";
import { BerthError } from "../../spec/errors.ts";
import { csvFields } from "../csv.ts";
import { pairs } from "./env.ts";

/** `--gpus all|N|driver=…,count=…,device=…,capabilities=…,options=…` (docker's CSV form). Throws in Docker's words. */
export function gpuRequest(text: string): DeviceRequest {
  const bad = (why: string): BerthError =>
    new BerthError("invalid-argument", `invalid argument ${JSON.stringify(text)} for "--gpus" flag: ${why}`);
  const seen = new Set<string>();
  const request: DeviceRequest = {};
  const countOf = (word: string): number => {
    if (word === "all") return -1;
    if (/^[+-]?\d+$/.test(word)) return Number(word);
    throw bad(`invalid count (${word}): value must be either "all" or an integer`);
  };
  for (const field of csvFields(text, bad)) {
    const equals = field.indexOf("=");
    const key = equals < 0 ? field : field.slice(0, equals);
    const value = field.slice(equals + 1);
    if (seen.has(key)) throw bad(`gpu request key '${key}' can be specified only once`);
    seen.add(key);
    if (equals < 0) {
      seen.add("count");
      request.Count = countOf(key);
    } else if (key === "driver") request.Driver = value;
    else if (key === "count") request.Count = countOf(value);
    else if (key === "device") request.DeviceIDs = value.split(",");
    else if (key === "capabilities") request.Capabilities = [[...value.split(","), "gpu"]];
    else if (key === "options") request.Options = pairs(csvFields(value, bad));
    else throw bad(`unexpected key '${key}' in '${field}'`);
  }
  if (!seen.has("count") && !request.DeviceIDs) request.Count = 1;
  return {
    Driver: "",
    Count: 0,
    ...request,
    Capabilities: request.Capabilities ?? [["gpu"]],
    Options: request.Options ?? {},
  };
}

/** The devices among `--device` that are CDI's, by name, as one request. */
export function cdiRequests(devices: readonly string[]): DeviceRequest[] {
  const names = devices.filter(isCdiDevice);
  return names.length > 0 ? [{ Driver: "cdi", DeviceIDs: names }] : [];
}

/** `vendor.com/class=name` (CDI, SPEC.md, "Kind"). */
export function isCdiDevice(text: string): boolean {
  return /^[a-zA-Z]([\w.-]*[a-zA-Z0-9])?\/[a-zA-Z]([\w.-]*[a-zA-Z0-9])?=[a-zA-Z0-9]([\w.:-]*[a-zA-Z0-9])?$/.test(text);
}
