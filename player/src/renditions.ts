import type Hls from "hls.js";
import { Events } from "hls.js";

/** A rung of the ladder, as media-chrome's quality menu shows it. */
export interface Rendition {
  id: string;
  width: number;
  height: number;
  bitrate: number;
  frameRate: number;
  codec: string;
}

/**
 * The list of rungs at `video.videoRenditions` (the shape of the media-tracks proposal), which media-chrome's quality
 * menu reads and writes. selectedIndex is -1 while the rung is chosen automatically.
 */
export class Renditions extends EventTarget {
  #list: Rendition[] = [];
  #selected = -1;
  readonly [index: number]: Rendition;
  #hls: Hls | undefined;

  /** Shows the rungs of an hls.js instance and follows them. */
  follow(hls: Hls): void {
    this.#hls = hls;
    const update = () => {
      if (this.#hls === hls) this.#set(hls.levels);
    };
    hls.on(Events.MANIFEST_PARSED, update);
    hls.on(Events.LEVELS_UPDATED, update);
  }

  /** Index of the chosen rung in hls.js, -1 for its own choice. */
  #level(): number {
    const id = this.#list[this.#selected]?.id;
    return id === undefined ? -1 : (this.#hls?.levels.findIndex((level, i) => idOf(level, i) === id) ?? -1);
  }

  /** Shows no rungs, and lets hls.js go. */
  clear(): void {
    this.#hls = undefined;
    this.#set([]);
  }

  get length(): number {
    return this.#list.length;
  }

  [Symbol.iterator](): Iterator<Rendition> {
    return this.#list[Symbol.iterator]();
  }

  get selectedIndex(): number {
    return this.#selected;
  }

  set selectedIndex(index: number) {
    if (index === this.#selected) return;
    this.#selected = index;
    // nextLevel changes at the next segment without emptying what plays.
    if (this.#hls) this.#hls.nextLevel = this.#level();
    this.dispatchEvent(new Event("change"));
  }

  #set(levels: Hls["levels"]): void {
    const next = levels.map((level, i) => ({
      id: idOf(level, i),
      width: level.width,
      height: level.height,
      bitrate: level.bitrate,
      frameRate: level.frameRate,
      codec: level.videoCodec ?? "",
    }));
    if (JSON.stringify(next) === JSON.stringify(this.#list)) return;
    const id = this.#list[this.#selected]?.id;
    const self = this as unknown as Record<number, Rendition>;
    for (let i = 0; i < this.#list.length; i++) delete self[i];
    this.#list = next;
    next.forEach((rendition, i) => {
      self[i] = rendition;
    });
    this.#selected = id === undefined ? -1 : next.findIndex((r) => r.id === id);
    // What the viewer chose holds for a new start of hls.js too.
    if (this.#hls && this.#selected >= 0) this.#hls.loadLevel = this.#level();
    this.dispatchEvent(new Event(next.length ? "addrendition" : "removerendition"));
  }
}

/** A rung keeps its id on every edge. */
function idOf(level: Hls["levels"][number], index: number): string {
  return level.attrs["STABLE-VARIANT-ID"] ?? `${level.height}-${level.bitrate}-${index}`;
}
