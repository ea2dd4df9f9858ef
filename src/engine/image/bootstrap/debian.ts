import { mmdebstrapRecipe } from "./mmdebstrap.ts";

/** `debian:bookworm`, `debian:12`, `debian:trixie-slim`. */
export const debian = mmdebstrapRecipe({
  id: "debian",
  keyring: "/usr/share/keyrings/debian-archive-keyring.gpg",
  keyringPackage: "debian-archive-keyring",
  components: "main",
  suites: { latest: "stable", "11": "bullseye", "12": "bookworm", "13": "trixie" },
});

/** `ubuntu:noble`, `ubuntu:24.04`. */
export const ubuntu = mmdebstrapRecipe({
  id: "ubuntu",
  keyring: "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
  keyringPackage: "ubuntu-keyring",
  components: "main universe",
  suites: { latest: "noble", "20.04": "focal", "22.04": "jammy", "24.04": "noble", "26.04": "resolute" },
});
