import { Chain } from "./chain.js";
import type { IntegrityReport } from "./constants.js";
import { base64url } from "./digest.js";
import { type Edge, Edges } from "./edges.js";
import { PlayerError } from "./errors.js";
import type { ViewerKey } from "./key.js";
import { Ledger } from "./ledger.js";
import { readMultivariant } from "./playlist.js";
import { getPlaylist, NotARouter, postSession, type SessionAnswer } from "./router.js";
import { baseOf, type Source } from "./source.js";

/** What opening takes. */
export interface Opening {
  source: Source;
  /** Origins of routers to ask when the first does not answer. */
  fallback: string[];
  /** The session's key; without one the session is class B. */
  key: ViewerKey | undefined;
  /** `sha256-…` that the page demands. */
  pin: string | undefined;
  token: string | undefined;
  signal: AbortSignal;
  /** A router gave a playlist that is not the pinned one. */
  onCorrupt?(report: IntegrityReport): void;
}

/** Something to play. */
export type Opened =
  | { kind: "session"; session: Session }
  /** A single file, and an HLS stream of a foreign host: played as they are, without verification. */
  | { kind: "file" | "plain"; url: string };

/** A way to content, from one router: its edges, its playlist, and the chain of digests that starts there. */
export interface Session {
  class: "A" | "B";
  router: string;
  /** `/namespace/path` of the bundle. */
  path: string;
  root: string;
  ticketId: string;
  integrity: string | undefined;
  /** The multivariant playlist and the URL that it is relative to. */
  multivariant: string;
  url: string;
  poster: string;
  thumbnails: string;
  edges: Edges;
  chain: Chain;
  ledger: Ledger;
  key: ViewerKey | undefined;
  growing: { name: string; key: string } | undefined;
}

/** How long one router is waited for before the next is asked too. */
const stagger = 1_500;

/** Opens what a source names: at its own host, or at a fallback. */
export async function open(opening: Opening): Promise<Opened> {
  const origins = [opening.source.origin, ...opening.fallback];
  return firstOf(origins, (origin, i) => openAt(origin, i === 0, opening), opening.signal);
}

async function openAt(origin: string, own: boolean, opening: Opening): Promise<Opened> {
  const { source, key, token, signal } = opening;
  let why: unknown;
  if (key) {
    try {
      return await take(origin, await postSession(origin, source.path, key, token, signal), opening);
    } catch (error) {
      const mayBeForeign = own && source.isPlaylist && error instanceof PlayerError && error.reason === "router-away";
      if (!(error instanceof NotARouter) && !mayBeForeign) throw error;
      why = error.cause instanceof PlayerError ? error.cause : error;
    }
  }
  // An edge (it redirects to its router), a router asked without a key, or somebody else's HLS server.
  const network = `${origin}${source.path}/${source.playlist}`;
  const foreign = own && source.isPlaylist && baseOf(new URL(source.url)) === undefined;
  const playlist = await getPlaylist(foreign ? source.url : network, signal).catch((error: unknown) => {
    throw why ?? error;
  });
  const router = new URL(playlist.url).origin;
  if (key && router !== origin) {
    const answer = await postSession(router, source.path, key, token, signal).catch(() => undefined);
    if (answer) return take(router, answer, opening);
  }
  if (readMultivariant(playlist.text, playlist.url).edges.size === 0) return { kind: "plain", url: source.url };
  return { kind: "session", session: await sessionB(router, playlist.text, playlist.url, opening) };
}

