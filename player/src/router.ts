import { errorOfStatus, PlayerError } from "./errors.js";
import type { ViewerKey } from "./key.js";

/** What a router says to `POST /v1/sessions`; docs/http-api/router.md. */
export interface SessionAnswer {
  ticket: string;
  ticket_id: string;
  root: string;
  kind: "bundle" | "object";
  edges: { id: number; url: string }[];
  expires?: string;
  integrity?: string;
  multivariant?: string;
  steering?: string;
  poster?: string;
  thumbnails?: string;
  growing?: { name: string; key: string };
}

/** Bounds an answer of a stranger; a multivariant playlist of many rungs and languages has some tens of kilobytes. */
const maxAnswer = 4 << 20;
/** A router that has not answered by then does not answer. */
const patience = 8_000;

/** The host is not a router, or not one of Stratos at all. */
export class NotARouter extends Error {}

/** Opens a session at a router for a path of the network. */
export async function postSession(
  origin: string,
  path: string,
  key: ViewerKey,
  token: string | undefined,
  signal: AbortSignal,
): Promise<SessionAnswer> {
  const body = { src: path, viewer_alg: key.alg, viewer_key: key.text, ...(token ? { token } : {}) };
  const response = await call(`${origin}/v1/sessions`, signal, {
    method: "POST",
    // text/plain needs no preflight.
    headers: { "Content-Type": "text/plain" },
    body: JSON.stringify(body),
  });
  const text = await textOf(response);
  if (response.ok) return readAnswer(text, origin);
  const problem = problemOf(text);
  const details = `POST ${origin}/v1/sessions: ${response.status} ${problem.title} ${problem.detail}`.trim();
  // An edge and a stranger's server say that there is no such call; so does a router for a name that it does not know.
  if (response.status === 405 || response.status === 404 || !problem.type.startsWith("urn:stratos:problem:")) {
    throw new NotARouter(details, { cause: errorOfStatus(response.status, details) });
  }
  throw errorOfStatus(response.status, details);
}

/** A playlist and the URL that it came from in the end: an edge sends whoever has no ticket to a router. */
export async function getPlaylist(url: string, signal: AbortSignal): Promise<{ text: string; url: string }> {
  const response = await call(url, signal, {});
  const text = await textOf(response);
  const details = `GET ${url}: ${response.status}`;
  if (!response.ok) throw errorOfStatus(response.status, `${details} ${problemOf(text).detail}`.trim());
  if (!text.trimStart().startsWith("#EXTM3U")) throw new PlayerError("bad-src", `${details}, which is no HLS playlist`);
  return { text, url: response.url || url };
}

async function call(url: string, signal: AbortSignal, init: RequestInit): Promise<Response> {
  const timeout = AbortSignal.timeout(patience);
  try {
    return await fetch(url, { ...init, credentials: "omit", signal: AbortSignal.any([signal, timeout]) });
  } catch (error) {
    if (signal.aborted) throw error;
    const reason = globalThis.navigator?.onLine === false ? "offline" : "router-away";
    throw new PlayerError(reason, `${init.method ?? "GET"} ${url}: ${String(error)}`, { cause: error });
  }
}

async function textOf(response: Response): Promise<string> {
  const text = await response.text();
  if (text.length > maxAnswer) throw new PlayerError("bad-src", `${response.url}: the answer has ${text.length} bytes`);
  return text;
}

function problemOf(text: string): { type: string; title: string; detail: string } {
  const fields = parse(text);
  const field = (name: string) => (typeof fields?.[name] === "string" ? (fields[name] as string) : "");
  return { type: field("type"), title: field("title"), detail: field("detail") };
}

/** Reads an answer; whatever is missing or of another type makes it no answer of a router. */
export function readAnswer(text: string, origin: string): SessionAnswer {
  const fields = parse(text);
  const edges = fields?.edges;
  const str = (name: string) => (typeof fields?.[name] === "string" ? { [name]: fields[name] as string } : {});
  if (!fields || typeof fields.ticket !== "string" || !Array.isArray(edges)) {
    throw new NotARouter(`${origin} does not answer as a router`, {
      cause: new PlayerError("router-away", `${origin}/v1/sessions: not a session`),
    });
  }
  const growing = fields.growing as { name?: unknown; key?: unknown } | null | undefined;
  return {
    ticket: fields.ticket,
    ticket_id: String(fields.ticket_id ?? ""),
    root: String(fields.root ?? ""),
    kind: fields.kind === "object" ? "object" : "bundle",
    edges: edges.slice(0, 16).filter(isEdge),
    ...str("expires"),
    ...str("integrity"),
    ...str("multivariant"),
    ...str("steering"),
    ...str("poster"),
    ...str("thumbnails"),
    ...(typeof growing?.key === "string" && typeof growing.name === "string"
      ? { growing: { name: growing.name, key: growing.key } }
      : {}),
  };
}

function isEdge(value: unknown): value is { id: number; url: string } {
  const edge = value as { id?: unknown; url?: unknown } | null;
  return typeof edge?.id === "number" && typeof edge.url === "string" && URL.canParse(edge.url);
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
