import { base64, digest, digestHex } from "./digest.js";
import { Growing } from "./growing.js";
import { type Digests, integrityText, type Multivariant, readMedia, readMultivariant } from "./playlist.js";

/** What became of bytes. */
export type Verdict = { ok: true } | { ok: false; expected: string; got: string };

/** What a chain is anchored in. */
export interface Anchor {
  /** `sha256-…` that the page pins, or else the router's; undefined when neither names one. */
  integrity: string | undefined;
  /** Name of the asset, `namespace/path`, and the key of its origin, while it is being made. */
  growing: { name: string; key: string } | undefined;
}

/**
 * The chain of digests from the multivariant playlist down to the segments. Its anchor is the integrity that the page
 * pins, or else the router's; of an asset that is still being made, the key that signs each state of its playlists.
 */
export class Chain {
  /** Whether the video was published with digests or signatures. Without them there is nothing to check. */
  verifies = false;
  /** Integrity of the multivariant playlist that was admitted; empty while the video grows. */
  integrity = "";
  readonly #playlists: Digests = new Map();
  readonly #objects: Digests = new Map();
  #growing: Growing | undefined;

  /** Takes a multivariant playlist in. */
  async admit(text: string, url: string, anchor: Anchor): Promise<Verdict> {
    const multivariant = readMultivariant(text, url);
    const got = await integrityOf(multivariant);
    if (anchor.integrity !== undefined && anchor.integrity !== got) {
      return { ok: false, expected: anchor.integrity, got: got || multivariant.fault };
    }
    this.integrity = got;
    this.#growing = anchor.growing && new Growing(anchor.growing.name, anchor.growing.key);
    this.verifies = multivariant.digests.size > 0 || this.#growing !== undefined;
    this.#playlists.clear();
    for (const [object, hex] of multivariant.digests) this.#playlists.set(object, hex);
    return { ok: true };
  }

  /** Takes over what another chain learned of segments: one that is published keeps its path and bytes. */
  inherit(other: Chain): this {
    for (const [key, hex] of other.#objects) if (!this.#objects.has(key)) this.#objects.set(key, hex);
    return this;
  }

  /** Whether a playlist's bytes can only be judged with a newer session: the asset was complete when they were sent. */
  async isFinal(object: string, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
    if (!this.#growing || this.#playlists.has(object)) return false;
    const state = await this.#growing.check(object, bytes);
    return !state.ok && state.unsigned;
  }

  /** Checks a media playlist and learns the digests that it names. */
  async playlist(object: string, bytes: Uint8Array<ArrayBuffer>, url: string): Promise<Verdict> {
    const verdict = await this.#checkPlaylist(object, bytes);
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

  async #checkPlaylist(object: string, bytes: Uint8Array<ArrayBuffer>): Promise<Verdict> {
    const expected = this.#playlists.get(object);
    if (!this.#growing || expected !== undefined) return this.#check(expected, bytes);
    const state = await this.#growing.check(object, bytes);
    return state.ok ? { ok: true } : { ok: false, expected: "a state that its origin signed", got: state.why };
  }

  async #check(expected: string | undefined, bytes: Uint8Array<ArrayBuffer>): Promise<Verdict> {
    if (!this.verifies) return { ok: true };
    const got = await digestHex(bytes);
    return expected === got ? { ok: true } : { ok: false, expected: expected ?? "none was published", got };
  }
}

/** `sha256-…` over the stable ids and digests of all media playlists; empty when they have none. */
export async function integrityOf(multivariant: Multivariant): Promise<string> {
  if (multivariant.fault || multivariant.stable.size === 0) return "";
  return `sha256-${base64(await digest(new TextEncoder().encode(integrityText(multivariant.stable))))}`;
}
