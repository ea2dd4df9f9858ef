/**
 * Docker's Go structs, for templates: their fields in Go's order, which is the order of printing. A field is
 * `Name[?][=jsonName][:type]`, a string without a type; `?` leaves an empty one out of JSON; `^` marks an embedded struct, whose fields count as the outer one's, and
 * whose JSON is the outer one's too. Types are bool, int, time, duration, any, a struct's name, and `*T`, `[]T`, `map[T]`.
 */
export const STRUCTS: Record<string, string> = {
  "container.InspectResponse":
    "^ContainerJSONBase:*container.ContainerJSONBase Mounts:[]container.MountPoint Config:*container.Config NetworkSettings:*container.NetworkSettings ImageManifestDescriptor?:*v1.Descriptor",
  "container.ContainerJSONBase":
    "ID=Id Created Path Args:[]string State:*container.State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount:int Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs:[]string HostConfig:*container.HostConfig GraphDriver:storage.DriverData SizeRw?:*int SizeRootFs?:*int",
  "container.State":
    "Status Running:bool Paused:bool Restarting:bool OOMKilled:bool Dead:bool Pid:int ExitCode:int Error StartedAt FinishedAt Health?:*container.Health",
  "container.Health": "Status FailingStreak:int Log:[]*container.HealthcheckResult",
  "container.HealthcheckResult": "Start:time End:time ExitCode:int Output",
  "events.Actor": "ID Attributes:map[string]",
  "storage.DriverData": "Data:map[string] Name",
  "container.MountPoint": "Type? Name? Source Destination Driver? Mode RW:bool Propagation",
  "container.Config":
    "Hostname Domainname User AttachStdin:bool AttachStdout:bool AttachStderr:bool ExposedPorts?:map[nothing] Tty:bool OpenStdin:bool StdinOnce:bool Env:[]string Cmd:[]string Healthcheck?:*v1.HealthcheckConfig ArgsEscaped?:bool Image Volumes:map[nothing] WorkingDir Entrypoint:[]string NetworkDisabled?:bool MacAddress? OnBuild:[]string Labels:map[string] StopSignal? StopTimeout?:*int Shell?:[]string",
  nothing: "",
  "v1.HealthcheckConfig":
    "Test?:[]string Interval?:duration Timeout?:duration StartPeriod?:duration StartInterval?:duration Retries?:int",
  "container.HostConfig":
    "Binds:[]string ContainerIDFile LogConfig:container.LogConfig NetworkMode PortBindings:map[[]nat.PortBinding] RestartPolicy:container.RestartPolicy AutoRemove:bool VolumeDriver VolumesFrom:[]string ConsoleSize:[2]int Annotations?:map[string] CapAdd:[]string CapDrop:[]string CgroupnsMode DNS=Dns:[]string DNSOptions=DnsOptions:[]string DNSSearch=DnsSearch:[]string ExtraHosts:[]string GroupAdd:[]string IpcMode Cgroup Links:[]string OomScoreAdj:int PidMode Privileged:bool PublishAllPorts:bool ReadonlyRootfs:bool SecurityOpt:[]string StorageOpt?:map[string] Tmpfs?:map[string] UTSMode UsernsMode ShmSize:int Sysctls?:map[string] Runtime Isolation ^Resources:container.Resources Mounts?:[]mount.Mount MaskedPaths:[]string ReadonlyPaths:[]string Init?:*bool",
  "container.LogConfig": "Type Config:map[string]",
  "container.RestartPolicy": "Name MaximumRetryCount:int",
  "nat.PortBinding": "HostIP=HostIp HostPort",
  "container.Resources":
    "CPUShares=CpuShares:int Memory:int NanoCPUs=NanoCpus:int CgroupParent BlkioWeight:int BlkioWeightDevice:[]*blkiodev.WeightDevice BlkioDeviceReadBps:[]*blkiodev.ThrottleDevice BlkioDeviceWriteBps:[]*blkiodev.ThrottleDevice BlkioDeviceReadIOps:[]*blkiodev.ThrottleDevice BlkioDeviceWriteIOps:[]*blkiodev.ThrottleDevice CPUPeriod=CpuPeriod:int CPUQuota=CpuQuota:int CPURealtimePeriod=CpuRealtimePeriod:int CPURealtimeRuntime=CpuRealtimeRuntime:int CpusetCpus CpusetMems Devices:[]container.DeviceMapping DeviceCgroupRules:[]string DeviceRequests:[]container.DeviceRequest KernelMemory?:int KernelMemoryTCP?:int MemoryReservation:int MemorySwap:int MemorySwappiness:*int OomKillDisable:*bool PidsLimit:*int Ulimits:[]*units.Ulimit CPUCount=CpuCount:int CPUPercent=CpuPercent:int IOMaximumIOps:int IOMaximumBandwidth:int",
  "blkiodev.WeightDevice": "Path Weight:int",
  "blkiodev.ThrottleDevice": "Path Rate:int",
  "units.Ulimit": "Name Hard:int Soft:int",
  "container.DeviceMapping": "PathOnHost PathInContainer CgroupPermissions",
  "container.DeviceRequest": "Driver Count:int DeviceIDs:[]string Capabilities:[][]string Options:map[string]",
  "mount.Mount":
    "Type? Source? Target? ReadOnly?:bool Consistency? BindOptions?:*mount.BindOptions VolumeOptions?:*mount.VolumeOptions ImageOptions?:*mount.ImageOptions TmpfsOptions?:*mount.TmpfsOptions ClusterOptions?:*nothing",
  "mount.BindOptions":
    "Propagation? NonRecursive?:bool CreateMountpoint?:bool ReadOnlyNonRecursive?:bool ReadOnlyForceRecursive?:bool",
  "mount.VolumeOptions": "NoCopy?:bool Labels?:map[string] Subpath? DriverConfig?:*mount.Driver",
  "mount.Driver": "Name? Options?:map[string]",
  "mount.ImageOptions": "Subpath",
  "mount.TmpfsOptions": "SizeBytes:int Mode:int Options:[][]string",
  "container.NetworkSettings":
    "^NetworkSettingsBase:container.NetworkSettingsBase ^DefaultNetworkSettings:container.DefaultNetworkSettings Networks:map[*network.EndpointSettings]",
  "container.NetworkSettingsBase":
    "Bridge SandboxID SandboxKey Ports:map[[]nat.PortBinding] HairpinMode:bool LinkLocalIPv6Address LinkLocalIPv6PrefixLen:int SecondaryIPAddresses:[]network.Address SecondaryIPv6Addresses:[]network.Address",
  "container.DefaultNetworkSettings":
    "EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen:int IPAddress IPPrefixLen:int IPv6Gateway MacAddress",
  "network.Address": "Addr PrefixLen:int",
  "network.EndpointSettings":
    "IPAMConfig:*network.EndpointIPAMConfig Links:[]string Aliases:[]string MacAddress DriverOpts:map[string] GwPriority:int NetworkID EndpointID Gateway IPAddress IPPrefixLen:int IPv6Gateway GlobalIPv6Address GlobalIPv6PrefixLen:int DNSNames:[]string",
  "network.EndpointIPAMConfig": "IPv4Address? IPv6Address? LinkLocalIPs?:[]string",
  "v1.Descriptor":
    "MediaType=mediaType Digest=digest Size=size:int URLs=urls:[]string Annotations=annotations:map[string] Data=data:[]byte Platform=platform:*v1.Platform ArtifactType=artifactType",
  "v1.Platform": "Architecture=architecture OS=os OSVersion=os.version OSFeatures=os.features:[]string Variant=variant",
  "image.InspectResponse":
    "ID=Id RepoTags:[]string RepoDigests:[]string Parent Comment Created Container? ContainerConfig?:*container.Config DockerVersion Author Config:*v1.DockerOCIImageConfig Architecture Variant? Os OsVersion? Size:int VirtualSize?:int GraphDriver:storage.DriverData RootFS:image.RootFS Metadata:image.Metadata Descriptor?:*v1.Descriptor Manifests?:[]any",
  "v1.DockerOCIImageConfig": "^ImageConfig:v1.ImageConfig ^DockerOCIImageConfigExt:v1.DockerOCIImageConfigExt",
  "v1.ImageConfig":
    "User? ExposedPorts?:map[nothing] Env?:[]string Entrypoint?:[]string Cmd?:[]string Volumes?:map[nothing] WorkingDir? Labels?:map[string] StopSignal? ArgsEscaped?:bool",
  "v1.DockerOCIImageConfigExt": "Healthcheck?:*v1.HealthcheckConfig OnBuild?:[]string Shell?:[]string",
  "image.RootFS": "Type? Layers?:[]string",
  "image.Metadata": "LastTagTime:time",
  "network.Inspect":
    "Name ID=Id Created:time Scope Driver EnableIPv4:bool EnableIPv6:bool IPAM:network.IPAM Internal:bool Attachable:bool Ingress:bool ConfigFrom:network.ConfigReference ConfigOnly:bool Containers:map[network.EndpointResource] Options:map[string] Labels:map[string] Peers?:[]any Services?:map[any]",
  "network.IPAM": "Driver Options:map[string] Config:[]network.IPAMConfig",
  "network.IPAMConfig": "Subnet? IPRange? Gateway? AuxAddress?=AuxiliaryAddresses:map[string]",
  "network.ConfigReference": "Network",
  "network.EndpointResource": "Name EndpointID MacAddress IPv4Address IPv6Address",
  "volume.Volume":
    "ClusterVolume?:*nothing CreatedAt? Driver Labels:map[string] Mountpoint Name Options:map[string] Scope Status?:map[any] UsageData?:*volume.UsageData",
  "volume.UsageData": "RefCount:int Size:int",
  "system.dockerInfo":
    "^Info:*system.Info ServerErrors:[]string UserName ClientInfo:*system.clientInfo ClientErrors:[]string",
  "system.clientInfo": "Debug:bool ^clientVersion:system.clientVersion Plugins:[]any Warnings:[]string",
  "system.Info":
    "ID Containers:int ContainersRunning:int ContainersPaused:int ContainersStopped:int Images:int Driver DriverStatus:[][]string SystemStatus:[][]string Plugins:system.PluginsInfo MemoryLimit:bool SwapLimit:bool KernelMemory:bool KernelMemoryTCP:bool CPUCfsPeriod=CpuCfsPeriod:bool CPUCfsQuota=CpuCfsQuota:bool CPUShares:bool CPUSet:bool PidsLimit:bool IPv4Forwarding:bool Debug:bool NFd:int OomKillDisable:bool NGoroutines:int SystemTime LoggingDriver CgroupDriver CgroupVersion NEventsListener:int KernelVersion OperatingSystem OSVersion OSType Architecture IndexServerAddress RegistryConfig:*registry.ServiceConfig NCPU:int MemTotal:int GenericResources:[]any DockerRootDir HTTPProxy=HttpProxy HTTPSProxy=HttpsProxy NoProxy Name Labels:[]string ExperimentalBuild:bool ServerVersion Runtimes:map[system.RuntimeWithStatus] DefaultRuntime Swarm:swarm.Info LiveRestoreEnabled:bool Isolation InitBinary ContainerdCommit:system.Commit RuncCommit:system.Commit InitCommit:system.Commit SecurityOptions:[]string ProductLicense DefaultAddressPools:[]system.NetworkAddressPool FirewallBackend:*system.FirewallInfo CDISpecDirs:[]string DiscoveredDevices:[]system.DeviceInfo Containerd:*system.ContainerdInfo Warnings:[]string",
  "system.PluginsInfo": "Volume:[]string Network:[]string Authorization:[]string Log:[]string",
  "registry.ServiceConfig":
    "AllowNondistributableArtifactsCIDRs:[]string AllowNondistributableArtifactsHostnames:[]string InsecureRegistryCIDRs:[]string IndexConfigs:map[*registry.IndexInfo] Mirrors:[]string ExtraFields:map[any]",
  "registry.IndexInfo": "Name Mirrors:[]string Secure:bool Official:bool",
  "system.RuntimeWithStatus": "^Runtime:system.Runtime Status=status:map[string]",
  "system.Runtime": "Path=path Args=runtimeArgs:[]string Type=runtimeType Options=options:map[any]",
  "swarm.Info":
    "NodeID NodeAddr LocalNodeState ControlAvailable:bool Error RemoteManagers:[]any Nodes?:int Managers?:int Cluster?:*nothing Warnings?:[]string",
  "system.Commit": "ID Expected?",
  "system.NetworkAddressPool": "Base Size:int",
  "system.FirewallInfo": "Driver Info:[][]string",
  "system.DeviceInfo": "Source ID",
  "system.ContainerdInfo": "Address Namespaces:system.ContainerdNamespaces",
  "system.ContainerdNamespaces": "Containers Plugins",
  "system.versionInfo": "Client:system.clientVersion Server:*types.Version",
  "system.clientVersion":
    "Platform?:*system.platformInfo Version APIVersion=ApiVersion DefaultAPIVersion GitCommit GoVersion Os Arch BuildTime Context",
  "system.platformInfo": "Name",
  "types.Version":
    "Platform:system.platformInfo Components?:[]types.ComponentVersion Version APIVersion=ApiVersion MinAPIVersion? GitCommit GoVersion Os Arch KernelVersion? Experimental?:bool BuildTime?",
  "types.ComponentVersion": "Name Version Details?:map[string]",
};
