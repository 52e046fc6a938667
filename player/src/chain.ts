import { base64, digest, digestHex } from "./digest.js";
import { type Digests, integrityText, readMedia, readMultivariant } from "./playlist.js";

/** What became of bytes. */
export type Verdict = { ok: true } | { ok: false; expected: string; got: string };

/**
 * The chain of digests from the multivariant playlist down to the segments. Its anchor is the integrity that the page
 * pins, or else the router's.
 */
export class Chain {
  readonly #playlists: Digests = new Map();
  readonly #objects: Digests = new Map();
  /** Whether the bundle has digests at all. Without them there is nothing to check. */
  verifies = false;
  /** Integrity of the multivariant playlist that was admitted. */
  integrity = "";

  /** Takes a multivariant playlist in. Its integrity must be the expected one, where one is known. */
  async admit(text: string, url: string, expected: string | undefined): Promise<Verdict> {
    const multivariant = readMultivariant(text, url);
    const got = await integrityOf(multivariant.stable);
    if (multivariant.torn) return { ok: false, expected: expected ?? "one digest for each playlist", got: "two" };
    if (expected !== undefined && expected !== got) return { ok: false, expected, got };
    this.verifies = expected !== undefined || multivariant.digests.size > 0;
    this.integrity = got;
    this.#playlists.clear();
    for (const [object, hex] of multivariant.digests) this.#playlists.set(object, hex);
    return { ok: true };
  }

  /** Checks a media playlist and learns the digests that it names. */
  async playlist(object: string, bytes: Uint8Array<ArrayBuffer>, url: string): Promise<Verdict> {
    const verdict = await this.#check(this.#playlists.get(object), bytes);
    if (verdict.ok) {
      const text = new TextDecoder().decode(bytes);
      for (const [key, hex] of readMedia(text, url)) this.#objects.set(key, hex);
    }
    return verdict;
  }

  /** Checks an initialisation section or a segment. */
  segment(key: string, bytes: Uint8Array<ArrayBuffer>): Promise<Verdict> {
    return this.#check(this.#objects.get(key), bytes);
  }

  async #check(expected: string | undefined, bytes: Uint8Array<ArrayBuffer>): Promise<Verdict> {
    if (!this.verifies) return { ok: true };
    const got = await digestHex(bytes);
    return expected === got ? { ok: true } : { ok: false, expected: expected ?? "none was published", got };
  }
}

/** `sha256-…` over the stable ids and digests of all media playlists. */
export async function integrityOf(stable: Map<string, string>): Promise<string> {
  return `sha256-${base64(await digest(new TextEncoder().encode(integrityText(stable))))}`;
}
