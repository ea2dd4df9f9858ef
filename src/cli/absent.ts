const CLUSTER = ["config", "node", "secret", "service", "stack", "swarm"];

/** The one line about a command of docker's that Berth leaves out on purpose; undefined where it is simply unknown. */
export function absentCommand(group: string): string | undefined {
  if (CLUSTER.includes(group)) {
    return `berth ${group}: Berth is a single-node engine; swarm mode is not part of it`;
  }
  return undefined;
}
