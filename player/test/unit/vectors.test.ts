import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { integrityOf } from "../../src/chain.js";
import { verifyOurselves } from "../../src/ed25519.js";
import { Growing, readSigned } from "../../src/growing.js";
import { readMultivariant } from "../../src/playlist.js";

/* The vectors that every implementation of docs/formats/playlists.md reads. */

interface Signed {
  why: string;
  name: string;
  path: string;
  key: string;
  playlist: string;
  seq?: number;
}

function read<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../../../internal/hls/testdata/${file}`, import.meta.url), "utf8")) as T;
}

const encode = (text: string) => new TextEncoder().encode(text);
const signed = read<{ valid: Signed[]; invalid: Signed[] }>("signed.json");

describe("signed states of growing playlists", () => {
  it.each(signed.valid)("takes $why", async ({ name, path, key, playlist, seq }) => {
    expect(await readSigned(name, path, key, encode(playlist))).toEqual({ ok: true, seq });
  });

  it.each(signed.invalid)("refuses $why", async ({ name, path, key, playlist }) => {
    expect((await readSigned(name, path, key, encode(playlist))).ok).toBe(false);
  });

  const [first, next] = signed.valid as [Signed, Signed];

  it("refuse to go back, and are taken twice", async () => {
    const growing = new Growing(first.name, first.key);
    const check = (state: Signed) => growing.check(`/${state.name}/${state.path}`, encode(state.playlist));
    expect(await check(first)).toMatchObject({ ok: true });
    expect(await check(next)).toMatchObject({ ok: true });
    expect(await check(next)).toMatchObject({ ok: true });
    expect(await check(first)).toMatchObject({ ok: false, why: "SEQ 7 after 8" });
  });

  it("do not hold for another path in the same asset", async () => {
    const growing = new Growing(first.name, first.key);
    await growing.check(`/${next.name}/${next.path}`, encode(next.playlist));
    expect(await growing.check(`/${first.name}/v1080/index.m3u8`, encode(first.playlist))).toMatchObject({ ok: false });
  });

  it("are found under the URL's form of their path, and not outside of their asset", async () => {
    const last = signed.valid.at(-1) as Signed;
    const growing = new Growing(last.name, last.key);
    const { pathname } = new URL(`https://e.example/${last.name}/${last.path}`);
    expect(pathname).toContain("%");
    expect(await growing.check(pathname, encode(last.playlist))).toMatchObject({ ok: true });
    expect(await growing.check(`/films/winter/${last.path}`, encode(last.playlist))).toMatchObject({ ok: false });
    expect(await growing.check("/%", encode(last.playlist))).toMatchObject({ ok: false });
  });

  it("without a signature are told apart from wrong ones", async () => {
    const plain = first.playlist.replace(/#EXT-X-STRATOS-SIGNED.*\n/, "");
    expect(await readSigned(first.name, first.path, first.key, encode(plain))).toMatchObject({ unsigned: true });
    const wrong = first.playlist.replace("s1.m4s", "s2.m4s");
    expect(await readSigned(first.name, first.path, first.key, encode(wrong))).toMatchObject({ unsigned: false });
  });
});

describe("Ed25519 without WebCrypto", () => {
  it.each(signed.valid)("verifies $why", async ({ name, path, key, playlist }) => {
    const [, body = "", signature = ""] = /^([\s\S]*),SIG=(.*)\n$/.exec(playlist) ?? [];
    const message = encode(`stratos/playlist/v1\0${name}\0${path}\0${body}`);
    const bytes = (text: string) => new Uint8Array(Buffer.from(text, "base64url"));
    expect(await verifyOurselves(bytes(key), bytes(signature), message)).toBe(true);
    message[message.length - 1] = 0;
    expect(await verifyOurselves(bytes(key), bytes(signature), message)).toBe(false);
  });

  it("refuses a signature whose s is not reduced, and keys that are no point", async () => {
    const { name, path, key, playlist } = signed.valid[0] as Signed;
    const [, body = "", text = ""] = /^([\s\S]*),SIG=(.*)\n$/.exec(playlist) ?? [];
    const message = encode(`stratos/playlist/v1\0${name}\0${path}\0${body}`);
    const signature = new Uint8Array(Buffer.from(text, "base64url"));
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    let s = order;
    for (let i = 0; i < 32; i++) s += BigInt(signature[32 + i] as number) << BigInt(8 * i);
    const twin = signature.slice();
    for (let i = 0; i < 32; i++) twin[32 + i] = Number((s >> BigInt(8 * i)) & 255n);
    const publicKey = new Uint8Array(Buffer.from(key, "base64url"));
    expect(await verifyOurselves(publicKey, twin, message)).toBe(false);
    expect(await verifyOurselves(new Uint8Array(32).fill(255), signature, message)).toBe(false);
  });
});

describe("integrity of a multivariant playlist", () => {
  const { vectors } = read<{ vectors: { name: string; playlist: string; pin?: string }[] }>("integrity.json");

  it.each(vectors)("$name", async ({ playlist, pin }) => {
    expect(await integrityOf(readMultivariant(playlist, "https://edge.example/t/x/films/film/"))).toBe(pin ?? "");
  });
});
