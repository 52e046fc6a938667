import Hls, { type ErrorData, ErrorDetails, ErrorTypes, type HlsConfig, Events as HlsEvents } from "hls.js";
import type { AudioTracks } from "./audio-tracks.js";
import { Events, type FailoverReport, type IntegrityReport, type SessionInfo } from "./constants.js";
import { errorOfStatus, PlayerError } from "./errors.js";
import { makeViewerKey } from "./key.js";
import { type LoaderHost, loaderFor } from "./loader.js";
import { readMultivariant } from "./playlist.js";
import type { Unavailable } from "./race.js";
import type { Renditions } from "./renditions.js";
import { type Opened, open, type Session } from "./session.js";
import type { Source } from "./source.js";

/** What a playback takes from the element's attributes. */
export interface PlaybackOptions {
  fallback: string[];
  pin: string | undefined;
  token: string | undefined;
  /** Where playback begins, in seconds. */
  start: number | undefined;
  /** Load no more than a start needs until {@link Playback.demand}. */
  modest: boolean;
  /** The viewer pays for bytes: low rungs, short buffer. */
  saveData: boolean;
  /** Seconds to load ahead; the usual without. */
  buffer: number | undefined;
  /** URL that CMCD events are posted to. Nothing is sent without. */
  collector: string | undefined;
}

/** What the menus of the element show. */
export interface Lists {
  renditions: Renditions;
  audioTracks: AudioTracks;
}

/** Sessions are not opened more often than this, in milliseconds; what waits for one waits that long. */
const renewEvery = 5_000;
/** A decoder that failed is started again when it last failed longer ago than this, in milliseconds. */
const recoverEvery = 10_000;
/**
 * Seconds to load ahead: at least, and at most where rungs are small. hls.js alone would go to 600, which somebody pays
 * for even if the viewer leaves.
 */
const ahead = { usual: [30, 60], frugal: [10, 20], modest: [1, 1] } as const;
/** Rungs higher than this many lines are left out while the viewer saves data. */
const frugalHeight = 480;

/** One source on one `<video>`: from the session to the last segment. Events are dispatched by emit. */
export class Playback implements LoaderHost {
  readonly source: Source;
  hls: Hls | undefined;
  renewals = 0;
  readonly #video: HTMLVideoElement;
  readonly #lists: Lists;
  readonly #options: PlaybackOptions;
  readonly #emit: (name: string, detail?: unknown) => void;
  readonly #controller = new AbortController();
  #session: Session | undefined;
  #key: Awaited<ReturnType<typeof makeViewerKey>>;
  #renewing: Promise<boolean> | undefined;
  #renewed = Number.NEGATIVE_INFINITY;
  #recovered = Number.NEGATIVE_INFINITY;
  #lastFailure: Unavailable | undefined;
  /** A new session named no edge but those that have lied. */
  #hopeless = false;
  /** The one error has been told. */
  #failed = false;
  /** The session has rungs that hls.js does not know. */
  #fuller = false;

  constructor(
    video: HTMLVideoElement,
    lists: Lists,
    source: Source,
    options: PlaybackOptions,
    emit: (name: string, detail?: unknown) => void,
  ) {
    this.source = source;
    this.#video = video;
    this.#lists = lists;
    this.#options = options;
    this.#emit = emit;
  }

