import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Chain } from "../../src/chain.js";
import { withWholeURLs } from "../../src/extras.js";
import { Growing } from "../../src/growing.js";
import { attributes, readMedia, readMultivariant } from "../../src/playlist.js";
import { readAnswer } from "../../src/router.js";
import { parseSource } from "../../src/source.js";
import { readSteering } from "../../src/steering.js";

/*
 * Everything that reads what a stranger wrote, with broken input: real playlists cut, repeated and mixed up. The
 * generator has a seed, so that a failure comes again.
 */

const folder = new URL("../../../internal/hls/testdata/", import.meta.url);
const seeds = readdirSync(folder)
  .filter((name) => /\.(m3u8|json)$/.test(name))
  .map((name) => readFileSync(new URL(name, folder), "utf8").slice(0, 20_000));
const bits = ['"', ",", "=", ":", "\n", "\r\n", "#EXT-X-", "URI=", "%", "\0", "é", "@", "#", "{", "[1e999]", "-1"];

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function broken(next: () => number): string {
  const pick = <T>(list: T[]): T => list[Math.floor(next() * list.length)] as T;
  let text = pick(seeds);
  for (let i = 0; i < 6; i++) {
    const at = Math.floor(next() * text.length);
    const to = at + Math.floor(next() * 40);
    const other = pick(seeds);
    const from = Math.floor(next() * other.length);
    text = text.slice(0, at) + pick([...bits, other.slice(from, from + 80)]) + text.slice(pick([at, to]));
  }
  return text;
}

describe("what strangers wrote", () => {
  const url = "https://e.example/t/T/films/film/v/1/playlist.m3u8";

  it("never breaks a reader, and gives no digest that is none", async () => {
    const next = random(7);
    for (let i = 0; i < 3000; i++) {
      const text = broken(next);
      for (const digest of readMultivariant(text, url).digests.values()) expect(digest).toMatch(/^[0-9a-f]{64}$/);
      for (const key of readMedia(text, url).keys()) expect(key).toMatch(/^\//);
      attributes(text);
      withWholeURLs(text, url);
      parseSource(text.slice(0, 200), url);
      readSteering(safely(() => JSON.parse(text)));
      safely(() => readAnswer(text, "o"));
      if (i % 50 > 0) continue;
      const bytes = new TextEncoder().encode(text);
      const growing = { name: "films/summer", key: "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w" };
      expect(await new Growing(growing.name, growing.key).check("/films/summer/v360/index.m3u8", bytes)).toMatchObject({
        ok: false,
      });
      const chain = new Chain();
      await chain.admit(text, url, { integrity: undefined, growing: undefined });
      if (chain.verifies) expect((await chain.segment("/films/film/unknown", bytes)).ok).toBe(false);
    }
  });

  it("takes no longer than its length explains", () => {
    const started = performance.now();
    for (const part of ["a", '"', "=", ",", "a=", 'a="', " ", "#EXT-X-STREAM-INF:"]) {
      const text = `#EXT-X-STREAM-INF:${part.repeat(1_000_000 / part.length)}\n`;
      attributes(text);
      readMultivariant(text, url);
      readMedia(text, url);
      withWholeURLs(text, url);
    }
    // Quadratic time would be hours; the ceiling is against that alone.
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

function safely(run: () => unknown): unknown {
  try {
    return run();
  } catch {
    return undefined;
  }
}
