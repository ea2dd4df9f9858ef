const CLUSTER = ["config", "node", "secret", "service", "stack", "swarm"];
const NETWORK = ["connect", "create", "disconnect", "remove", "rm"];

/** The one line about a command of docker's that Berth leaves out on purpose; undefined where it is simply unknown. */
export function absentCommand(group: string, verb: string): string | undefined {
  if (CLUSTER.includes(group)) {
    return `berth ${group}: Berth is a single-node engine; swarm mode is not part of it`;
  }
  if (group === "network" && NETWORK.includes(verb)) {
    return `berth network ${verb}: user-defined networks are not in this version; there are bridge, host, none and container:NAME`;
  }
  return undefined;
}
