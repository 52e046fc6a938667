import { baseOf, objectOf } from "./source.js";

/*
 * What the player must know of playlists to verify: which object has which digest. hls.js reads everything else. The
 * format is in docs/formats/playlists.md.
 */

/** Digests by object: `/namespace/path/file`, and `#first-last` behind it for a part of one. */
export type Digests = Map<string, string>;

/** Bounds what a stranger's playlist can make us keep. */
const maxEntries = 100_000;

/** What a multivariant playlist says that verification needs. */
export interface Multivariant {
  /** Digest of each media playlist by its stable id. */
  stable: Map<string, string>;
  /** The same by object. */
  digests: Digests;
  /** Edges that URLs name: pathway id and `https://edge/t/ticket`. */
  edges: Map<string, string>;
  /** Stable ids of the variants. */
  rungs: string[];
  /** Why the playlist has no integrity; empty when it has one. */
  fault: string;
}

/** Reads a multivariant playlist; base is the URL that its references are relative to. */
export function readMultivariant(text: string, base: string): Multivariant {
  const out: Multivariant = { stable: new Map(), digests: new Map(), edges: new Map(), rungs: [], fault: "" };
  let variant: Map<string, string> | undefined;
  for (const line of lines(text)) {
    if (line.startsWith("#EXT-X-STREAM-INF:")) {
      variant = attributes(line);
    } else if (line.startsWith("#EXT-X-MEDIA:") || line.startsWith("#EXT-X-I-FRAME-STREAM-INF:")) {
      const list = attributes(line);
      const uri = list.get("URI");
      const id = line.startsWith("#EXT-X-MEDIA:") ? "STABLE-RENDITION-ID" : "STABLE-VARIANT-ID";
      if (uri) note(out, list, id, uri, base);
    } else if (line !== "" && !line.startsWith("#") && variant) {
      note(out, variant, "STABLE-VARIANT-ID", line, base);
      const rung = variant.get("STABLE-VARIANT-ID");
      if (rung && !out.rungs.includes(rung)) out.rungs.push(rung);
      variant = undefined;
    }
  }
  return out;
}

function note(out: Multivariant, list: Map<string, string>, idName: string, uri: string, base: string): void {
  const url = resolve(uri, base);
  if (!url || out.digests.size >= maxEntries) {
    out.fault ||= `${uri.slice(0, 80)} is no URL`;
    return;
  }
  const edge = baseOf(url);
  const pathway = list.get("PATHWAY-ID");
  if (edge && (pathway || ![...out.edges.values()].includes(edge))) {
    // Renditions stand before the variants, which alone tell the pathway.
    if (out.edges.get(url.host) === edge) out.edges.delete(url.host);
    out.edges.set(pathway ?? url.host, edge);
  }

  const id = list.get(idName) ?? "";
  const digest = list.get("X-STRATOS-SHA256") ?? "";
  if (!/^[A-Za-z0-9+/=.\-_]{1,255}$/.test(id)) out.fault ||= `${uri.slice(0, 80)} has no ${idName}`;
  else if (!/^[0-9a-f]{64}$/.test(digest)) out.fault ||= `${id} has no digest`;
  else if ((out.stable.get(id) ?? digest) !== digest) out.fault ||= `${id} has two digests`;
  else if ((out.digests.get(objectOf(url)) ?? digest) !== digest) out.fault ||= `${objectOf(url)} has two digests`;
  else {
    out.stable.set(id, digest);
    out.digests.set(objectOf(url), digest);
  }
}

/** The lines whose SHA-256 is a bundle's `integrity`. */
export function integrityText(stable: Map<string, string>): string {
  return [...stable]
    .map(([id, digest]) => `${id} ${digest}\n`)
    .sort((a, b) => (a < b ? -1 : 1))
    .join("");
}

/** Reads the digests of a media playlist's segments and of their initialisation sections. */
export function readMedia(text: string, base: string): Digests {
  const out: Digests = new Map();
  let digest: string | undefined;
  let range: string | undefined;
  let end = 0; // of the byte range before, from which one without an offset goes on
  for (const line of lines(text)) {
    if (out.size >= maxEntries) break;
    if (line.startsWith("#EXT-X-STRATOS-SHA256:")) {
      digest = line.slice("#EXT-X-STRATOS-SHA256:".length).trim().toLowerCase();
    } else if (line.startsWith("#EXT-X-BYTERANGE:")) {
      range = line.slice("#EXT-X-BYTERANGE:".length).trim();
    } else if (line.startsWith("#EXT-X-MAP:")) {
      const list = attributes(line);
      const map = list.get("X-STRATOS-SHA256")?.toLowerCase();
      const key = keyOf(list.get("URI") ?? "", list.get("BYTERANGE"), 0, base);
      if (map && key) out.set(key.text, map);
    } else if (line !== "" && !line.startsWith("#")) {
      const key = keyOf(line, range, end, base);
      if (digest && key) out.set(key.text, digest);
      end = key?.end ?? 0;
      digest = range = undefined;
    }
  }
  return out;
}

function keyOf(uri: string, range: string | undefined, from: number, base: string) {
  const url = resolve(uri, base);
  if (!url) return undefined;
  const parts = /^(\d+)(?:@(\d+))?$/.exec(range ?? "");
  if (!parts) return { text: objectOf(url), end: 0 };
  const first = parts[2] === undefined ? from : Number(parts[2]);
  const end = first + Number(parts[1]);
  return { text: rangeKey(objectOf(url), first, end), end };
}

/** The key in {@link Digests} of the bytes from first to before end. */
export function rangeKey(object: string, first: number, end: number): string {
  return `${object}#${first}-${end - 1}`;
}

/**
 * The attribute list behind a tag's colon, quotes taken off; the first of two with one name. Read by hand, since a
 * regular expression takes quadratic time on a long line that is no list.
 */
export function attributes(line: string): Map<string, string> {
  const out = new Map<string, string>();
  let at = line.indexOf(":") + 1;
  while (at < line.length) {
    const equals = line.indexOf("=", at);
    if (equals < 0) break;
    const name = line.slice(at, equals).trim();
    const quoted = line[equals + 1] === '"';
    const from = equals + (quoted ? 2 : 1);
    let to = line.indexOf(quoted ? '"' : ",", from);
    if (to < 0) to = line.length;
    if (/^[A-Za-z0-9._-]{1,64}$/.test(name) && !out.has(name)) out.set(name, line.slice(from, to));
    const comma = quoted ? line.indexOf(",", to) : to;
    at = comma < 0 ? line.length : comma + 1;
  }
  return out;
}

function lines(text: string): string[] {
  return text.split("\n").map((line) => line.trim());
}

function resolve(uri: string, base: string): URL | undefined {
  try {
    return new URL(uri, base);
  } catch {
    return undefined;
  }
}
