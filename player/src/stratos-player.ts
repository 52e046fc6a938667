import { AudioTracks } from "./audio-tracks.js";
import { Events } from "./constants.js";
import { PlayerError } from "./errors.js";
import { loadPoster, loadThumbnails } from "./extras.js";
import { mirrored, mirroredEvents, passedOn } from "./mirror.js";
import { Playback, type PlaybackOptions } from "./playback.js";
import { recall, remember } from "./positions.js";
import { Renditions } from "./renditions.js";
import { parseSource } from "./source.js";
import { statsOf } from "./stats.js";
import { markup, style } from "./template.js";

/** Attributes that make another playback. */
const sourceAttributes = ["src", "fallback", "integrity", "token"];

/**
 * `<stratos-player>`: plays a video of a Stratos network, or any HLS stream, like a `<video>`. Every playlist and
 * segment of a Stratos video is verified before it is decoded, and taken from another edge when it is slow or wrong.
 *
 * Properties, methods and events of `<video>` are there and do the same: `currentTime`, `play()`, `timeupdate` and the
 * rest. Keys are those of media-chrome: space and k, m, f, c, p, arrows, j and l, < and >, and 0 to 9.
 *
 * @attr {string} src - URL of a video at a router, of its `master.m3u8`, of either at an edge, or of any HLS stream; `#t=90` starts there
 * @attr {string} fallback - URLs of further routers, with spaces between them, for when that of `src` does not answer
 * @attr {string} integrity - `sha256-…` of the video: plays this version and no other, and trusts no router
 * @attr {string} token - passed to the router when it opens the session
 * @attr {string} poster - URL of an image to show before playback; the video's own without
 * @attr {string} name - what the video is called, for screen readers
 * @attr {boolean} autoplay - plays as soon as it can; without sound where the browser does not allow sound
 * @attr {boolean} muted - starts without sound
 * @attr {boolean} loop - starts again at the end
 * @attr {"none"|"metadata"|"auto"} preload - what is loaded before the viewer asks: nothing, the start (default), as much as in playback
 * @attr {boolean} resume - goes on where the viewer left this video, remembered in this browser
 * @attr {"auto"|"dark"|"light"} theme - colours of the controls; auto follows the system
 * @attr {boolean} nocontrols - shows no controls
 * @attr {boolean} nohotkeys - takes no keys
 * @attr {boolean} stats - shows the statistics
 * @attr {number} buffer - seconds to load ahead of the viewer, 30 to 60 without
 * @attr {string} collector - URL that CMCD version 2 events are posted to; nothing is posted without
 * @attr {boolean} disablepictureinpicture - as of `<video>`
 * @attr {boolean} disableremoteplayback - as of `<video>`
 *
 * @fires stratos-session - a session with a router is open; detail: SessionInfo
 * @fires stratos-integrity - wrong bytes came and were thrown away; detail: IntegrityReport
 * @fires stratos-failover - an object is taken from another edge; detail: FailoverReport
 * @fires stratos-autoplay-muted - the browser allowed autoplay only without sound
 * @fires stratos-error - playback cannot go on; detail: PlayerError
 *
 * @slot - tracks: `<track>` elements, as in `<video>`
 *
 * @csspart controller - everything but the error and the statistics
 * @csspart video - the video
 * @csspart poster - the image before playback
 * @csspart loading - the sign that data is awaited
 * @csspart controls - both bars
 * @csspart bar - one bar
 * @csspart range-bar - the bar with the time range
 * @csspart button-bar - the bar with the buttons
 * @csspart button - any button
 * @csspart play-button - the play button
 * @csspart settings-button - the settings button
 * @csspart time-range - the range to seek in
 * @csspart volume-range - the range of the volume
 * @csspart time - the time display
 * @csspart menu - any menu
 * @csspart settings-menu - the settings menu
 * @csspart context-menu - the menu on a right click
 * @csspart unmute - the button after autoplay without sound
 * @csspart stats - the statistics
 * @csspart error - the error
 *
 * @cssproperty --stratos-accent - colour of what is selected or played
 * @cssproperty --stratos-text - colour of text and icons
 * @cssproperty --stratos-surface - background of bars and menus
 * @cssproperty --stratos-hover - background under the pointer
 * @cssproperty --stratos-background - what is behind the video
 * @cssproperty --stratos-font - font of the controls
 * @cssproperty --stratos-aspect-ratio - shape of the element, 16 / 9 without
 * @cssproperty --stratos-tooltip-display - `none` hides the tooltips
 */
