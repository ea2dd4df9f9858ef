import { named } from "./containers.ts";
import type { EngineCore } from "./core.ts";
import type { HijackedStream } from "./hijack.ts";

/** Body of `POST /containers/{id}/exec`. */
export interface ExecBody {
  AttachStdin?: boolean;
  AttachStdout?: boolean;
  AttachStderr?: boolean;
  ConsoleSize?: number[];
  DetachKeys?: string;
  Tty?: boolean;
  Env?: string[];
  Cmd?: string[];
  Privileged?: boolean;
  User?: string;
  WorkingDir?: string;
}

/** What `GET /exec/{id}/json` tells of an exec. */
export interface ExecState {
  ID: string;
  Running: boolean;
  ExitCode: number | null;
  Pid: number;
}

/** `/exec/…` (Engine API, "Exec"). */
export class ExecApi {
  constructor(private readonly core: EngineCore) {}

  create(container: string, body: ExecBody): Promise<{ Id: string }> {
    return this.core.json({ method: "POST", path: `/containers/${named("container", container)}/exec`, json: body });
  }

  /** Starts it in the background. */
  async startDetached(id: string, tty: boolean): Promise<void> {
    await this.core.done({ method: "POST", path: `/exec/${id}/start`, json: { Detach: true, Tty: tty } });
  }

  /** Starts it and gives its streams. */
  startAttached(id: string, options: { tty: boolean; consoleSize?: number[] | undefined }): Promise<HijackedStream> {
    const size = options.consoleSize ? { ConsoleSize: options.consoleSize } : {};
    return this.core.hijack({ path: `/exec/${id}/start`, json: { Detach: false, Tty: options.tty, ...size } });
  }

  async resize(id: string, size: { h: number; w: number }): Promise<void> {
    await this.core.done({ method: "POST", path: `/exec/${id}/resize`, query: size });
  }

  inspect(id: string): Promise<ExecState> {
    return this.core.json({ method: "GET", path: `/exec/${id}/json` });
  }
}
