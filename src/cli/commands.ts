import type { Command } from "./command.ts";

/** Loads one command's file; nothing of a command is read before it is called. */
export type Loader = () => Promise<{ default: Command }>;

/** A group such as `berth container`. */
export interface Group {
  summary: string;
  /** Behind its name where a word behind it is not known. */
  usage?: string;
  commands: Record<string, Loader>;
  /** Groups inside it. */
  groups?: Record<string, Group>;
  /** Commands that no help lists. */
  hidden?: readonly string[];
}

const run: Loader = () => import("./commands/run.ts");
const create: Loader = () => import("./commands/create.ts");
const start: Loader = () => import("./commands/start.ts");
const stop: Loader = () => import("./commands/stop.ts");
const restart: Loader = () => import("./commands/restart.ts");
const pause: Loader = () => import("./commands/pause.ts");
const unpause: Loader = () => import("./commands/unpause.ts");
const kill: Loader = () => import("./commands/kill.ts");
const cp: Loader = () => import("./commands/cp.ts");
const diff: Loader = () => import("./commands/diff.ts");
const exportFiles: Loader = () => import("./commands/export.ts");
const commit: Loader = () => import("./commands/commit.ts");
const rm: Loader = () => import("./commands/rm.ts");
const ps: Loader = () => import("./commands/ps.ts");
const logs: Loader = () => import("./commands/logs.ts");
const attach: Loader = () => import("./commands/attach.ts");
const exec: Loader = () => import("./commands/exec.ts");
const wait: Loader = () => import("./commands/wait.ts");
const port: Loader = () => import("./commands/port.ts");
const rename: Loader = () => import("./commands/rename.ts");
const top: Loader = () => import("./commands/top.ts");
const stats: Loader = () => import("./commands/stats.ts");
const update: Loader = () => import("./commands/update.ts");
const inspect: Loader = () => import("./commands/inspect.ts");
const images: Loader = () => import("./commands/images.ts");
const tag: Loader = () => import("./commands/tag.ts");
const rmi: Loader = () => import("./commands/rmi.ts");
const save: Loader = () => import("./commands/save.ts");
const load: Loader = () => import("./commands/load.ts");
const importImage: Loader = () => import("./commands/import.ts");
const history: Loader = () => import("./commands/history.ts");
const build: Loader = () => import("./commands/build.ts");
const pull: Loader = () => import("./commands/pull.ts");
const push: Loader = () => import("./commands/push.ts");
const copy: Loader = () => import("./commands/copy.ts");
const tags: Loader = () => import("./commands/tags.ts");
const events: Loader = () => import("./commands/events.ts");
const info: Loader = () => import("./commands/info.ts");

