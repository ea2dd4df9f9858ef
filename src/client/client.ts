import { ContainerApi } from "./containers.ts";
import { EngineCore, type EngineOptions } from "./core.ts";
import { ExecApi } from "./exec.ts";
import { FileApi } from "./files.ts";
import { ImageApi } from "./images.ts";
import { PluginApi } from "./plugins.ts";
import { NetworkApi, VolumeApi } from "./stores.ts";
import { SystemApi } from "./system.ts";

/** A typed client of one engine, Berth's or Docker's (Engine API 1.24 to 1.51). Holds no connection between calls. */
export interface EngineClient {
  core: EngineCore;
  containers: ContainerApi;
  exec: ExecApi;
  files: FileApi;
  images: ImageApi;
  volumes: VolumeApi;
  networks: NetworkApi;
  plugins: PluginApi;
  system: SystemApi;
}

/** Makes the client of an engine; connects to nothing yet. Throws `invalid-argument` on a host that cannot be parsed. */
export function engineClient(options: EngineOptions): EngineClient {
  const core = new EngineCore(options);
  return {
    core,
    containers: new ContainerApi(core),
    exec: new ExecApi(core),
    files: new FileApi(core),
    images: new ImageApi(core),
    volumes: new VolumeApi(core),
    networks: new NetworkApi(core),
    plugins: new PluginApi(core),
    system: new SystemApi(core),
  };
}
