import { base64url } from "./digest.js";

/** The key of one session: made for it, never written anywhere, gone with the page. */
export interface ViewerKey {
  alg: "ed25519" | "p256";
  /** Public key in base64url: 32 bytes, or a compressed point of 33. */
  text: string;
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

/** Makes a key; undefined where the browser has no WebCrypto, which is every page that is not a secure context. */
export async function makeViewerKey(crypto: Crypto | undefined = globalThis.crypto): Promise<ViewerKey | undefined> {
  const subtle = crypto?.subtle as SubtleCrypto | undefined;
  if (!subtle) return undefined;
  try {
    const pair = (await subtle.generateKey("Ed25519", false, ["sign", "verify"])) as CryptoKeyPair;
    const raw = new Uint8Array(await subtle.exportKey("raw", pair.publicKey));
    return {
      alg: "ed25519",
      text: base64url(raw),
      sign: async (message) => new Uint8Array(await subtle.sign("Ed25519", pair.privateKey, message)),
    };
  } catch {
    return makeP256(subtle);
  }
}

async function makeP256(subtle: SubtleCrypto): Promise<ViewerKey> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const pair = await subtle.generateKey(algorithm, false, ["sign", "verify"]);
  const point = new Uint8Array(await subtle.exportKey("raw", pair.publicKey)); // 4, x, y
  const compressed = new Uint8Array(33);
  compressed[0] = 2 + ((point[64] as number) & 1);
  compressed.set(point.subarray(1, 33), 1);
  return {
    alg: "p256",
    text: base64url(compressed),
    sign: async (message) =>
      lowS(new Uint8Array(await subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, message))),
  };
}

const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** A P-256 signature r ‖ s with the smaller of s and n - s: of the two that are valid, verifiers take only this one. */
export function lowS(signature: Uint8Array): Uint8Array {
  let s = 0n;
  for (const byte of signature.subarray(32)) s = (s << 8n) | BigInt(byte);
  if (s <= N / 2n) return signature;
  const out = signature.slice();
  let rest = N - s;
  for (let i = 63; i >= 32; i--) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}
