import { digestHex, fromBase64url } from "./digest.js";
import { verifyEd25519 } from "./ed25519.js";

/** What the last line of a signed state must look like; docs/formats/playlists.md. */
const form = /(?:^|\n)(#EXT-X-STRATOS-SIGNED:SEQ=([1-9]\d{0,15}),KEY=([A-Za-z0-9_-]{43})),SIG=([A-Za-z0-9_-]{86})\n$/;
const tag = "#EXT-X-STRATOS-SIGNED";

/** A state of a growing playlist: right, wrong for a reason, or without any signature. */
export type State = { ok: true; seq: number } | { ok: false; why: string; unsigned: boolean };

/** The playlists of an asset that is still being made: signed by its origin, and never going back. */
export class Growing {
  readonly #name: string;
  readonly #key: string;
  /** Highest state seen, by path. */
  readonly #seen = new Map<string, { seq: number; digest: string }>();

  /** name is `namespace/path`, key the origin's in base64url: both from the session. */
  constructor(name: string, key: string) {
    this.#name = name;
    this.#key = key;
  }

  /** Checks a state of a playlist, `/namespace/path/file`, and remembers it when it is right. */
  async check(object: string, bytes: Uint8Array<ArrayBuffer>): Promise<State> {
    const whole = decoded(object);
    if (!whole.startsWith(`/${this.#name}/`)) return wrong(`${object} is not in ${this.#name}`);
    const path = whole.slice(this.#name.length + 2);
    const state = await readSigned(this.#name, path, this.#key, bytes);
    if (!state.ok) return state;
    const digest = await digestHex(bytes);
    const before = this.#seen.get(path);
    if (before && state.seq < before.seq) return wrong(`SEQ ${state.seq} after ${before.seq}`);
    if (before && state.seq === before.seq && digest !== before.digest)
      return wrong(`two states with SEQ ${state.seq}`);
    this.#seen.set(path, { seq: state.seq, digest });
    return state;
  }
}

/** Checks form and signature of a state. */
export async function readSigned(
  name: string,
  path: string,
  key: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<State> {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  const times = text.split(/\r?\n/).filter((line) => line.startsWith(tag)).length;
  if (times === 0) return { ok: false, why: "no signature", unsigned: true };
  const parts = form.exec(text);
  if (!parts || times > 1) return wrong("the signature is not the last line, alone and in its form");
  const [, line = "", seqText = "", keyText = "", signatureText = ""] = parts;
  const seq = Number(seqText);
  if (!Number.isSafeInteger(seq)) return wrong("SEQ is too large");
  if (keyText !== key) return wrong(`signed by ${keyText}, not by ${key}`);
  const publicKey = fromBase64url(keyText);
  const signature = fromBase64url(signatureText);
  // Whatever stands before the line is signed, and the line up to its SIG.
  const signedLength = bytes.length - `,SIG=${signatureText}\n`.length;
  if (!publicKey || !signature || line.length > signedLength) return wrong("the signature is no base64url");
  const message = concat(
    new TextEncoder().encode(`stratos/playlist/v1\0${name}\0${path}\0`),
    bytes.subarray(0, signedLength),
  );
  if (!name || !(await verifyEd25519(publicKey, signature, message))) return wrong("the signature does not verify");
  return { ok: true, seq };
}

/** The path that a URL's path stands for. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function wrong(why: string): State {
  return { ok: false, why, unsigned: false };
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
