import type { FailoverReport } from "./constants.js";
import type { Edge, Edges } from "./edges.js";
import { rangeKey } from "./playlist.js";

/** An object, or a part of one, as it is asked of edges. */
export interface Want {
  /** `/namespace/path/file`. */
  object: string;
  /** Query of the URL with its question mark, or empty. */
  search: string;
  /** Bytes from first to before end; the whole object without. */
  range?: { first: number; end: number };
  /** Origin of the edge to ask first. */
  preferred?: string;
  /** Bytes that it cannot be larger than; an edge that sends more fails. */
  limit: number;
}

/** An object that arrived and was verified. */
export interface Got {
  bytes: Uint8Array<ArrayBuffer>;
  edge: Edge;
  url: string;
  response: Response;
  /** performance.now() when it was asked, when the first byte came, and when the last. */
  start: number;
  first: number;
  end: number;
}

/** What a race asks and tells. */
export interface Judge {
  /**
   * Whether these are the publisher's bytes; called before anything is done with them. "stale" is said of bytes that
   * only a newer session can judge, and is nobody's fault.
   */
  verify(bytes: Uint8Array<ArrayBuffer>, edge: Edge, url: string): Promise<"right" | "wrong" | "stale">;
  progress?(loaded: number, total: number): void;
  failover?(report: FailoverReport): void;
}

/** No edge of the session delivered. */
export class Unavailable extends Error {
  override readonly name = "Unavailable";
  /** HTTP statuses that came; 0 for none. */
  readonly statuses: number[];
  /** Whether an edge did not take the ticket, or has a newer state than the session: a new session may help. */
  readonly refused: boolean;
  /** Whether an edge sent wrong bytes. */
  readonly corrupt: boolean;

  constructor(object: string, statuses: number[], refused: boolean, corrupt: boolean) {
    super(`no edge delivered ${object}: ${statuses.join(", ") || "none is left"}`);
    this.statuses = statuses;
    this.refused = refused;
    this.corrupt = corrupt;
  }
}

/** An attempt that no edge needs longer than this for ends, in milliseconds without a byte. */
const silence = 20_000;
/** What no segment and no playlist of a video exceeds. */
export const limits = { segment: 256 << 20, playlist: 8 << 20, image: 16 << 20 } as const;

class Refused extends Error {}
class BadStatus extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`status ${status}`);
    this.status = status;
  }
}
class Corrupt extends Error {}

/**
 * Gets an object from the edges of a session. They are asked in order; when one fails, sends wrong bytes, or is silent
 * for longer than the session's limit, the next is asked too, and whoever delivers verified bytes first wins.
 */
export function race(want: Want, edges: Edges, judge: Judge, signal: AbortSignal): Promise<Got> {
  return new Promise((resolve, reject) => {
    const waiting = edges.order(want.preferred);
    const running = new Map<Edge, AbortController>();
    const statuses: number[] = [];
    let refused = false;
    let corrupt = false;
    let newest: Edge | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    let loaded = 0;

    const finish = () => {
      over = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      for (const controller of running.values()) controller.abort();
    };
    const onAbort = () => {
      finish();
      reject(signal.reason);
    };
    const next = (from: Edge | undefined, reason: FailoverReport["reason"]) => {
      if (over) return;
      const edge = waiting.shift();
      if (edge) {
        if (from) judge.failover?.({ object: want.object, from: from.id, to: edge.id, reason });
        void run(edge);
      } else if (running.size === 0) {
        finish();
        reject(new Unavailable(want.object, statuses, refused, corrupt));
      }
    };
    // The limit counts from the last sign of life of the edge that was asked last.
    const watch = (edge: Edge) => {
      if (edge !== newest || over) return;
      clearTimeout(timer);
      timer = setTimeout(() => {
        edges.blame(edge);
        next(edge, "slow");
      }, edges.limit());
    };
    const run = async (edge: Edge) => {
      const controller = new AbortController();
      running.set(edge, controller);
      newest = edge;
      watch(edge);
      try {
        const got = await attempt(want, edge, controller, (n, total) => {
          watch(edge);
          if (n <= loaded) return;
          loaded = n;
          judge.progress?.(n, total);
        });
        if (over) return;
        const verdict = await judge.verify(got.bytes, edge, got.url);
        if (over) return;
        if (verdict === "wrong") throw new Corrupt();
        if (verdict === "stale") throw new Refused();
        edges.praise(edge, got.first - got.start);
        running.delete(edge);
        finish();
        resolve(got);
      } catch (error) {
        running.delete(edge);
        if (over) return;
        if (edge === newest) clearTimeout(timer);
        statuses.push(error instanceof BadStatus ? error.status : 0);
        if (error instanceof Corrupt) {
          corrupt = true;
          edges.ban(edge);
          next(edge, "corrupt");
        } else if (error instanceof Refused) {
          refused = true;
          next(edge, "refused");
        } else {
          edges.blame(edge);
          next(edge, "failed");
        }
      }
    };

    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    next(undefined, "failed");
  });
}

/** Asks one edge. The URL of an object there is that of the session and the object's path. */
async function attempt(
  want: Want,
  edge: Edge,
  controller: AbortController,
  onBytes: (loaded: number, total: number) => void,
): Promise<Got> {
  const start = performance.now();
  let quiet = setTimeout(() => controller.abort(), silence);
  const alive = () => {
    clearTimeout(quiet);
    quiet = setTimeout(() => controller.abort(), silence);
  };
  try {
    const url = edge.base + want.object + want.search;
    const headers: HeadersInit = want.range ? { Range: `bytes=${want.range.first}-${want.range.end - 1}` } : {};
    const response = await fetch(url, {
      headers,
      signal: controller.signal,
      credentials: "omit",
      // An edge redirects when it does not take the ticket. What lies behind is not asked blindly: it may be another
      // version, whose bytes would look wrong.
      redirect: "manual",
    });
    alive();
    if (response.type === "opaqueredirect") throw new Refused();
    if (!response.ok) throw new BadStatus(response.status);
    const first = performance.now();
    const bytes = await readAll(response, want.limit, (n, total) => {
      alive();
      onBytes(n, total);
    });
    return { bytes, edge, url, response, start, first, end: performance.now() };
  } finally {
    clearTimeout(quiet);
  }
}

async function readAll(response: Response, limit: number, onBytes: (loaded: number, total: number) => void) {
  const total = Number(response.headers.get("Content-Length") ?? 0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  onBytes(0, total);
  const reader = response.body?.getReader();
  for (;;) {
    const part = await reader?.read();
    if (!part || part.done) break;
    chunks.push(part.value);
    length += part.value.length;
    if (length > limit) {
      await reader?.cancel();
      throw new Error(`the answer has more than ${limit} bytes`);
    }
    onBytes(length, total);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** The key of what is wanted in a table of digests. */
export function wantKey(want: Want): string {
  return want.range ? rangeKey(want.object, want.range.first, want.range.end) : want.object;
}
