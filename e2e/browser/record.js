// Runs in every page before its own scripts. window.recorded has what media
// elements did, when the first frame was shown, how long playback stood still
// (milliseconds), and digests of what decoders got.
{
  const recorded = { events: [], appended: [], longestStall: 0, firstFrame: 0 };
  Object.defineProperty(window, "recorded", { value: recorded });
  const names = ["play", "playing", "pause", "waiting", "seeking", "seeked", "ended", "error", "resize",
    "stratos-session", "stratos-integrity", "stratos-failover", "stratos-error"];
  const isMedia = (element) => element.localName === "video" || element.localName === "stratos-player";
  for (const name of names) {
    addEventListener(name, (event) => {
      const { target, detail } = event;
      if (!isMedia(target) || recorded.events.length > 5000) return;
      const facts = detail instanceof Error ? { ...detail, message: detail.message } : detail;
      recorded.events.push({ name, at: target.currentTime, now: performance.now(), height: target.videoHeight, detail: facts });
    }, { capture: true });
  }
  /** The element that plays; expressions of tests call it m. */
  Object.defineProperty(window, "m", { get: () => document.querySelector("stratos-player, video") });
  /** Seconds that are loaded ahead of the viewer. */
  window.ahead = () => {
    for (let i = 0; i < m.buffered.length; i++) {
      if (m.buffered.start(i) <= m.currentTime + 0.1 && m.currentTime <= m.buffered.end(i)) return m.buffered.end(i) - m.currentTime;
    }
    return 0;
  };
  // Playback stands still while it should not: what viewers feel, whatever events say.
  let started = false;
  let moved = 0;
  let at = 0;
  let watched;
  setInterval(() => {
    const now = performance.now();
    if (!m || m.paused || m.ended || m.seeking || !started || m.currentTime !== at) {
      moved = now;
      at = m?.currentTime ?? 0;
    } else recorded.longestStall = Math.max(recorded.longestStall, now - moved);
    started ||= m?.currentTime > 0 && !m.paused && m.readyState > 2;
    const video = m?.media ?? m;
    if (!video?.requestVideoFrameCallback || video === watched) return;
    watched = video;
    video.requestVideoFrameCallback((shown) => {
      recorded.firstFrame ||= shown;
    });
  }, 10);

  const append = SourceBuffer.prototype.appendBuffer;
  SourceBuffer.prototype.appendBuffer = function (data) {
    recorded.appended.push(crypto.subtle?.digest("SHA-256", data).then((digest) => new Uint8Array(digest).toHex()));
    return append.call(this, data);
  };
}
