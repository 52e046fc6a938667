/*
 * The part of a `<video>` that the element offers as its own. Everything is read from the inner video and written to
 * it: nothing is remembered twice.
 */

const readable = [
  "buffered",
  "currentSrc",
  "duration",
  "ended",
  "networkState",
  "paused",
  "played",
  "readyState",
  "seekable",
  "seeking",
  "textTracks",
  "videoHeight",
  "videoWidth",
] as const;

const writable = [
  "currentTime",
  "defaultPlaybackRate",
  "playbackRate",
  "preservesPitch",
  "volume",
  "disablePictureInPicture",
] as const;

const methods = [
  "addTextTrack",
  "canPlayType",
  "getVideoPlaybackQuality",
  "pause",
  "requestVideoFrameCallback",
  "cancelVideoFrameCallback",
] as const;

/** Boolean attributes of the element that the inner video has too. */
export const passedOn = ["loop", "disablepictureinpicture", "disableremoteplayback"] as const;

/** Events of the inner video that the element dispatches again, as `<video>` itself would: without bubbling. */
export const mirroredEvents = [
  "abort",
  "canplay",
  "canplaythrough",
  "durationchange",
  "emptied",
  "ended",
  "enterpictureinpicture",
  "leavepictureinpicture",
  "loadeddata",
  "loadedmetadata",
  "loadstart",
  "pause",
  "play",
  "playing",
  "progress",
  "ratechange",
  "resize",
  "seeked",
  "seeking",
  "stalled",
  "suspend",
  "timeupdate",
  "volumechange",
  "waiting",
] as const;

/** What of HTMLVideoElement is mirrored as it is. */
export type Mirror = Pick<
  HTMLVideoElement,
  (typeof readable)[number] | (typeof writable)[number] | (typeof methods)[number]
>;

/** An element class with the mirror of the video that `media` returns. */
export abstract class MediaHost extends HTMLElement {
  /** The inner video. Its source belongs to the player. */
  abstract get media(): HTMLVideoElement;
}

/** Adds the mirrored members to a class. Done on the prototype once, so that they cost nothing per element. */
export function mirrored(): abstract new () => MediaHost & Mirror {
  abstract class Mirrored extends MediaHost {}
  for (const name of readable) define(Mirrored.prototype, name, false);
  for (const name of writable) define(Mirrored.prototype, name, true);
  for (const name of methods) {
    Object.defineProperty(Mirrored.prototype, name, {
      configurable: true,
      value(this: MediaHost, ...args: unknown[]) {
        return (this.media[name] as (...args: unknown[]) => unknown)(...args);
      },
    });
  }
  return Mirrored as unknown as abstract new () => MediaHost & Mirror;
}

function define(prototype: MediaHost, name: (typeof readable)[number] | (typeof writable)[number], set: boolean): void {
  Object.defineProperty(prototype, name, {
    configurable: true,
    enumerable: true,
    get(this: MediaHost) {
      return this.media[name];
    },
    ...(set
      ? {
          set(this: MediaHost, value: never) {
            (this.media as Record<(typeof writable)[number], unknown>)[name as (typeof writable)[number]] = value;
          },
        }
      : {}),
  });
}