/** `berth GROUP COMMAND`. */
export const GROUPS: Record<string, Group> = {
  builder: {
    summary: "Manage builds",
    commands: { build, prune: () => import("./commands/builder-prune.ts") },
  },
  checkpoint: {
    summary: "Manage checkpoints",
    commands: {
      create: () => import("./commands/checkpoint-create.ts"),
      ls: () => import("./commands/checkpoint-ls.ts"),
      rm: () => import("./commands/checkpoint-rm.ts"),
    },
  },
  completion: {
    summary: "Generate the autocompletion script for a shell",
    usage: "COMMAND",
    commands: {
      bash: () => import("./commands/completion-bash.ts"),
      fish: () => import("./commands/completion-fish.ts"),
      powershell: () => import("./commands/completion-powershell.ts"),
      zsh: () => import("./commands/completion-zsh.ts"),
    },
  },
  container: {
    summary: "Manage containers",
    commands: {
      attach,
      commit,
      cp,
      create,
      diff,
      exec,
      export: exportFiles,
      inspect: () => import("./commands/container-inspect.ts"),
      kill,
      logs,
      ls: ps,
      pause,
      port,
      prune: () => import("./commands/container-prune.ts"),
      rename,
      restart,
      rm,
      run,
      start,
      stats,
      stop,
      top,
      unpause,
      update,
      wait,
    },
  },
  context: {
    summary: "Manage contexts",
    commands: {
      create: () => import("./commands/context-create.ts"),
      export: () => import("./commands/context-export.ts"),
      import: () => import("./commands/context-import.ts"),
      inspect: () => import("./commands/context-inspect.ts"),
      ls: () => import("./commands/context-ls.ts"),
      rm: () => import("./commands/context-rm.ts"),
      show: () => import("./commands/context-show.ts"),
      update: () => import("./commands/context-update.ts"),
      use: () => import("./commands/context-use.ts"),
    },
  },
  image: {
    summary: "Manage images",
    commands: {
      build,
      copy,
      history,
      import: importImage,
      inspect: () => import("./commands/image-inspect.ts"),
      load,
      ls: images,
      prune: () => import("./commands/image-prune.ts"),
      save,
      pull,
      push,
      rm: rmi,
      tag,
      tags,
    },
  },
  manifest: {
    summary: "Manage image manifests and manifest lists",
    usage: "COMMAND",
    commands: {
      annotate: () => import("./commands/manifest-annotate.ts"),
      create: () => import("./commands/manifest-create.ts"),
      inspect: () => import("./commands/manifest-inspect.ts"),
      push: () => import("./commands/manifest-push.ts"),
      rm: () => import("./commands/manifest-rm.ts"),
    },
  },
  registry: {
    summary: "Serve and keep an OCI registry (Berth only)",
    usage: "COMMAND",
    groups: {
      user: {
        summary: "Manage the users of a registry (Berth only)",
        commands: {
          add: () => import("./commands/registry-user-add.ts"),
          ls: () => import("./commands/registry-user-ls.ts"),
          rm: () => import("./commands/registry-user-rm.ts"),
        },
      },
    },
    commands: {
      gc: () => import("./commands/registry-gc.ts"),
      scrub: () => import("./commands/registry-scrub.ts"),
      serve: () => import("./commands/registry-serve.ts"),
    },
  },
  network: {
    summary: "Manage networks",
    commands: {
      connect: () => import("./commands/network-connect.ts"),
      create: () => import("./commands/network-create.ts"),
      disconnect: () => import("./commands/network-disconnect.ts"),
      inspect: () => import("./commands/network-inspect.ts"),
      ls: () => import("./commands/network-ls.ts"),
      prune: () => import("./commands/network-prune.ts"),
      rm: () => import("./commands/network-rm.ts"),
    },
  },
  plugin: {
    summary: "Manage plugins",
    commands: {
      create: () => import("./commands/plugin-create.ts"),
      disable: () => import("./commands/plugin-disable.ts"),
      enable: () => import("./commands/plugin-enable.ts"),
      inspect: () => import("./commands/plugin-inspect.ts"),
      install: () => import("./commands/plugin-install.ts"),
      ls: () => import("./commands/plugin-ls.ts"),
      push: () => import("./commands/plugin-push.ts"),
      rm: () => import("./commands/plugin-rm.ts"),
      set: () => import("./commands/plugin-set.ts"),
      upgrade: () => import("./commands/plugin-upgrade.ts"),
    },
  },
  system: {
    summary: "Manage the engine",
    commands: {
      df: () => import("./commands/system-df.ts"),
      "dial-stdio": () => import("./commands/system-dial-stdio.ts"),
      events,
      info,
      prune: () => import("./commands/system-prune.ts"),
    },
    hidden: ["dial-stdio"],
  },
  trust: {
    summary: "Manage trust on images",
    groups: {
      key: {
        summary: "Manage keys for signing images",
        commands: {
          generate: () => import("./commands/trust-key-generate.ts"),
          load: () => import("./commands/trust-key-load.ts"),
        },
      },
      signer: {
        summary: "Manage entities who can sign images",
        commands: {
          add: () => import("./commands/trust-signer-add.ts"),
          remove: () => import("./commands/trust-signer-remove.ts"),
        },
      },
    },
    commands: {
      inspect: () => import("./commands/trust-inspect.ts"),
      revoke: () => import("./commands/trust-revoke.ts"),
      sign: () => import("./commands/trust-sign.ts"),
    },
  },
  volume: {
    summary: "Manage volumes",
    usage: "COMMAND",
    commands: {
      clone: () => import("./commands/volume-clone.ts"),
      create: () => import("./commands/volume-create.ts"),
      export: () => import("./commands/volume-export.ts"),
      import: () => import("./commands/volume-import.ts"),
      inspect: () => import("./commands/volume-inspect.ts"),
      ls: () => import("./commands/volume-ls.ts"),
      prune: () => import("./commands/volume-prune.ts"),
      rename: () => import("./commands/volume-rename.ts"),
      rm: () => import("./commands/volume-rm.ts"),
      update: () => import("./commands/volume-update.ts"),
    },
  },
};

/** `berth COMMAND`. */
export const COMMANDS: Record<string, Loader> = {
  attach,
  bootstrap: () => import("./commands/bootstrap.ts"),
  build,
  commit,
  copy,
  cp,
  create,
  diff,
  events,
  exec,
  export: exportFiles,
  history,
  images,
  import: importImage,
  info,
  inspect,
  kill,
  load,
  save,
  login: () => import("./commands/login.ts"),
  logout: () => import("./commands/logout.ts"),
  logs,
  pause,
  port,
  ps,
  pull,
  push,
  rename,
  restart,
  rm,
  rmi,
  run,
  search: () => import("./commands/search.ts"),
  start,
  stats,
  stop,
  tag,
  tags,
  top,
  unpause,
  update,
  version: () => import("./commands/version.ts"),
  wait,
};

/** The first page of `berth --help`. */
export const COMMON = [
  "run",
  "exec",
  "ps",
  "build",
  "bootstrap",
  "pull",
  "push",
  "images",
  "login",
  "logout",
  "search",
  "version",
  "info",
];

/** Other spellings of a group's commands; the group is named by its words. */
export const ALIASES: Record<string, Record<string, string>> = {
  checkpoint: { list: "ls", remove: "rm" },
  container: { list: "ls", ps: "ls", remove: "rm" },
  context: { list: "ls", remove: "rm" },
  image: { list: "ls", remove: "rm" },
  network: { list: "ls", remove: "rm" },
  plugin: { list: "ls", remove: "rm" },
  volume: { list: "ls", remove: "rm" },
};
