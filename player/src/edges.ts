/** An edge of a session. */
export interface Edge {
  id: string;
  /** `https://edge/t/ticket`; the path of an object follows. */
  base: string;
}

/** How long an edge that failed is asked last; doubled each time, up to five minutes. */
const firstPenalty = 30_000;
const maxPenalty = 300_000;
/** Samples of first-byte times that the limit is taken from. */
const maxSamples = 64;
const maxEdges = 32;

interface State extends Edge {
  bad: boolean;
  unwellUntil: number;
  penalty: number;
}

/**
 * The edges of a session and what is known of them. One that sent wrong bytes is never asked again; one that was slow
 * or failed is asked last for a while.
 */
export class Edges {
  readonly #states: State[] = [];
  readonly #firstBytes: number[] = [];
  readonly #now: () => number;

  constructor(edges: Iterable<Edge>, now: () => number = () => performance.now()) {
    this.#now = now;
    for (const edge of edges) this.add(edge);
  }

  /** Adds an edge that is not known yet. Routers name further ones while a session runs. */
  add(edge: Edge): void {
    if (this.#known(edge) || this.#states.length >= maxEdges) return;
    this.#states.push({ ...edge, bad: false, unwellUntil: 0, penalty: firstPenalty });
  }

  /** Takes the tickets of a newer session; what is known of the edges stays. */
  renew(edges: Iterable<Edge>): void {
    for (const edge of edges) {
      const known = this.#known(edge);
      if (known) known.base = edge.base;
      else this.add(edge);
    }
  }

  /** All edges that may be asked, the one at this origin first when it is well. */
  order(preferred?: string): Edge[] {
    const now = this.#now();
    const rank = (s: State) => (s.unwellUntil > now ? 2 : originOf(s.base) === preferred ? 0 : 1);
    const wait = (s: State) => Math.max(s.unwellUntil, now);
    return this.#states
      .filter((s) => !s.bad)
      .map((s, i) => ({ s, i }))
      .sort((a, b) => rank(a.s) - rank(b.s) || wait(a.s) - wait(b.s) || a.i - b.i)
      .map(({ s }) => ({ id: s.id, base: s.base }));
  }

  /** Never again: it sent bytes that are not the publisher's. */
  ban(edge: Edge): void {
    const state = this.#find(edge);
    if (state) state.bad = true;
  }

  /** It was slow or failed. */
  blame(edge: Edge): void {
    const state = this.#find(edge);
    if (!state) return;
    // Requests that were under way together fail together: they are one failure.
    if (state.unwellUntil > this.#now()) return;
    state.unwellUntil = this.#now() + state.penalty;
    state.penalty = Math.min(2 * state.penalty, maxPenalty);
  }

  /** It delivered: firstByte is in milliseconds. */
  praise(edge: Edge, firstByte: number): void {
    const state = this.#find(edge);
    if (state) state.unwellUntil = 0;
    this.#firstBytes.push(firstByte);
    if (this.#firstBytes.length > maxSamples) this.#firstBytes.shift();
  }

  /** What is not there after this many milliseconds is asked of the next edge too. */
  limit(): number {
    const sorted = [...this.#firstBytes].sort((a, b) => a - b);
    const p95 = sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0;
    return Math.max(800, 3 * p95);
  }

  /** Every edge with its standing, for the statistics. */
  list(): (Edge & { standing: "well" | "unwell" | "bad" })[] {
    const now = this.#now();
    return this.#states.map(({ id, base, bad, unwellUntil }) => ({
      id,
      base,
      standing: bad ? "bad" : unwellUntil > now ? "unwell" : "well",
    }));
  }

  #find(edge: Edge): State | undefined {
    return this.#states.find((s) => s.id === edge.id);
  }

  /** The same machine, whatever it is called: routers name it in three places. */
  #known(edge: Edge): State | undefined {
    return this.#states.find((s) => s.id === edge.id || originOf(s.base) === originOf(edge.base));
  }
}

function originOf(url: string): string {
  return new URL(url).origin;
}
