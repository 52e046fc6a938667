/** What a `src` asks for. */
export interface Source {
  /** The URL itself, without its fragment. */
  url: string;
  /** Origin of the host in the URL: a router, an edge, or somebody else's server. */
  origin: string;
  /** Path of the bundle or object in the network, `/namespace/path`, without a ticket and without `master.m3u8`. */
  path: string;
  /** Name of the multivariant playlist in the bundle. */
  playlist: string;
  /** Whether the URL names a playlist itself, so that it may be an HLS stream of a foreign host. */
  isPlaylist: boolean;
  /** Start in seconds, of `#t=`, or undefined. */
  start: number | undefined;
}

/** Takes a `src` apart; undefined when it is no http(s) URL. */
export function parseSource(src: string, base: string): Source | undefined {
  let url: URL;
  try {
    url = new URL(src, base);
  } catch {
    return undefined;
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  const start = startOf(url.hash);
  url.hash = "";
  // Tickets are short-lived and bound to an edge: a copied URL is known by its path.
  const path = objectOf(url);
  const playlist = /\/([^/]+\.m3u8)$/.exec(path)?.[1];
  return {
    url: url.href,
    origin: url.origin,
    path: playlist ? path.slice(0, -playlist.length - 1) : path.replace(/\/+$/, ""),
    playlist: playlist ?? "master.m3u8",
    isPlaylist: playlist !== undefined,
    start,
  };
}

/** Path of an object in the network: that of its URL on any edge, without the ticket. */
export function objectOf(url: URL): string {
  return url.pathname.replace(/^\/t\/[^/]+(?=\/)/, "");
}

/** What stands before the object's path in a URL of an edge, `https://edge/t/ticket`; undefined without a ticket. */
export function baseOf(url: URL): string | undefined {
  const ticket = /^\/t\/[^/]+(?=\/)/.exec(url.pathname);
  return ticket ? url.origin + ticket[0] : undefined;
}

/** Seconds of a media fragment (W3C Media Fragments, normal play time): `#t=90`, `#t=1:30`, `#t=npt:0:01:30.5,100`. */
export function startOf(hash: string): number | undefined {
  const value = new URLSearchParams(hash.replace(/^#/, "")).get("t");
  const parts = /^(?:npt:)?(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d*)?)s?(?:,.*)?$/.exec(value ?? "");
  if (!parts) return undefined;
  return Number(parts[1] ?? 0) * 3600 + Number(parts[2] ?? 0) * 60 + Number(parts[3]);
}