async function take(router: string, answer: SessionAnswer, opening: Opening): Promise<Opened> {
  const { source, key } = opening;
  if (answer.kind === "object") {
    const url = answer.edges[0]?.url;
    if (!url) throw new PlayerError("no-edge", `${router} names no edge`);
    return { kind: "file", url };
  }
  const url = `${router}${source.path}/${source.playlist}`;
  if (answer.multivariant === undefined) {
    const playlist = await getPlaylist(url, opening.signal);
    return { kind: "session", session: await sessionB(router, playlist.text, playlist.url, opening) };
  }
  const edges: Edge[] = answer.edges.flatMap(({ id, url }) => {
    const base = baseOf(new URL(url));
    return base ? [{ id: `e${id}`, base }] : [];
  });
  const session: Session = {
    class: "A",
    router,
    path: source.path,
    root: answer.root,
    ticketId: answer.ticket_id,
    integrity: answer.integrity,
    multivariant: answer.multivariant,
    url,
    poster: answer.poster ?? "",
    thumbnails: answer.thumbnails ?? "",
    edges: new Edges(edges),
    chain: new Chain(),
    ledger: new Ledger(),
    key,
    growing: answer.growing,
  };
  await admit(session, opening);
  return { kind: "session", session };
}

async function sessionB(router: string, multivariant: string, url: string, opening: Opening): Promise<Session> {
  const { path } = opening.source;
  const session: Session = {
    class: "B",
    router,
    path,
    root: "",
    ticketId: "",
    integrity: undefined,
    multivariant,
    url,
    poster: `${router}${path}/poster.jpg`,
    thumbnails: `${router}${path}/thumbnails.vtt`,
    edges: new Edges([]),
    chain: new Chain(),
    ledger: new Ledger(),
    key: undefined,
    growing: undefined,
  };
  await admit(session, opening);
  return session;
}

/** Takes the playlist into the chain, and the edges that it names to those of the session. */
async function admit(session: Session, opening: Opening): Promise<void> {
  for (const [id, base] of readMultivariant(session.multivariant, session.url).edges) session.edges.add({ id, base });
  const verdict = await session.chain.admit(session.multivariant, session.url, {
    integrity: opening.pin ?? session.integrity,
    growing: session.growing,
  });
  if (verdict.ok) return;
  const { expected: want, got } = verdict;
  const bytes = session.multivariant.length;
  const object = `${session.path}/${opening.source.playlist}`;
  const facts = { object, range: "", expected: want, got, bytes, edge: "", url: session.url };
  opening.onCorrupt?.(await evidence(session, facts));
  throw new PlayerError("integrity", `${session.url} has ${got}, must have ${want}`);
}

/** Facts about wrong bytes as a statement that the session's key signs. */
export async function evidence(
  session: Session,
  facts: Pick<IntegrityReport, "object" | "range" | "expected" | "got" | "bytes" | "edge" | "url">,
): Promise<IntegrityReport> {
  const report = { ...facts, ticketId: session.ticketId, time: Date.now() };
  const fields = [report.object, report.range, report.expected, report.got, report.bytes, report.edge, report.ticketId];
  const statement = ["stratos/integrity/v1", ...fields, report.time, ""].join("\n");
  const signature = await session.key?.sign(new TextEncoder().encode(statement));
  return { ...report, statement, signature: signature ? base64url(signature) : "" };
}

/**
 * The first success. The next is tried when one fails, or is silent for a while; errors that the network has settled
 * (no such video) end it at once.
 */
async function firstOf<In, Out>(
  list: In[],
  run: (item: In, index: number) => Promise<Out>,
  signal: AbortSignal,
): Promise<Out> {
  return new Promise((resolve, reject) => {
    let at = 0;
    let running = 0;
    let worst: unknown;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const next = () => {
      clearTimeout(timer);
      const index = at++;
      const item = list[index];
      if (item === undefined) {
        if (running === 0) reject(worst);
        return;
      }
      running++;
      timer = setTimeout(next, stagger);
      run(item, index).then(
        (out) => {
          clearTimeout(timer);
          resolve(out);
        },
        (error: unknown) => {
          running--;
          worst ??= error;
          if (signal.aborted || isFinal(error)) {
            clearTimeout(timer);
            reject(error);
          } else next();
        },
      );
    };
    next();
  });
}

function isFinal(error: unknown): boolean {
  return error instanceof PlayerError && ["deleted", "banned", "forbidden"].includes(error.reason);
}
