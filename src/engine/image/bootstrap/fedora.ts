import { type DnfDistribution, dnfRecipe } from "./dnf.ts";

const KEYS = "/usr/share/distribution-gpg-keys";
const SMALL = ["bash", "coreutils-single", "glibc-minimal-langpack", "rpm"];
const MODERN = "usr/lib/sysimage/rpm";

/** `fedora:43`. */
export const fedora = dnfRecipe({
  id: "fedora",
  mirror: "https://dl.fedoraproject.org/pub/fedora/linux",
  repositories: ["releases/VERSION/Everything/ARCH/os", "updates/VERSION/Everything/ARCH"],
  keys: { folder: `${KEYS}/fedora`, prefix: "RPM-GPG-KEY-fedora" },
  latest: "43",
  versions: /^\d{2}$/,
  packages: ["fedora-release-container", ...SMALL, "dnf5"],
  // Fedora signs its packages; its indexes come by TLS.
  signedIndex: false,
  database: () => MODERN,
});

/** `rockylinux:9`. */
export const rocky = dnfRecipe(
  enterprise({
    id: "rockylinux",
    mirror: "https://dl.rockylinux.org/pub/rocky",
    release: "rocky-release",
    key: "rocky/RPM-GPG-KEY-",
  }),
);

/** `almalinux:9`. */
export const almalinux = dnfRecipe(
  enterprise({
    id: "almalinux",
    mirror: "https://repo.almalinux.org/almalinux",
    release: "almalinux-release",
    key: "alma/RPM-GPG-KEY-",
  }),
);

/** Rebuilds of one enterprise distribution: the same folders, packages and versions. */
function enterprise(of: { id: string; mirror: string; release: string; key: string }): DnfDistribution {
  const [folder = "", prefix = ""] = of.key.split("/");
  return {
    id: of.id,
    mirror: of.mirror,
    repositories: ["VERSION/BaseOS/ARCH/os", "VERSION/AppStream/ARCH/os"],
    keys: { folder: `${KEYS}/${folder}`, prefix },
    latest: "9",
    versions: /^\d{1,2}(?:\.\d{1,2})?$/,
    packages: [of.release, ...SMALL, "microdnf"],
    signedIndex: true,
    database: (version) => (Number.parseInt(version, 10) >= 10 ? MODERN : "var/lib/rpm"),
  };
}
