import type Hls from "hls.js";
import { Events } from "hls.js";

/** A language or kind of sound, as media-chrome's audio menu shows it. */
export interface AudioTrack {
  readonly id: string;
  readonly kind: "main" | "alternative" | "descriptions";
  readonly label: string;
  readonly language: string;
  enabled: boolean;
}

/**
 * The list at `video.audioTracks` (HTML, section 4.8.11.10), which Chromium and Firefox lack: the renditions of hls.js.
 * Exactly one is enabled; enabling another switches.
 */
export class AudioTracks extends EventTarget {
  #list: AudioTrack[] = [];
  #hls: Hls | undefined;

  /** Shows the sound of an hls.js instance and follows it. */
  follow(hls: Hls): void {
    this.#hls = hls;
    const update = () => {
      if (this.#hls === hls) this.#set(hls.audioTracks);
    };
    hls.on(Events.AUDIO_TRACKS_UPDATED, update);
    hls.on(Events.AUDIO_TRACK_SWITCHED, () => this.dispatchEvent(new Event("change")));
  }

  /** Shows nothing, and lets hls.js go. */
  clear(): void {
    this.#hls = undefined;
    this.#set([]);
  }

  get length(): number {
    return this.#list.length;
  }

  [Symbol.iterator](): Iterator<AudioTrack> {
    return this.#list[Symbol.iterator]();
  }

  #set(tracks: Hls["audioTracks"]): void {
    const select = (index: number) => {
      if (this.#hls && this.#hls.audioTrack !== index) this.#hls.audioTrack = index;
    };
    const selected = () => this.#hls?.audioTrack;
    this.#list = tracks.map((track, index) => ({
      id: String(index),
      kind: track.characteristics?.includes("describes-video")
        ? "descriptions"
        : track.default
          ? "main"
          : "alternative",
      label: track.name,
      language: track.lang ?? "",
      get enabled() {
        return selected() === index;
      },
      set enabled(on: boolean) {
        if (on) select(index);
      },
    }));
    this.dispatchEvent(new Event(tracks.length > 0 ? "addtrack" : "removetrack"));
  }
}
