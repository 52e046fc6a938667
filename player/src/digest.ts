import { sha256 } from "./sha256.js";

/** SHA-256 in lower-case hex, by the browser where it can and by our own code where it cannot. */
export async function digestHex(data: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex(await digest(data));
}

/** SHA-256 of bytes. */
export async function digest(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  return subtle ? new Uint8Array(await subtle.digest("SHA-256", data)) : sha256(data);
}

/** Bytes as lower-case hex. */
export function hex(data: Uint8Array): string {
  let out = "";
  for (const byte of data) out += byte.toString(16).padStart(2, "0");
  return out;
}

/** Bytes as base64url without padding (RFC 4648, section 5). */
export function base64url(data: Uint8Array): string {
  return base64(data).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Bytes as base64. */
export function base64(data: Uint8Array): string {
  let text = "";
  for (const byte of data) text += String.fromCharCode(byte);
  return btoa(text);
}

/** The bytes of a base64url text, or undefined when it is none. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]*={0,2}$/.test(text)) return undefined;
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/").replaceAll("=", "")), (c) =>
      c.charCodeAt(0),
    );
  } catch {
    return undefined;
  }
}
