import { readdirSync, readFileSync } from "node:fs";
import { Parser } from "m3u8-parser";
import { describe, expect, it } from "vitest";
import { readMedia, readMultivariant } from "../../src/playlist.js";
import { bytesPerSecond, makeBundle } from "../support/media.js";

/*
 * Other readers of playlists, over the playlists of the repository and over ours with digests: what we take from a
 * playlist they take too, and what we add they pass over.
 */

const folder = new URL("../../../internal/hls/testdata/", import.meta.url);
const playlists = readdirSync(folder).filter((name) => name.endsWith(".m3u8"));
const url = "https://e.example/t/T/films/film/v/1/playlist.m3u8";

interface Parsed {
  playlists?: { uri: string; attributes: Record<string, unknown> }[];
  segments: { uri: string; byterange?: { length: number; offset: number }; map?: { uri: string } }[];
}

function byM3u8Parser(text: string): Parsed {
  const parser = new Parser();
  parser.push(text);
  parser.end();
  return parser.manifest as unknown as Parsed;
}

/** Puts a digest before every segment, as a publisher does. */
function withDigests(text: string): string {
  let n = 0;
  const next = () => (++n).toString(16).padStart(64, "0");
  return text
    .replace(/^#EXTINF/gm, () => `#EXT-X-STRATOS-SHA256:${next()}\n#EXTINF`)
    .replace(/^(#EXT-X-MAP:.*?)\r?$/gm, (_, map) => `${map},X-STRATOS-SHA256="${next()}"`);
}

describe("m3u8-parser", () => {
  it.each(playlists)("finds the same segments and variants in %s", (name) => {
    const text = readFileSync(new URL(name, folder), "utf8");
    const theirs = byM3u8Parser(text);
    const marked = withDigests(text);
    expect(byM3u8Parser(marked).segments.length, "our tags change nothing for them").toBe(theirs.segments.length);
    const ours = readMedia(marked, url);
    for (const segment of theirs.segments) {
      if (segment.uri.includes("{$")) continue; // variables of EXT-X-DEFINE are the reader's to replace
      const path = new URL(segment.uri, url).pathname.replace(/^\/t\/T/, "");
      const range = segment.byterange;
      const key = range ? `${path}#${range.offset}-${range.offset + range.length - 1}` : path;
      expect([...ours.keys()]).toContain(key);
    }
    const variants = theirs.playlists ?? [];
    const ids = variants.map((v) => v.attributes["STABLE-VARIANT-ID"]).filter(Boolean);
    expect(new Set(readMultivariant(text, url).rungs)).toEqual(new Set(ids));
  });

  it("reads our own bundle's playlists", () => {
    const bundle = makeBundle();
    const master = byM3u8Parser(Buffer.from(bundle.get("master.m3u8") as Uint8Array).toString());
    expect(master.playlists?.map((p) => p.uri)).toEqual(["v/360p/playlist.m3u8", "v/180p/playlist.m3u8"]);
    expect(bytesPerSecond(bundle, "360p")).toBeGreaterThan(bytesPerSecond(bundle, "180p"));
  });
});
