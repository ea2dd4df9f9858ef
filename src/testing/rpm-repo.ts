import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runOk } from "../host/spawn.ts";
import type { PgpKey } from "./pgp-key.ts";

/** What a small distribution is made of; `bash` has this host's static busybox, so that a container of it runs. */
const PACKAGES = [
  "fedora-release-container",
  "rocky-release",
  "bash",
  "coreutils-single",
  "glibc-minimal-langpack",
  "rpm",
  "dnf5",
  "microdnf",
];
const SPEC = `Name: %{pname}
Version: 1
Release: 1
Summary: A test's package
License: none
BuildArch: noarch
AutoReqProv: no
%define __os_install_post %{nil}
%define _binaries_in_noarch_packages_terminate_build 0
%description
%install
mkdir -p %{buildroot}/usr/share/%{pname} %{buildroot}/usr/bin
echo %{pname} > %{buildroot}/usr/share/%{pname}/name
%if "%{pname}" == "bash"
cp /bin/busybox %{buildroot}/usr/bin/busybox
ln -s busybox %{buildroot}/usr/bin/bash
ln -s busybox %{buildroot}/usr/bin/sh
ln -s busybox %{buildroot}/usr/bin/cat
%endif
%files
/usr/share/%{pname}
%if "%{pname}" == "bash"
/usr/bin/*
%post -p /usr/bin/sh
echo made >/dev/null && cat /dev/null > /made-by-a-script
%endif
`;

/** Builds the packages once, unsigned; returns their folder. */
export async function buildRpms(): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "berth-rpm-"));
  writeFileSync(join(dir, "p.spec"), SPEC);
  for (const name of PACKAGES)
    await runOk([
      "rpmbuild",
      "-bb",
      "--define",
      `_topdir ${dir}/build`,
      "--define",
      `pname ${name}`,
      join(dir, "p.spec"),
    ]);
  return dir;
}

/** A repository of those packages in `folder`: each signed by `key` but for those in `unsigned`, the index too. */
export async function rpmRepo(
  folder: string,
  from: { built: string; key: PgpKey; unsigned?: string[] },
): Promise<void> {
  const { built, key, unsigned = [] } = from;
  const home = mkdtempSync(join(tmpdir(), "berth-rpm-"));
  mkdirSync(folder, { recursive: true });
  const rpms = join(built, "build/RPMS/noarch");
  for (const name of readdirSync(rpms)) cpSync(join(rpms, name), join(folder, name));
  const signed = readdirSync(folder).filter((name) => !unsigned.some((prefix) => name.startsWith(prefix)));
  const gpg = ["--define", `_gpg_name ${key.name}`, "--define", "__gpg /usr/bin/gpg"];
  const env = { ...process.env, GNUPGHOME: key.home, HOME: home };
  for (const name of signed) await runOk(["rpmsign", ...gpg, "--addsign", join(folder, name)], { env });
  await runOk(["createrepo_c", "-q", folder]);
  const sign = [
    "gpg",
    "--batch",
    "--yes",
    "--armor",
    "--local-user",
    key.name,
    "--detach-sign",
    join(folder, "repodata/repomd.xml"),
  ];
  await runOk(sign, { env });
  rmSync(home, { recursive: true });
}
