/** Why playback cannot go on. The code never changes its meaning; the sentence may. */
export type ErrorCode =
  | "bad-src"
  | "not-found"
  | "deleted"
  | "banned"
  | "forbidden"
  | "no-edge"
  | "router-away"
  | "edges-away"
  | "offline"
  | "integrity"
  | "decode"
  | "unsupported";

interface Wording {
  sentence: string;
  hint: string;
  /** Code of the MediaError that a `<video>` would have: 2 network, 3 decode, 4 source not supported. */
  media: 2 | 3 | 4;
}

const wordings: Record<ErrorCode, Wording> = {
  "bad-src": { sentence: "This is not the address of a video.", hint: "Check the link.", media: 4 },
  "not-found": { sentence: "There is no video at this address.", hint: "Check the link.", media: 4 },
  deleted: { sentence: "The publisher has removed this video.", hint: "", media: 4 },
  banned: { sentence: "This video may not be shown any more.", hint: "", media: 4 },
  forbidden: { sentence: "You have no access to this video.", hint: "Sign in where you got the link.", media: 4 },
  "no-edge": { sentence: "No server can play this video at the moment.", hint: "Try again in a minute.", media: 2 },
  "router-away": { sentence: "The video network does not answer.", hint: "Try again in a minute.", media: 2 },
  "edges-away": { sentence: "The servers with this video do not answer.", hint: "Try again in a minute.", media: 2 },
  offline: { sentence: "You are offline.", hint: "Connect to the internet and try again.", media: 2 },
  integrity: {
    sentence: "The video that arrived is not the one that was published, so it is not shown.",
    hint: "Try again; if it stays, tell the publisher.",
    media: 2,
  },
  decode: { sentence: "Your browser cannot decode this video.", hint: "Try again, or another browser.", media: 3 },
  unsupported: { sentence: "Your browser cannot play this kind of video.", hint: "Try another browser.", media: 4 },
};

/** An error in a viewer's words, with what a support person wants to know. Shaped like a MediaError. */
export class PlayerError extends Error {
  override readonly name = "PlayerError";
  readonly reason: ErrorCode;
  /** As in MediaError: 2 network, 3 decode, 4 source not supported. */
  readonly code: 2 | 3 | 4;
  /** What the viewer may do; may be empty. */
  readonly hint: string;
  /** For "copy details": facts, one a line. */
  readonly details: string;

  constructor(reason: ErrorCode, details: string, options?: ErrorOptions) {
    super(wordings[reason].sentence, options);
    this.reason = reason;
    this.code = wordings[reason].media;
    this.hint = wordings[reason].hint;
    this.details = details;
  }
}

/** The error for an answer with this HTTP status. */
export function errorOfStatus(status: number, details: string): PlayerError {
  const reasons: Record<number, ErrorCode> = {
    400: "bad-src",
    401: "forbidden",
    402: "forbidden",
    403: "forbidden",
    404: "not-found",
    410: "deleted",
    451: "banned",
    503: "no-edge",
  };
  return new PlayerError(reasons[status] ?? "router-away", details);
}
