/** True where the client has it already: its `If-None-Match` names this content, or anything (RFC 9110, section 13.1.2). Also without the quotes, as some clients send it. */
export function isKnownToClient(request: Request, digest: string): boolean {
  const header = request.headers.get("if-none-match");
  if (header === null) return false;
  return header.split(",").some((part) => {
    const tag = part.trim().replace(/^W\//, "");
    return tag === "*" || tag === digest || tag === `"${digest}"`;
  });
}
