import { Edges } from "./edges.js";
import { limits, race } from "./race.js";
import type { Session } from "./session.js";
import { objectOf } from "./source.js";

/*
 * Poster and thumbnails. They are no part of the chain of digests, and are not shown as video. They come through the
 * same race as segments: a `<track>` that hangs at a dead edge would keep the video from starting (HTML waits for the
 * text tracks that are on), and a poster there would never show.
 */

/** The poster as a blob URL; the caller revokes it. Undefined when no edge has one. */
export async function loadPoster(session: Session, signal: AbortSignal): Promise<string | undefined> {
  const got = await load(session, session.poster, signal);
  return got && URL.createObjectURL(new Blob([got.bytes], { type: got.response.headers.get("Content-Type") ?? "" }));
}

/** The WebVTT file of thumbnails as a blob URL, its images with whole URLs at the edge that had it. */
export async function loadThumbnails(session: Session, signal: AbortSignal): Promise<string | undefined> {
  const got = await load(session, session.thumbnails, signal);
  if (!got) return undefined;
  const text = withWholeURLs(new TextDecoder().decode(got.bytes), got.url);
  return URL.createObjectURL(new Blob([text], { type: "text/vtt" }));
}

/** A file of thumbnails whose images are named relative to it, as one that can stand anywhere. */
export function withWholeURLs(text: string, base: string): string {
  return text.replace(/^(?!WEBVTT)\S+#xywh=[\d,]+[ \t]*$/gm, (uri) =>
    URL.canParse(uri, base) ? new URL(uri, base).href : "",
  );
}

async function load(session: Session, url: string, signal: AbortSignal) {
  if (!URL.canParse(url)) return undefined;
  // Edges of its own: that a video has no poster is nobody's failure.
  const edges = new Edges(session.edges.order());
  const want = { object: objectOf(new URL(url)), search: "", limit: limits.image };
  return race(want, edges, { verify: async () => "right" }, signal).catch(() => undefined);
}
