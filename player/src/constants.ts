/**
 * Names of the events that the player adds to those of a `<video>`, and when they fire. All are CustomEvents on the
 * element; none bubbles.
 */
export const Events = {
  /** A session with a router is open. detail: {@link SessionInfo}. */
  SESSION: "stratos-session",
  /** Bytes did not have the digest that they must have; they were thrown away. detail: {@link IntegrityReport}. */
  INTEGRITY: "stratos-integrity",
  /** An object is taken from another edge than asked. detail: {@link FailoverReport}. */
  FAILOVER: "stratos-failover",
  /** The browser refused to play with sound, so it plays without. No detail. */
  AUTOPLAY_MUTED: "stratos-autoplay-muted",
  /** Playback cannot go on. detail: PlayerError. An ordinary `error` event follows. */
  ERROR: "stratos-error",
} as const;

/** What a page learns about a session when it opens. */
export interface SessionInfo {
  /** `"A"`: bound to this player's key. `"B"`: anonymous. `"none"`: an HLS stream that is not of Stratos. */
  class: "A" | "B" | "none";
  /** Origin of the router that answered; empty for `"none"`. */
  router: string;
  /** `namespace/path` of the bundle; empty for `"none"`. */
  name: string;
  ticketId?: string;
  root?: string;
  integrity?: string;
  edges: { id: string; url: string }[];
}

/** Evidence of bytes that are not what the publisher published. */
export interface IntegrityReport {
  /** Path of the object, `/namespace/path/file`, the same on every edge. */
  object: string;
  /** `first-last` for a part of an object, else empty. */
  range: string;
  /** SHA-256 in hex that the object must have and that it had. */
  expected: string;
  got: string;
  bytes: number;
  /** Edge that sent it. */
  edge: string;
  url: string;
  ticketId: string;
  /** Unix time in milliseconds. */
  time: number;
  /** Signature of {@link statement} with the session's key, base64url; empty in class B. */
  signature: string;
  /** The signed text: `stratos/integrity/v1` and the fields above, one a line. */
  statement: string;
}

/** Why an object was asked of another edge. */
export interface FailoverReport {
  object: string;
  from: string;
  to: string;
  reason: "slow" | "failed" | "corrupt" | "refused";
}