export class StratosPlayer extends mirrored() {
  static get observedAttributes(): string[] {
    return [...sourceAttributes, ...passedOn, "autoplay", "muted", "poster", "name", "nohotkeys", "stats", "preload"];
  }

  readonly #video: HTMLVideoElement;
  readonly #lists = { renditions: new Renditions(), audioTracks: new AudioTracks() };
  #playback: Playback | undefined;
  #error: PlayerError | undefined;
  #planned = false;
  /** Where playback was when it failed: there it goes on. */
  #failedAt: number | undefined;
  #listening: AbortController | undefined;
  /** Alive while poster and thumbnails of a session are shown. */
  #extras: AbortController | undefined;
  #remembered = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    root.innerHTML = `<style>${style}</style>${markup}`;
    this.#video = this.#part("video");
    // Where media-chrome's menus look for rungs and sound. Safari has the latter itself.
    const { renditions, audioTracks } = this.#lists;
    Object.assign(this.#video, { videoRenditions: renditions });
    if (!("audioTracks" in this.#video)) Object.assign(this.#video, { audioTracks });
    for (const name of ["addtrack", "removetrack"]) {
      audioTracks.addEventListener(name, () => {
        this.#part(".audio").hidden = audioTracks.length < 2;
      });
    }
    this.#part("stratos-stats-display").source = () => statsOf(this.#video, this.#playback);
  }

  get media(): HTMLVideoElement {
    return this.#video;
  }

  /** The element's src; setting it starts another playback. */
  get src(): string {
    return this.getAttribute("src") ?? "";
  }

  set src(url: string) {
    this.setAttribute("src", url);
  }

  get autoplay(): boolean {
    return this.hasAttribute("autoplay");
  }

  set autoplay(on: boolean) {
    this.toggleAttribute("autoplay", on);
  }

  get loop(): boolean {
    return this.hasAttribute("loop");
  }

  set loop(on: boolean) {
    this.toggleAttribute("loop", on);
  }

  get poster(): string {
    return this.getAttribute("poster") ?? "";
  }

  set poster(url: string) {
    this.setAttribute("poster", url);
  }

  get preload(): "none" | "metadata" | "auto" {
    const value = this.getAttribute("preload");
    return value === "none" || value === "auto" ? value : "metadata";
  }

  set preload(value: "none" | "metadata" | "auto") {
    this.setAttribute("preload", value);
  }

  /** Whether there is sound, now. The attribute says how it begins. */
  get muted(): boolean {
    return this.#video.muted;
  }

  set muted(on: boolean) {
    this.#video.muted = on;
  }

  get defaultMuted(): boolean {
    return this.hasAttribute("muted");
  }

  set defaultMuted(on: boolean) {
    this.toggleAttribute("muted", on);
  }

  /** Why playback cannot go on, or null. Its code is that of a MediaError. */
  get error(): PlayerError | null {
    return this.#error ?? null;
  }

  /** Plays; resolves and rejects as `<video>` does. */
  play(): Promise<void> {
    this.#begin();
    return this.#video.play();
  }

  /** Starts the source anew. */
  load(): void {
    this.#stop();
    this.#begin();
  }

  requestPictureInPicture(): Promise<PictureInPictureWindow> {
    return this.#video.requestPictureInPicture();
  }

  connectedCallback(): void {
    this.#listen();
    this.#plan();
  }

  disconnectedCallback(): void {
    // An element that is only moved comes back before this runs.
    queueMicrotask(() => {
      if (this.isConnected) return;
      this.#unlisten();
      this.#stop();
    });
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (sourceAttributes.includes(name) || name === "preload" || name === "autoplay") this.#plan(name);
    else if (name === "muted") this.#video.muted = this.#video.defaultMuted = after !== null;
    else if (name === "poster") this.#showPoster();
    else if (name === "name") this.#name();
    else if (name === "nohotkeys") this.#part("media-controller").toggleAttribute("nohotkeys", after !== null);
    else if (name === "stats") this.#part("stratos-stats-display").hidden = after === null;
    else this.#video.toggleAttribute(name, after !== null);
  }

  /** Several attributes set in one go make one playback. */
  #plan(changed?: string): void {
    if (changed && sourceAttributes.includes(changed)) this.#stop();
    if (this.#planned) return;
    this.#planned = true;
    queueMicrotask(() => {
      this.#planned = false;
      if (!this.isConnected || this.#playback || !this.src) return;
      if (this.autoplay || this.preload !== "none") this.#begin();
      if (this.autoplay) void this.#autoplay();
    });
  }

  /** Opens the source if that has not been done. */
  #begin(at?: number): void {
    if (this.#playback || !this.src) return;
    this.#showError(undefined);
    const source = parseSource(this.src, document.baseURI);
    if (!source) return this.#fail(new PlayerError("bad-src", `src is ${this.src}`));
    const options = this.#options(source.path, at ?? source.start);
    const playback = new Playback(this.#video, this.#lists, source, options, (name, detail) => {
      if (this.#playback === playback) this.#tell(name, detail);
    });
    this.#playback = playback;
    void playback.start();
  }

  #retry(): void {
    const at = this.#failedAt;
    this.#stop();
    this.#begin(at);
  }

  #stop(): void {
    const playback = this.#playback;
    this.#playback = undefined;
    playback?.destroy();
    this.#hideSession();
    this.#showError(undefined);
  }

  #options(name: string, start: number | undefined): PlaybackOptions {
    const text = (attribute: string) => this.getAttribute(attribute) || undefined;
    const connection = (navigator as { connection?: { saveData?: boolean } }).connection;
    return {
      fallback: (text("fallback") ?? "")
        .split(/\s+/)
        .flatMap((url) => (URL.canParse(url) ? [new URL(url).origin] : [])),
      pin: text("integrity"),
      token: text("token"),
      collector: text("collector"),
      buffer: Number(text("buffer")) > 0 ? Number(text("buffer")) : undefined,
      start: start ?? (this.hasAttribute("resume") ? recall(name) : undefined),
      modest: !this.autoplay && this.preload === "metadata" && this.#video.paused,
      saveData: connection?.saveData === true || matchMedia("(prefers-reduced-data: reduce)").matches,
    };
  }

