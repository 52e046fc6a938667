/** Bytes that an edge delivered and that were verified: what a viewer can vouch for. */
export interface Item {
  object: string;
  /** First byte in the object. */
  first: number;
  length: number;
}

/** Items kept for each edge; older ones leave, and are counted. */
const maxItems = 1024;

/** What each edge delivered in a session, verified, in order. */
export class Ledger {
  readonly #edges = new Map<string, { items: Item[]; bytes: number; left: number }>();

  add(edge: string, item: Item): void {
    const entry = this.#edges.get(edge) ?? { items: [], bytes: 0, left: 0 };
    this.#edges.set(edge, entry);
    entry.items.push(item);
    entry.bytes += item.length;
    if (entry.items.length > maxItems) {
      entry.items.shift();
      entry.left++;
    }
  }

  /** Verified bytes of an edge since the session began. */
  bytes(edge: string): number {
    return this.#edges.get(edge)?.bytes ?? 0;
  }

  /** Takes the items of an edge out, and how many are missing before them. */
  take(edge: string): { items: Item[]; left: number } {
    const entry = this.#edges.get(edge);
    if (!entry) return { items: [], left: 0 };
    const { items, left } = entry;
    entry.items = [];
    entry.left = 0;
    return { items, left };
  }
}
