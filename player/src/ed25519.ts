/*
 * Ed25519 verification (RFC 8032) by WebCrypto, and by our own arithmetic in browsers whose WebCrypto has no Ed25519:
 * growing playlists are signed with it, whatever key the viewer has. Nothing here is secret, so time may leak.
 */

/** Whether a signature is the key's over a message. */
export async function verifyEd25519(
  key: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
  subtle: SubtleCrypto = crypto.subtle,
): Promise<boolean> {
  if (key.length !== 32 || signature.length !== 64) return false;
  let imported: CryptoKey;
  try {
    imported = await subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  } catch (error) {
    if ((error as Error).name !== "NotSupportedError") return false;
    return verifyOurselves(key, signature, message, subtle);
  }
  return subtle.verify("Ed25519", imported, signature, message);
}

/** The same without WebCrypto's Ed25519; some 15 ms. */
export async function verifyOurselves(
  key: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
  message: Uint8Array<ArrayBuffer>,
  subtle: SubtleCrypto = crypto.subtle,
): Promise<boolean> {
  const a = decode(key);
  const r = decode(signature.subarray(0, 32));
  const s = number(signature.subarray(32));
  if (!a || !r || s >= order) return false;
  const hashed = new Uint8Array(64 + message.length);
  hashed.set(signature.subarray(0, 32));
  hashed.set(key, 32);
  hashed.set(message, 64);
  const k = mod(number(new Uint8Array(await subtle.digest("SHA-512", hashed))), order);
  // S·B = R + k·A
  return equal(multiply(base, s), add(r, multiply(a, k)));
}

/** A point in extended coordinates: x = X/Z, y = Y/Z, xy = T/Z. */
type Point = [x: bigint, y: bigint, z: bigint, t: bigint];

const prime = 2n ** 255n - 19n;
const order = 2n ** 252n + 27742317777372353535851937790883648493n;
const d = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
const rootOfMinusOne = 19681161376707505956807079304988542015446066515923890162744021073123829784752n;
const baseY = 46316835694926478169428394003475163141307993866256225615783033603165251855960n;
const baseX = 15112221349535400772501151409588531511454012693041857206046113283949847762202n;
const base: Point = [baseX, baseY, 1n, mod(baseX * baseY)];

function mod(n: bigint, m: bigint = prime): bigint {
  const rest = n % m;
  return rest < 0n ? rest + m : rest;
}

function power(b: bigint, exponent: bigint): bigint {
  let out = 1n;
  let square = b;
  for (let e = exponent; e > 0n; e >>= 1n) {
    if (e & 1n) out = mod(out * square);
    square = mod(square * square);
  }
  return out;
}

function add([x1, y1, z1, t1]: Point, [x2, y2, z2, t2]: Point): Point {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * t1 * t2 * d);
  const zz = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, zz - c, zz + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function multiply(point: Point, times: bigint): Point {
  let out: Point = [0n, 1n, 1n, 0n];
  let double = point;
  for (let n = times; n > 0n; n >>= 1n) {
    if (n & 1n) out = add(out, double);
    double = add(double, double);
  }
  return out;
}

function equal([x1, y1, z1]: Point, [x2, y2, z2]: Point): boolean {
  return mod(x1 * z2 - x2 * z1) === 0n && mod(y1 * z2 - y2 * z1) === 0n;
}

/** RFC 8032, section 5.1.3. */
function decode(bytes: Uint8Array): Point | undefined {
  const sign = ((bytes[31] as number) >> 7) & 1;
  const y = number(bytes) & (2n ** 255n - 1n);
  if (y >= prime) return undefined;
  const u = mod(y * y - 1n);
  const v = mod(d * y * y + 1n);
  let x = mod(u * v ** 3n * power(mod(u * v ** 7n), (prime - 5n) / 8n));
  if (mod(v * x * x) !== u) x = mod(x * rootOfMinusOne);
  if (mod(v * x * x) !== u || (x === 0n && sign === 1)) return undefined;
  if (Number(x & 1n) !== sign) x = prime - x;
  return [x, y, 1n, mod(x * y)];
}

/** Little-endian. */
function number(bytes: Uint8Array): bigint {
  let out = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) out = (out << 8n) | BigInt(bytes[i] as number);
  return out;
}
