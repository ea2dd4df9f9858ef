import { join } from "node:path";
import { build } from "../build/build.ts";
import { type Engine, openEngine } from "../engine/engine.ts";
import { helperPath } from "../host/embedded.ts";
import { openImageStore } from "../image/store.ts";
import { openLayerStore } from "../layer/store.ts";
import { unnamedBy } from "../network/publish-policy.ts";
import { openNetworkService } from "../network/service.ts";
import { openRegistryClient } from "../registry/client.ts";
import { findRuntimes } from "../runtime/binaries.ts";
import { openRuntimeService } from "../runtime/service.ts";
import { openBlobStore } from "../store/blobs.ts";
import { openDisk } from "../store/disk.ts";
import { openLeases } from "../store/leases.ts";
import { openRecords } from "../store/records.ts";
import { Plugins } from "../volume/plugin/client.ts";
import { PLUGIN_DIRS } from "../volume/plugin/discovery.ts";
import { openVolumeService } from "../volume/service.ts";
import type { DaemonConfig } from "./config.ts";
import type { Logger } from "./log.ts";
import { VERSION } from "./version.ts";

/**
 * Opens the parts from the bottom up and wires them; `opened` gets how each is closed: the engine, then the network (taken away where no
 * container needs it), then the records. Running containers go on. A kill in the middle leaves what the next call puts right.
 */
export async function openServices(
  config: DaemonConfig,
  { log, opened }: { log: Logger; opened: AsyncDisposableStack },
): Promise<Engine> {
  const at = (...names: string[]): string => join(config.dataRoot, ...names);
  const records = openRecords(at("berth.db"));
  opened.defer(() => records.close());
  const warn = (line: string): void => log("warn", line);
  const disk = openDisk(config.dataRoot, { warn });
  // A clean end leaves nothing to look at.
  opened.defer(() => disk.flush());
  const blobs = openBlobStore(at("content"), disk);
  const leases = openLeases(records);
  const layers = openLayerStore({ root: at("layers"), records, disk });
  const registry = registryClient(config);
  const images = openImageStore({
    ...{ records, blobs, layers, leases, disk, warn },
    resolution: () => registry.options,
  });
  await images.recover();
  const volumes = openVolumeService({
    ...{ root: at("volumes"), records, log: warn },
    plugins: new Plugins({ dirs: config.pluginDirs ?? PLUGIN_DIRS, timeoutMs: config.pluginTimeout * 1000 }),
  });
  const helper = helperPath(at("helper"));
  const network = openNetworkService({
    helper,
    records,
    execRoot: config.execRoot,
    bridge: config.bridge,
    pools: config.addressPools,
    hostNames: config.hostNames,
    unnamed: unnamedBy({ ...config.publish, bridge: config.bridge }),
    log: (line) => log("info", line),
    ...(config.bip ? { bip: config.bip } : {}),
    ...(config.mtu ? { mtu: config.mtu } : {}),
    networkDefaults: config.networkDefaults,
  });
  opened.defer(() => network.stop());
  const { dataRoot, execRoot, cgroupParent } = config;
  const runtimes = findRuntimes(config.runtimes, config.defaultRuntime);
  for (const line of runtimes.warnings) warn(line);
  const cdi = config.cdiDirs ? { cdiDirs: config.cdiDirs } : {};
  const runtime = openRuntimeService({ execRoot, helper, runtimes, cgroupParent, ...cdi });
  const parts = { records, blobs, leases, layers, images, registry, network, volumes, runtime, build };
  const engine = await openEngine({
    ...parts,
    dataRoot,
    execRoot,
    version: VERSION,
    config: engineConfig(config, helper),
    log,
  });
  opened.defer(() => engine.shutdown());
  return engine;
}

function registryClient(config: DaemonConfig): ReturnType<typeof openRegistryClient> {
  return openRegistryClient({
    mirrors: config.registryMirrors,
    insecure: config.insecureRegistries,
    defaultRegistry: config.defaultRegistry,
    shortNames: config.shortNames,
    transfers: config.transfers,
    certsDirs: ["/etc/berth/certs.d", "/etc/docker/certs.d"],
    userAgent: `berth/${VERSION.version}`,
  });
}

/** The helper is an init too, under the name `docker-init`: `--init` works without another package. */
function engineConfig(config: DaemonConfig, helper: string): Parameters<typeof openEngine>[0]["config"] {
  return {
    logDriver: config.logDriver,
    logOpts: config.logOpts,
    labels: config.labels,
    defaultUlimits: Object.values(config.defaultUlimits),
    init: config.init,
    initPath: config.initPath ?? helper,
    dns: { dns: config.dns, search: config.dnsSearch, options: config.dnsOpts },
    debug: config.logLevel === "debug",
    experimental: config.experimental,
    addressPools: config.addressPools,
  };
}
