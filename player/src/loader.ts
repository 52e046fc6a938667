import type { Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats } from "hls.js";
import Hls, { LoadStats } from "hls.js";
import type { Verdict } from "./chain.js";
import type { FailoverReport, IntegrityReport } from "./constants.js";
import { type Got, limits, race, Unavailable, type Want, wantKey } from "./race.js";
import { evidence, type Session } from "./session.js";
import { objectOf } from "./source.js";
import { readSteering } from "./steering.js";

/** What the loader needs of the playback that it works for. */
export interface LoaderHost {
  /** The session now; another one after a renewal. */
  session(): Session;
  /** How often the session was renewed. */
  readonly renewals: number;
  /**
   * Opens a new session because no edge delivers in the one that had been renewed so often. True when there is another
   * one by then, false when that did not help.
   */
  renew(error: Unavailable, renewals: number): Promise<boolean>;
  onIntegrity(report: IntegrityReport): void;
  onFailover(report: FailoverReport): void;
}

/**
 * A loader class for hls.js: playlists and segments come from whichever edge of the session delivers them first, and
 * reach hls.js only when their digest is right. hls.js's URLs name the object and the edge to ask first.
 */
export function loaderFor(host: LoaderHost): typeof Hls.DefaultConfig.loader {
  const Plain = Hls.DefaultConfig.loader;

  return class StratosLoader implements Loader<LoaderContext> {
    context: LoaderContext | null = null;
    stats: LoaderStats = new LoadStats();
    #response: Response | undefined;
    #controller = new AbortController();
    #callbacks: LoaderCallbacks<LoaderContext> | undefined;
    readonly #plain: Loader<LoaderContext>;

    constructor(config: ConstructorParameters<typeof Plain>[0]) {
      this.#plain = new Plain(config);
    }

    load(context: LoaderContext, config: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>): void {
      this.context = context;
      this.#callbacks = callbacks;
      this.stats.loading.start = performance.now();
      const type: string = context.type;
      if (type === "manifest") {
        void this.#answerManifest(context, callbacks);
      } else if (["level", "audioTrack", "subtitleTrack", "media-fragment"].includes(type)) {
        void this.#loadVerified(context, callbacks);
      } else {
        // Steering manifests and keys are not the publisher's files.
        this.stats = this.#plain.stats;
        this.#plain.load(context, config, type === "steering-manifest" ? this.#listening(callbacks) : callbacks);
      }
    }

    abort(): void {
      if (!this.stats.loading.end) this.stats.aborted = true;
      this.#controller.abort();
      this.#plain.abort();
      const callbacks = this.#callbacks;
      this.#callbacks = undefined;
      if (this.context) callbacks?.onAbort?.(this.stats, this.context, this.#response ?? null);
    }

    destroy(): void {
      this.#callbacks = undefined;
      this.#controller.abort();
      this.#plain.destroy();
    }

    getCacheAge(): number | null {
      const age = this.#response?.headers.get("Age");
      return age ? Number.parseFloat(age) : null;
    }

    getResponseHeader(name: string): string | null {
      return this.#response?.headers.get(name) ?? null;
    }

    /** The multivariant playlist came with the session and was checked then. */
    async #answerManifest(context: LoaderContext, callbacks: LoaderCallbacks<LoaderContext>): Promise<void> {
      await Promise.resolve();
      const { multivariant, url } = host.session();
      const { loading } = this.stats;
      loading.first = loading.end = performance.now();
      this.stats.loaded = this.stats.total = multivariant.length;
      if (this.#callbacks) callbacks.onSuccess({ url, data: multivariant, code: 200 }, this.stats, context, null);
    }

    async #loadVerified(context: LoaderContext, callbacks: LoaderCallbacks<LoaderContext>): Promise<void> {
      try {
        const got = await this.#get(context);
        if (!this.#callbacks) return;
        this.#response = got.response;
        // The bandwidth is that of the edge that won, not of the wait for another one.
        Object.assign(this.stats.loading, { start: got.start, first: got.first, end: got.end });
        this.stats.loaded = this.stats.total = got.bytes.length;
        const segment = isSegment(context);
        const data = segment ? got.bytes.buffer : new TextDecoder().decode(got.bytes);
        if (segment) callbacks.onProgress?.(this.stats, context, data, got.response);
        callbacks.onSuccess({ url: got.url, data, code: got.response.status }, this.stats, context, got.response);
      } catch (error) {
        if (!this.#callbacks || this.#controller.signal.aborted) return;
        const code = error instanceof Unavailable ? (error.statuses.find((s) => s > 0) ?? 0) : 0;
        callbacks.onError({ code, text: String(error) }, context, null, this.stats);
      }
    }

    /** Steering names edges besides those that the session began with. */
    #listening(callbacks: LoaderCallbacks<LoaderContext>): LoaderCallbacks<LoaderContext> {
      return {
        ...callbacks,
        onSuccess: (response, ...rest) => {
          for (const edge of readSteering(response.data)) host.session().edges.add(edge);
          callbacks.onSuccess(response, ...rest);
        },
      };
    }

    async #get(context: LoaderContext): Promise<Got> {
      const { renewals } = host;
      try {
        return await this.#raceOnce(context);
      } catch (error) {
        if (!(error instanceof Unavailable) || !(await host.renew(error, renewals))) throw error;
        return this.#raceOnce(context);
      }
    }

    async #raceOnce(context: LoaderContext): Promise<Got> {
      const session = host.session();
      const want = wantOf(context);
      const got = await race(
        want,
        session.edges,
        {
          verify: async (bytes, edge, url) => {
            if (!isSegment(context) && (await session.chain.isFinal(want.object, bytes))) return "stale";
            const verdict = await check(session, context, want, bytes, url);
            if (verdict.ok) return "right";
            const range = wantKey(want).split("#")[1] ?? "";
            const { expected, got } = verdict;
            const facts = { object: want.object, range, expected, got, bytes: bytes.length, edge: edge.id, url };
            host.onIntegrity(await evidence(session, facts));
            return "wrong";
          },
          progress: (loaded, total) => {
            this.stats.loaded = loaded;
            this.stats.total = total;
            this.stats.loading.first ||= performance.now();
          },
          failover: (report) => host.onFailover(report),
        },
        this.#controller.signal,
      );
      if (isSegment(context)) {
        const item = { object: want.object, first: want.range?.first ?? 0, length: got.bytes.length };
        session.ledger.add(got.edge.id, item);
      }
      return got;
    }
  };
}

function wantOf(context: LoaderContext): Want {
  const url = new URL(context.url);
  const range = context.rangeEnd ? { first: context.rangeStart ?? 0, end: context.rangeEnd } : undefined;
  return {
    object: objectOf(url),
    search: url.search,
    ...(range ? { range } : {}),
    preferred: url.origin,
    limit: isSegment(context) ? limits.segment : limits.playlist,
  };
}

function check(
  session: Session,
  context: LoaderContext,
  want: Want,
  bytes: Uint8Array<ArrayBuffer>,
  url: string,
): Promise<Verdict> {
  return isSegment(context)
    ? session.chain.segment(wantKey(want), bytes)
    : session.chain.playlist(want.object, bytes, url);
}

function isSegment(context: LoaderContext): boolean {
  return (context.type as string) === "media-fragment";
}
