import type { Playback } from "./playback.js";
import type { Stats } from "./stratos-stats-display.js";

/** The statistics of a playback, in the words of whoever looks into a problem. */
export function statsOf(video: HTMLVideoElement, playback: Playback | undefined): Stats {
  const hls = playback?.hls;
  const session = playback?.openSession;
  const level = hls?.levels[hls.currentLevel];
  const quality = video.getVideoPlaybackQuality();
  const lines: Stats = [
    ["Video", session ? session.path.slice(1) : (playback?.source.url ?? "none")],
    ["Session", session ? `class ${session.class}${session.ticketId ? `, ${session.ticketId}` : ""}` : "none"],
    [
      "Verified",
      session ? (session.chain.verifies ? `yes, ${session.chain.integrity}` : "no: published without digests") : "no",
    ],
    ["Resolution", `${video.videoWidth}×${video.videoHeight}${level ? `, ${kilobits(level.bitrate)}` : ""}`],
    ["Codecs", [level?.videoCodec, level?.audioCodec].filter(Boolean).join(", ") || "unknown"],
    ["Bandwidth", hls ? kilobits(hls.bandwidthEstimate) : "unknown"],
    ["Buffer", `${bufferAhead(video).toFixed(1)} s`],
    ["Frames", `${quality.totalVideoFrames}, ${quality.droppedVideoFrames} dropped`],
  ];
  for (const edge of session?.edges.list() ?? []) {
    const megabytes = ((session?.ledger.bytes(edge.id) ?? 0) / 1e6).toFixed(1);
    lines.push([`Edge ${edge.id}`, `${new URL(edge.base).host}, ${edge.standing}, ${megabytes} MB`]);
  }
  return lines;
}

function kilobits(bits: number): string {
  return `${Math.round(bits / 1000)} kbit/s`;
}

function bufferAhead(video: HTMLVideoElement): number {
  for (let i = 0; i < video.buffered.length; i++) {
    if (video.buffered.start(i) <= video.currentTime + 0.1 && video.currentTime <= video.buffered.end(i)) {
      return video.buffered.end(i) - video.currentTime;
    }
  }
  return 0;
}
