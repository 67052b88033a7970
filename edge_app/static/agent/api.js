// The node, asked through its public API (/api/v1/openapi.json).

import { currentLang } from "./texts.js";

// The node answered, and refused.
export class Refused extends Error {
  constructor(status, said, retryAfter) {
    super(said.title || String(status));
    Object.assign(this, { status, code: said.code || "internal", title: said.title || "", problems: said.problems || [], details: said.details || {}, retryAfter });
  }
  // Trying again later may help; anything else needs a person.
  get passing() { return this.status >= 500 || this.status === 429 || this.status === 401 || this.status === 408; }
}
// No answer: no network, no node, or a reply that was cut off.
export class Unreachable extends Error {}

let token = {};
export const setToken = (header, value) => { token = { [header]: value }; };

export async function call(method, path, { body, type, etag, patience_s = 30 } = {}) {
  const headers = { Accept: "application/json", ...(method === "GET" ? {} : token) };
  if (type) headers["Content-Type"] = type;
  if (etag) headers["If-None-Match"] = etag;
  const url = `/api/v1/${path}${path.includes("?") ? "&" : "?"}lang=${currentLang()}`;
  let reply, said;
  try {
    reply = await fetch(url, { method, headers, body, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(1000 * patience_s) });
    if (reply.status === 304) return { same: true };
    said = await reply.json();
  } catch (error) {
    if (reply && !reply.ok) throw new Refused(reply.status, {}, null);
    throw new Unreachable(error.message);
  }
  if (!reply.ok) throw new Refused(reply.status, said, Number(reply.headers.get("Retry-After")) || null);
  return { said, etag: reply.headers.get("ETag") };
}

export const json = (value) => ({ body: JSON.stringify(value), type: "application/json" });