  async #autoplay(): Promise<void> {
    try {
      await this.#video.play();
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError" || this.#video.muted) return;
      this.#video.muted = true;
      try {
        await this.#video.play();
        this.#part(".unmute").hidden = false;
        this.#tell(Events.AUTOPLAY_MUTED);
      } catch {
        // Not even without sound: the viewer presses play.
        this.#video.muted = false;
      }
    }
  }

  #tell(name: string, detail?: unknown): void {
    if (name === Events.ERROR && detail instanceof PlayerError) return this.#fail(detail);
    if (name === Events.SESSION) this.#showSession();
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #fail(error: PlayerError): void {
    this.#failedAt = this.#video.currentTime || undefined;
    this.#showError(error);
    this.dispatchEvent(new CustomEvent(Events.ERROR, { detail: error }));
    this.dispatchEvent(new Event("error"));
  }

  #showError(error: PlayerError | undefined): void {
    this.#error = error;
    this.#part("stratos-error-display").error = error;
  }

  /** Poster and thumbnails come with the session; a poster of the page goes first. */
  #showSession(): void {
    const session = this.#playback?.openSession;
    if (!session || this.#extras) return;
    this.#extras = new AbortController();
    const { signal } = this.#extras;
    const keep = (show: (url: string) => void) => (url: string | undefined) => {
      if (!url) return;
      signal.addEventListener("abort", () => URL.revokeObjectURL(url), { once: true });
      if (signal.aborted) URL.revokeObjectURL(url);
      else show(url);
    };
    if (!this.poster) void loadPoster(session, signal).then(keep((url) => this.#showPoster(url)));
    void loadThumbnails(session, signal).then(keep((url) => this.#showThumbnails(url)));
  }

  #hideSession(): void {
    this.#extras?.abort();
    this.#extras = undefined;
    this.#showPoster();
    this.#showThumbnails();
  }

  #showPoster(own = ""): void {
    const url = this.poster || own;
    const image = this.#part("media-poster-image");
    if (url) image.setAttribute("src", url);
    else image.removeAttribute("src");
  }

  #showThumbnails(url = ""): void {
    this.#video.querySelector("track.thumbnails")?.remove();
    if (!url) return;
    const track = document.createElement("track");
    track.className = "thumbnails";
    Object.assign(track, { kind: "metadata", label: "thumbnails", src: url, default: true });
    this.#video.append(track);
  }

  #name(): void {
    const name = this.getAttribute("name");
    const controller = this.#part("media-controller");
    if (name) controller.setAttribute("aria-label", `video player: ${name}`);
    else controller.removeAttribute("aria-label");
  }

  /** Tracks that the page gives, as copies: elements of the page cannot be in two places. */
  #takeTracks(): void {
    for (const track of this.#video.querySelectorAll("track.given")) track.remove();
    for (const track of this.querySelectorAll("track")) {
      const copy = track.cloneNode() as HTMLTrackElement;
      copy.classList.add("given");
      this.#video.append(copy);
    }
  }

  #listen(): void {
    if (this.#listening) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const on = (target: EventTarget, name: string, run: (event: Event) => void) =>
      target.addEventListener(name, run, { signal });

    for (const name of mirroredEvents) on(this.#video, name, (event) => this.#mirror(event));
    on(this.#part("slot"), "slotchange", () => this.#takeTracks());
    on(this.#video, "play", () => {
      this.#begin();
      this.#playback?.demand();
    });
    on(this.#video, "seeking", () => {
      this.#playback?.demand();
      void this.#playback?.takeUp();
    });
    on(this.#video, "pause", () => void this.#playback?.takeUp());
    on(this.#lists.renditions, "change", () => void this.#playback?.takeUp());
    on(this.#video, "timeupdate", () => this.#remember(5_000));
    on(this.#video, "pause", () => this.#remember(0));
    on(window, "pagehide", () => this.#remember(0));
    on(this.#video, "volumechange", () => {
      if (!this.#video.muted) this.#part(".unmute").hidden = true;
    });
    on(this.#part(".unmute"), "click", () => {
      this.#video.muted = false;
    });
    on(this.#part("stratos-error-display"), "retry", () => {
      this.#retry();
      void this.#video.play().catch(() => undefined);
    });
    on(window, "online", () => {
      if (this.#error?.reason === "offline") this.#retry();
    });
    on(this, "contextmenu", (event) => this.#openMenu(event as MouseEvent));
    on(this.#part("stratos-context-menu"), "choose", (event) => this.#choose((event as CustomEvent<string>).detail));
  }

  #unlisten(): void {
    this.#listening?.abort();
    this.#listening = undefined;
  }

  #mirror(event: Event): void {
    this.dispatchEvent(new Event(event.type));
  }

  #remember(every: number): void {
    const now = performance.now();
    const { currentTime, duration } = this.#video;
    if (!this.hasAttribute("resume") || !this.#playback || !duration || now - this.#remembered < every) return;
    this.#remembered = now;
    remember(this.#playback.source.path, currentTime, duration);
  }

  #openMenu(event: MouseEvent): void {
    if (this.hasAttribute("nocontrols")) return;
    event.preventDefault();
    const box = this.getBoundingClientRect();
    this.#part("stratos-context-menu").open(event.clientX - box.x, event.clientY - box.y);
  }

  #choose(choice: string): void {
    const stats = this.#part("stratos-stats-display");
    if (choice === "stats") stats.hidden = !stats.hidden;
    const link = `${location.href.split("#")[0]}#t=${Math.floor(this.#video.currentTime)}`;
    if (choice === "link") void navigator.clipboard?.writeText(link).catch(() => undefined);
  }

  #part<Name extends keyof HTMLElementTagNameMap>(selector: Name): HTMLElementTagNameMap[Name];
  #part(selector: string): HTMLElement;
  #part(selector: string): HTMLElement {
    const element = this.shadowRoot?.querySelector<HTMLElement>(selector);
    if (!element) throw new Error(`the template has no ${selector}`);
    return element;
  }
}

if (!customElements.get("stratos-player")) customElements.define("stratos-player", StratosPlayer);

declare global {
  interface HTMLElementTagNameMap {
    "stratos-player": StratosPlayer;
  }
}
