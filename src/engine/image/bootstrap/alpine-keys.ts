/**
 * Alpine's published signing keys (x86_64 and aarch64), by the names that signatures give them: PEM bodies without line breaks. They are those that Debian ships in its package
 * alpine-chroot-install. `/etc/apk/keys` and --key add to them.
 */
export const ALPINE_KEYS: Readonly<Record<string, string>> = {
  "alpine-devel@lists.alpinelinux.org-4a6a0840.rsa.pub":
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1yHJxQgsHQREclQu4OheqxTxd1tHcNnvnQTu/UrTky8wWvgXT+jpveroeWWnzmsYlD" +
    "I93eLI2ORakxb3gA2OQ0Ry4ws8vhaxLQGC74uQR5+/yYrLuTKydFzuPaS1dK19qJPXB8GMdmFOijnXX4SAjixuHLe1WW7kZVtjL7nufvpXkWBG" +
    "jsfrvskdNA/5MfxAeBbqPgaq0QMEfxMAn6/RL5kNepi/Vr4S39Xvf2DzWkTLEK8pcnjNkt9/aafhWqFVW7m3HCAII6h/qlQNQKSoGuH34Q8GsF" +
    "G30izUENV9avY7hSLq7nggsvknlNBZtFUcmGoQrtx3FmyYsIC8/R+BywIDAQAB",
  "alpine-devel@lists.alpinelinux.org-5243ef4b.rsa.pub":
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvNijDxJ8kloskKQpJdx+mTMVFFUGDoDCbulnhZMJoKNkSuZOzBoFC94omYPtxnIcBd" +
    "WBGnrm6ncbKRlR+6oyDO0W7c44uHKCFGFqBhDasdI4RCYP+fcIX/lyMh6MLbOxqS22TwSLhCVjTyJeeH7KaA7vqk+QSsF4TGbYzQDDpg7+6aAc" +
    "Nzg6InNePaywA6hbT0JXbxnDWsB+2/LLSF2GmnhJlJrWB1WGjkz23ONIWk85W4S0XB/ewDefd4Ly/zyIciastA7Zqnh7p3Ody6Q0sS2MJzo7p3" +
    "os1smGjUF158s6m/JbVh4DN6YIsxwl2OjDOz9R0OycfJSDaBVIGZzgcQIDAQAB",
  "alpine-devel@lists.alpinelinux.org-5261cecb.rsa.pub":
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwlzMkl7b5PBdfMzGdCT0cGloRr5xGgVmsdq5EtJvFkFAiN8Ac9MCFy/vAFmS8/7ZaG" +
    "OXoCDWbYVLTLOO2qtXyHRl+7fJVh2N6qrDDFPmdgCi8NaE+3rITWXGrrQ1spJ0B6HIzTDNEjRKnD4xyg4jg01FMcJTU6E+V2JBY45CKN9dWr1J" +
    "DM/nei/Pf0byBJlMp/mSSfjodykmz4Oe13xBCa1WTwgFykKYthoLGYrmo+LKIGpMoeEbY1kuUe04UiDe47l6Oggwnl+8XD1MeRWYsWgj8sF4dT" +
    "cSfCMavK4zHRFFQbGp/YFJ/Ww6U9lA3Vq0wyEI6MCMQnoSMFwrbgZwwwIDAQAB",
  "alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub":
    "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAutQkua2CAig4VFSJ7v54ALyu/J1WB3oni7qwCZD3veURw7HxpNAj9hR+S5N/pNeZgu" +
    "bQvJWyaPuQDm7PTs1+tFGiYNfAsiibX6Rv0wci3M+z2XEVAeR9Vzg6v4qoofDyoTbovn2LztaNEjTkB+oKtlvpNhg1zhou0jDVYFniEXvzjckx" +
    "swHVb8cT0OMTKHALyLPrPOJzVtM9C1ew2Nnc3848xLiApMu3NBk0JqfcS3Bo5Y2b1FRVBvdt+2gFoKZix1MnZdAEZ8xQzL/a0YS5Hd0wj5+EEK" +
    "HfOd3A75uPa/WQmA+o0cBFfrzm69QDcSJSwGpzWrD1ScH3AK8nWvojv7e9gukK/9yl1b4fQQ00vttwJPSgm9EnfPHLAtgXkRloI27H6/PuLoNv" +
    "SAMQwuCDhQRlyGLPBETKkHeodfLoULjhDi1K2gKJTMhtbnUcAA7nEphkMhPWkBpgFdrH+5z4Lxy+3ek0cqcI7K68EtrffU8jtUj9LFTUC8dERa" +
    "IBs7NgQ/LfDbDfGh9g6qVj1hZlk9aaIPTm/xsi8v3u+0qaq7KzIBc9s59JOoA8TlpOaYdVgSQhHHLBaahOuAigH+VIisbC9vmqsThF2QdDtQt3" +
    "7keuqoda2E6sL7PUvIyVXDRfwX7uMDjlzTxHTymvq2CkhtBqojBnThmjJQFgZXocHG8CAwEAAQ==",
  "alpine-devel@lists.alpinelinux.org-61666e3f.rsa.pub":
    "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAlEyxkHggKCXC2Wf5Mzx4nZLFZvU2bgcA3exfNPO/g1YunKfQY+Jg4fr6tJUUTZ3XZU" +
    "rhmLNWvpvSwDS19ZmCIXOu0+V94aNgnhMsk9rr59I8qcbsQGIBoHzuAl8NzZCgdbEXkiY90w1skUw8J57zqCsMBydAueMXuWqF5nGtYbi5vHwK" +
    "42PffpiZ7G5Kjwn8nYMW5IZdL6ZnMEVJUWC9I4waeKg0yskczYDmZUEAtrn3laX9677ToCpiKrvmZYjlGl0BaGp3cxggP2xaDbUqqfFxWNgvUA" +
    "b3pXD09JM6Mt6HSIJaFc9vQbrKB9KT515y763j5CC2KUsilszKi3mBHYe5PoebdjS7D1Oh+tRqfegU2IImzSwW3iwA7PJvefFuc/kNIijfS/gH" +
    "/cAqAK6zbhdOtE/zc7TtqW2Wn5Y03jIZdtm12CxSxwgtCF1NPyEWyIxAQUX9ACb3M0FAZ61nfpPrvwTaIIxxZ01L3IzPLpbc44x/DhJIEU+iDt" +
    "6IMTrHOphD9MCG4631eIdB0H1b6zbNX1CXTsafqHRFV9XmYYIeOMggmd90s3xIbEujA6HKNP/gwzO6CDJ+nHFDEqoFSkxRdTkEqjTjVKieURW7" +
    "Swv7zpfu5PrsrrkyGnsRrBJJzXlm2FOOxnbI2iSL1B5FrO5kbUxFeZUIDq+7Yv4kLWcCAwEAAQ==",
  "alpine-devel@lists.alpinelinux.org-58199dcc.rsa.pub":
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3v8/ye/V/t5xf4JiXLXahWFRozsnmn3hobON20GdmkrzKzO/eUqPOKTpg2GtvBhK30" +
    "fu5oY5uN2ORiv2Y2hteLiZ9HVz3XP8Fm9frha60B7KNu66FO5P2o3i+E+DWTPqqPcCG6t4Znk2BypILcitwiPKTsgbBQR2qo/cO01eLLdt6oOz" +
    "AaF94NH0656kvRewdo6HG4urbO46tCAizvCRCA7KGFMyad8WdKkTjxh8YLDLoOCtoZmXmQAiwfRe9pKXRH/XXGop8SYptLqyVVQ+tegOD9wRs2" +
    "tOlgcLx4F/uMzHN7uoho6okBPiifRX+Pf38Vx+ozXh056tjmdZkCaVaQIDAQAB",
  "alpine-devel@lists.alpinelinux.org-616ae350.rsa.pub":
    "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAyduVzi1mWm+lYo2Tqt/0XkCIWrDNP1QBMVPrE0/ZlU2bCGSoo2Z9FHQKz/mTyMRlhN" +
    "qTfhJ5qU3U9XlyGOPJpiM+b91g26pnpXJ2Q2kOypSgOMOPA4cQ42PkHBEqhuzssfj9t7x47ppS94bboh46xLSDRff/NAbtwTpvhStV3URYkxFG" +
    "++cKGGa5MPXBrxIp+iZf9GnuxVdST5PGiVGPODL/b69sPJQNbJHVquqUTOh5Ry8uuD2WZuXfKf7/C0jC/ie9m2+0CttNu9tMciGMEyKG1/Xhk5" +
    "iIWO43m4SrrT2WkFlcZ1z2JSf9Pjm4C2+HovYpihwwdM/OdP8XmsnrDzVB4YvQiW+IHBjStHVuyiZWc+JsgEPJzisNY0Wyc/kNyNtqVKpX6dRh" +
    "MLanLmy+f53cCSI05KPQAcGj6tdL+D60uKDkt+FsDa0BTAobZ31OsFVid0vCXtsbplNhW1IFHwsGXBTVcfXg44RLyL8Lk/2dQxDHNHzAUslJXz" +
    "PxaHBLmt++2COa2EI1iWlvtznkOk9WP8SOAIj+xdqoiHcC4j72BOVVgiITIJNHrbppZCq6qPR+fgXmXa+sDcGh30m69Wpbr28kLMSHiENCWTds" +
    "Fij+NQTd5S47H7XTROHnalYDuF1RpS+DpQidT5tUimaTJZDr++FjKrnnijbyNF8b98UCAwEAAQ==",
};

/** A key's body as a PEM text, as the distribution publishes it. */
export function pemOf(body: string): string {
  const lines = body.match(/.{1,64}/g) ?? [];
  return `-----BEGIN PUBLIC KEY-----\n${lines.join("\n")}\n-----END PUBLIC KEY-----\n`;
}
