import type { Filters } from "../image/types.ts";
import type { EventMessage } from "../spec/engine-api.ts";
import { hasLabel } from "../spec/labels.ts";

/** Objects that are found by the beginning of their id or name. Docker compares any event's actor, whatever its type. */
const BY_NAME = ["container", "network", "volume", "daemon", "plugin", "node", "service", "secret", "config"];
/** Actions that carry more than their name; a filter with one of them compares beginnings. */
const LONG_ACTIONS = ["exec_create", "exec_start", "health_status"];

/** Docker's event filters: keys must all match, values of one key are alternatives, labels all count. Unknown keys are no filter. */
export function matchesEvent(event: EventMessage, filters: Filters): boolean {
  return Object.entries(filters).every(([key, values]) => values.length === 0 || matchesKey(event, key, values));
}

function matchesKey(event: EventMessage, key: string, values: readonly string[]): boolean {
  const { ID: id = "", Attributes: attributes = {} } = event.Actor ?? {};
  const action = event.Action ?? "";
  if (BY_NAME.includes(key)) {
    const name = attributes["name"] ?? "";
    return values.some((v) => id.startsWith(v) || name.startsWith(v.replace(/^\//, "")));
  }
  switch (key) {
    case "event":
      return values.some((v) => LONG_ACTIONS.includes(v))
        ? values.some((v) => action.startsWith(v))
        : values.includes(action);
    case "type":
      return values.includes(event.Type ?? "");
    case "scope":
      return values.includes(event.scope ?? "local");
    case "label":
      return values.every((v) => hasLabel(attributes, v));
    case "image": {
      const name = attributes[event.Type === "image" ? "name" : "image"] ?? "";
      return [id, name, withoutTag(id), withoutTag(name)].some((text) => values.includes(text));
    }
    default:
      return true;
  }
}

/** `host:5000/a/b:tag` → `host:5000/a/b`. */
function withoutTag(name: string): string {
  return name.replace(/(@.*|:[^:/]*)$/, "");
}