  /** Opens the source and attaches it to the video. Failures are told by the error event. */
  async start(): Promise<void> {
    try {
      // Chromium says "maybe" to native HLS and then has neither our loader nor steering: MSE goes first.
      if (!Hls.isSupported()) return this.#startNative();
      this.#key = await makeViewerKey();
      const opened = await this.#open();
      if (this.#controller.signal.aborted) return;
      if (opened.kind === "file") this.#startFile(opened.url);
      else this.#startHls(opened);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Ends everything; the video is left without a source. */
  destroy(): void {
    this.#controller.abort();
    this.hls?.destroy();
    this.hls = undefined;
    this.#lists.renditions.clear();
    this.#lists.audioTracks.clear();
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  /** The viewer wants to see it: fills the buffer. */
  demand(): void {
    if (this.hls) Object.assign(this.hls.config, this.#ahead(false));
  }

  session(): Session {
    if (!this.#session) throw new Error("no session is open");
    return this.#session;
  }

  /** The session, if there is one: not for foreign streams, files and native playback. */
  get openSession(): Session | undefined {
    return this.#session;
  }

  onIntegrity(report: IntegrityReport): void {
    this.#emit(Events.INTEGRITY, report);
  }

  onFailover(report: FailoverReport): void {
    this.#emit(Events.FAILOVER, report);
  }

  renew(error: Unavailable, renewals: number): Promise<boolean> {
    this.#lastFailure = error;
    // Another request has failed in the same session before, and a new one is open.
    if (this.#hopeless) return Promise.resolve(false);
    if (renewals !== this.renewals) return Promise.resolve(true);
    this.#renewing ??= this.#renewNow().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renewNow(): Promise<boolean> {
    const wait = this.#renewed + renewEvery - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    if (this.#controller.signal.aborted) return false;
    this.#renewed = performance.now();
    const before = this.session();
    let opened: Opened;
    try {
      opened = await this.#open();
    } catch {
      return false;
    }
    if (opened.kind !== "session" || this.#controller.signal.aborted) return false;
    const { session } = opened;
    if (!before.growing && session.chain.integrity !== before.chain.integrity) {
      // The name has moved to another version, whose bytes do not fit to those that play.
      this.#swap(session);
      return false;
    }
    await this.#adopt(before, session);
    this.renewals++;
    this.#emit(Events.SESSION, infoOf(before));
    this.#hopeless = before.edges.order().length === 0;
    return !this.#hopeless;
  }

  /** Takes over a newer session of the same video. What is known of edges and segments stays. */
  async #adopt(before: Session, session: Session): Promise<void> {
    before.edges.renew(session.edges.list());
    const { ticketId, router, root, integrity, multivariant, url, growing } = session;
    if (before.growing) {
      this.#fuller ||= rungsOf(multivariant, url) !== rungsOf(before.multivariant, before.url);
      if (!growing) before.chain = session.chain.inherit(before.chain);
    }
    Object.assign(before, { class: session.class, ticketId, router, root, integrity, multivariant, url, growing });
  }

  /**
   * A video that was still being made when it started has more rungs by and by. They are taken up when the viewer
   * seeks, pauses or chooses a rung, since that needs a new start of the decoder.
   */
  async takeUp(): Promise<void> {
    const session = this.#session;
    // A video that ends pauses too, and must not start again.
    if (!session || !(session.growing || this.#fuller) || this.#video.ended) return;
    if (session.growing && performance.now() - this.#renewed > renewEvery) {
      this.#renewing ??= this.#renewNow().finally(() => {
        this.#renewing = undefined;
      });
      await this.#renewing;
    }
    if (this.#fuller && this.#session === session && !this.#controller.signal.aborted) this.#swap(session);
  }

  /** Starts hls.js anew on a session, where the viewer is. */
  #swap(session: Session): void {
    this.#fuller = false;
    const { currentTime, paused } = this.#video;
    this.hls?.destroy();
    this.#startHls({ kind: "session", session }, currentTime);
    if (!paused) void this.#video.play().catch(() => undefined);
  }

  #open(): Promise<Opened> {
    return open({
      source: this.source,
      fallback: this.#options.fallback,
      key: this.#key,
      pin: this.#options.pin,
      token: this.#options.token,
      signal: this.#controller.signal,
      onCorrupt: (report) => this.onIntegrity(report),
    });
  }

  #startHls(opened: Exclude<Opened, { kind: "file" }>, at = this.#options.start): void {
    this.#session = opened.kind === "session" ? opened.session : undefined;
    const info: SessionInfo = opened.kind === "session" ? infoOf(opened.session) : foreign;
    this.#emit(Events.SESSION, info);
    const hls = new Hls(this.#config(opened, at));
    this.hls = hls;
    hls.on(HlsEvents.ERROR, (_, data) => this.#onHlsError(hls, data));
    hls.on(HlsEvents.MANIFEST_PARSED, () => {
      if (!this.#options.saveData) return;
      hls.autoLevelCapping = Math.max(
        0,
        hls.levels.findLastIndex((level) => level.height <= frugalHeight),
      );
    });
    this.#lists.renditions.follow(hls);
    this.#lists.audioTracks.follow(hls);
    hls.attachMedia(this.#video);
    hls.loadSource(opened.kind === "session" ? opened.session.url : opened.url);
  }

  #config(opened: Opened, at: number | undefined): Partial<HlsConfig> {
    const { modest, saveData, collector } = this.#options;
    const loader = opened.kind === "session" ? { loader: loaderFor(this) } : {};
    return {
      ...loader,
      startPosition: at ?? -1,
      ...this.#patience(),
      ...this.#ahead(modest),
      backBufferLength: 60,
      // Both set the same property of hls.js; the cap of a viewer who saves data is the lower one.
      capLevelToPlayerSize: !saveData,
      ...(opened.kind === "session" ? { cmcd: cmcdOf(this.source.path, collector) } : {}),
    };
  }

  /**
   * hls.js does not repeat what failed without a status, as everything does while a viewer's network is away for a
   * moment, and gives playlists up after three seconds. Here both are tried seven times, with up to 8 s between.
   */
  #patience(): Pick<HlsConfig, "playlistLoadPolicy" | "fragLoadPolicy"> {
    const { playlistLoadPolicy, fragLoadPolicy } = Hls.DefaultConfig;
    const errorRetry: NonNullable<HlsConfig["fragLoadPolicy"]["default"]["errorRetry"]> = {
      maxNumRetry: 6,
      retryDelayMs: 1000,
      maxRetryDelayMs: 8000,
      shouldRetry: (config, count) => count < (config?.maxNumRetry ?? 0) && !this.#hopeless,
    };
    return {
      playlistLoadPolicy: { default: { ...playlistLoadPolicy.default, errorRetry } },
      fragLoadPolicy: { default: { ...fragLoadPolicy.default, errorRetry } },
    };
  }

  #ahead(modest: boolean): Pick<HlsConfig, "maxBufferLength" | "maxMaxBufferLength"> {
    const { buffer, saveData } = this.#options;
    const usual = buffer ? [buffer, buffer] : saveData ? ahead.frugal : ahead.usual;
    const [maxBufferLength, maxMaxBufferLength] = (modest ? ahead.modest : usual) as [number, number];
    return { maxBufferLength, maxMaxBufferLength };
  }

  #startNative(): void {
    const { source } = this;
    if (!this.#video.canPlayType("application/vnd.apple.mpegurl")) {
      throw new PlayerError("unsupported", "no Media Source Extensions and no native HLS");
    }
    // The router answers the playlist itself, with tickets of class B in it.
    const isTicketed = source.url.includes("/t/");
    const url = source.isPlaylist && !isTicketed ? source.url : `${source.origin}${source.path}/${source.playlist}`;
    this.#startFile(url);
  }

  #startFile(url: string): void {
    this.#emit(Events.SESSION, foreign);
    const { start } = this.#options;
    this.#video.addEventListener(
      "error",
      () =>
        this.#fail(
          new PlayerError(
            this.#video.error?.code === 3 ? "decode" : "unsupported",
            `${url}: ${this.#video.error?.message}`,
          ),
        ),
      { signal: this.#controller.signal },
    );
    this.#video.src = start ? `${url}#t=${start}` : url;
  }

  #onHlsError(hls: Hls, data: ErrorData): void {
    if (!data.fatal) {
      if (this.#hopeless && data.type === ErrorTypes.NETWORK_ERROR) this.#endWithBuffer(hls, this.#errorOf(data));
      return;
    }
    if (data.type === ErrorTypes.MEDIA_ERROR && performance.now() - this.#recovered > recoverEvery && !isCodec(data)) {
      this.#recovered = performance.now();
      hls.recoverMediaError();
      return;
    }
    hls.stopLoad();
    this.#fail(this.#errorOf(data));
  }

  /** hls.js would try rungs and pathways of the same edges. What has been verified may be seen to its end. */
  #endWithBuffer(hls: Hls, error: PlayerError): void {
    hls.stopLoad();
    if (this.#video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) return this.#fail(error);
    this.#video.addEventListener("waiting", () => this.#fail(error), { once: true, signal: this.#controller.signal });
  }

  #errorOf(data: ErrorData): PlayerError {
    const details = `${data.details}: ${data.error.message}; ${data.url ?? data.frag?.url ?? ""}`;
    if (data.type === ErrorTypes.MEDIA_ERROR) return new PlayerError(isCodec(data) ? "unsupported" : "decode", details);
    if (data.type !== ErrorTypes.NETWORK_ERROR) return new PlayerError("decode", details);
    const edges = this.#session?.edges.list() ?? [];
    if (this.#lastFailure?.corrupt || (edges.length > 0 && edges.every((e) => e.standing === "bad"))) {
      return new PlayerError("integrity", details);
    }
    if (!navigator.onLine) return new PlayerError("offline", details);
    const settled = this.#lastFailure?.statuses.find((status) => status === 410 || status === 451);
    return settled ? errorOfStatus(settled, details) : new PlayerError("edges-away", details);
  }

  #fail(error: unknown): void {
    if (this.#controller.signal.aborted || this.#failed) return;
    this.#failed = true;
    const known =
      error instanceof PlayerError ? error : new PlayerError("router-away", String(error), { cause: error });
    this.#emit(Events.ERROR, known);
  }
}

const foreign: SessionInfo = { class: "none", router: "", name: "", edges: [] };

function infoOf(session: Session): SessionInfo {
  return {
    class: session.class,
    router: session.router,
    name: session.path.slice(1),
    ...(session.ticketId ? { ticketId: session.ticketId } : {}),
    ...(session.root ? { root: session.root } : {}),
    integrity: session.chain.integrity,
    edges: session.edges.list().map(({ id, base }) => ({ id, url: new URL(base).origin })),
  };
}

/** The rungs of a multivariant playlist, to compare. */
function rungsOf(multivariant: string, url: string): string {
  return readMultivariant(multivariant, url).rungs.sort().join(" ");
}

function isCodec(data: ErrorData): boolean {
  return [ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR, ErrorDetails.BUFFER_ADD_CODEC_ERROR].includes(data.details);
}

/** Common Media Client Data, version 2, in the query; reports to a collector only where the page names one. */
function cmcdOf(path: string, collector: string | undefined): NonNullable<HlsConfig["cmcd"]> {
  return {
    version: 2,
    contentId: path.slice(1, 65),
    useHeaders: false,
    ...(collector ? { eventTargets: [{ url: collector, events: ["ps", "e", "bc", "rr", "t"], interval: 10 }] } : {}),
  };
}
