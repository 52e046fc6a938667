import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FailoverReport, IntegrityReport } from "../../src/constants.js";
import { Stage } from "../support/browser.js";
import { makeBundle, sha } from "../support/media.js";
import { type Mode, type Network, name } from "../support/network.js";
import { Scene } from "../support/scene.js";

/*
 * What must hold when edges and routers fail. Asserted are order and counts, never durations; ceilings are against
 * hangs.
 */

const bundle = makeBundle();
let stage: Stage;

beforeAll(async () => {
  stage = await Stage.start();
});

afterAll(() => stage.stop());

const scene = (test: (scene: Scene) => Promise<void>) => () => Scene.run(stage, bundle, test);

const segments = (asked: string[] | undefined) => (asked ?? []).filter((object) => object.endsWith(".m4s"));

describe.concurrent("an edge of the session", () => {
  const faults: [string, Mode, FailoverReport["reason"]][] = [
    ["is killed", "refuse", "failed"],
    ["is stopped", "hang", "slow"],
    ["is cut off without a reset", "stall", "slow"],
    ["breaks connections off", "cut", "failed"],
    ["changes bytes", "flip", "corrupt"],
    ["changes playlists", "flip-playlist", "corrupt"],
    ["ends early", "short", "corrupt"],
    ["does not take the ticket", "no-ticket", "refused"],
  ];

  for (const [what, mode, reason] of faults) {
    it(
      `${what} from the beginning: playback goes on from another`,
      scene(async (s) => {
        s.network.set(s.network.edges[0], mode);
        await s.open();
        await s.until("p.currentTime > 3 || p.error");
        const reports = await s.seen<FailoverReport>("stratos-failover");
        expect(reports).toContainEqual(expect.objectContaining({ from: "e1", reason }));
        expect((await s.seen("stratos-integrity")).length > 0).toBe(reason === "corrupt");
      }),
    );

    if (mode === "flip-playlist") continue; // playlists come at the beginning only

    it(
      `${what} in mid-playback: playback goes on from another`,
      scene(async (s) => {
        // A short buffer, so that the edges are needed again.
        await s.open({ attributes: `muted autoplay buffer="3"` });
        await s.until("p.currentTime > 0.5");
        const used = s.network.edges.find((edge) => segments(edge.asked).length > 0);
        s.network.set(used, mode);
        await s.playsToTheEnd();
        const reports = await s.seen<FailoverReport>("stratos-failover");
        expect(reports).toContainEqual(expect.objectContaining({ from: "e1", reason }));
        expect(segments(s.network.edges[1]?.asked).length).toBeGreaterThan(0);
      }),
    );
  }

  it(
    "that lied once is not asked again, and the evidence is signed",
    scene(async (s) => {
      s.network.set(s.network.edges[0], "flip");
      await s.open();
      await s.playsToTheEnd();
      const reports = await s.seen<IntegrityReport>("stratos-integrity");
      const [report] = reports;
      const file = bundle.get(report?.object.slice(name.length + 2) ?? "");
      expect(report).toMatchObject({ edge: "e1", expected: sha(file as Uint8Array), bytes: file?.length });
      expect(report?.signature).toHaveLength(86);
      expect(report?.statement).toContain(report?.got);
      // Sound and picture, the first segment of each and what initialises it, are asked for at the same time.
      expect(reports.length).toBeLessThanOrEqual(4);
      expect(segments(s.network.edges[0]?.asked).length).toBeLessThanOrEqual(2);
    }),
  );

  it(
    "gets no byte of a lie into the decoder",
    scene(async (s) => {
      s.network.set(s.network.edges[0], "flip");
      s.network.set(s.network.edges[1], "flip");
      await s.open({ setup: recordAppends });
      await s.playsToTheEnd();
      const good = new Set([...bundle.values()].map(sha));
      const appended = await s.page.evaluate<string[]>("Promise.all(window.appended)");
      expect(appended.length).toBeGreaterThanOrEqual(12);
      expect(appended.filter((digest) => !good.has(digest))).toEqual([]);
      expect((await s.seen("stratos-integrity")).length).toBeGreaterThan(0);
    }),
  );

  it(
    "is the last one and lies: playback ends with the reason",
    scene(async (s) => {
      for (const edge of s.network.edges) s.network.set(edge, "flip");
      await s.open();
      await s.failsWith("integrity");
      expect(await s.ask("[p.error.code, p.buffered.length]")).toEqual([2, 0]);
    }),
  );

  it(
    "expires with its ticket: a new session takes over",
    scene(async (s) => {
      await s.open({ attributes: `muted autoplay buffer="3"`, speed: 2 });
      await s.until("p.currentTime > 0.5");
      for (const edge of s.network.edges) edge.expiredUpTo = s.network.tickets;
      await s.playsToTheEnd();
      expect((await s.seen("stratos-session")).length).toBe(2);
      expect(s.network.sessions.length).toBe(2);
      expect(s.network.sessions[1]?.viewer_key).toBe(s.network.sessions[0]?.viewer_key);
    }),
  );
});

/** Digests of everything that reaches the decoder. */
const recordAppends = `
window.appended = [];
const append = SourceBuffer.prototype.appendBuffer;
SourceBuffer.prototype.appendBuffer = function (data) {
  const bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength).slice();
  const hex = (digest) => [...new Uint8Array(digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
  appended.push(crypto.subtle.digest("SHA-256", bytes).then(hex));
  return append.call(this, data);
};`;

describe.concurrent("a router", () => {
  it(
    "that does not answer is replaced by a fallback",
    scene(async (s) => {
      s.network.routerMode = "away";
      await s.open({ attributes: `muted autoplay fallback="${s.network.secondRouter}"` });
      await s.until("p.currentTime > 0.5 || p.error");
      expect((await s.seen("stratos-session"))[0]).toMatchObject({ router: s.network.secondRouter });
    }),
  );

  it(
    "that hangs is not waited for when there is a fallback",
    scene(async (s) => {
      s.network.routerMode = "hang";
      await s.open({ attributes: `muted autoplay fallback="not-a-url ${s.network.secondRouter}"` });
      await s.until("p.currentTime > 0.5 || p.error");
      expect((await s.seen("stratos-session"))[0]).toMatchObject({ router: s.network.secondRouter });
    }),
  );

  it(
    "that gives another video than the pinned one is not believed",
    scene(async (s) => {
      s.network.routerMode = "liar";
      const { integrity, secondRouter } = s.network;
      await s.open({ attributes: `muted autoplay integrity="${integrity}" fallback="${secondRouter}"` });
      await s.until("p.currentTime > 0.5 || p.error");
      expect((await s.seen("stratos-session"))[0]).toMatchObject({ router: secondRouter });
      expect((await s.seen("stratos-integrity"))[0]).toMatchObject({ expected: integrity, edge: "" });
    }),
  );

  it(
    "has no video with the pinned integrity: nothing is loaded",
    scene(async (s) => {
      await s.open({ attributes: `autoplay integrity="sha256-${"A".repeat(43)}="` });
      await s.failsWith("integrity");
      expect(s.network.edges.flatMap((e) => segments(e.asked))).toEqual([]);
    }),
  );

  for (const [mode, reason] of [
    ["deleted", "deleted"],
    ["no-edge", "no-edge"],
    ["away", "router-away"],
  ] as const) {
    it(
      `says ${mode}: the viewer reads why`,
      scene(async (s) => {
        s.network.routerMode = mode;
        await s.open();
        await s.failsWith(reason);
        expect(await s.page.locator("stratos-error-display [role=alert]").textContent()).toContain(`Code: ${reason}`);
      }),
    );
  }

  it(
    "does not know the video: the viewer reads why, and another src plays",
    scene(async (s) => {
      await s.open({ src: `${s.network.router}/films/nothing` });
      await s.failsWith("not-found");
      await s.ask(`{ p.src = "${s.network.router}/${name}" }`);
      await s.until("!p.error && p.currentTime > 0.2");
    }),
  );

  it(
    "fails: the viewer can copy what happened",
    scene(async (s) => {
      s.network.routerMode = "no-edge";
      await s.open();
      await s.failsWith("no-edge");
      await s.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await s.page.locator("stratos-error-display .copy").click();
      await s.eventually(() => s.page.locator("stratos-error-display .copy").textContent(), /Copied/);
      const copied = await s.page.evaluate<string>("navigator.clipboard.readText()");
      expect(copied).toMatch(/code: no-edge\nPOST .*\/v1\/sessions: 503/);
    }),
  );

  it(
    "comes back: try again plays",
    scene(async (s) => {
      s.network.routerMode = "away";
      await s.open();
      await s.failsWith("router-away");
      s.network.routerMode = "well";
      await s.page.locator("stratos-error-display .retry").click();
      await s.until("!p.error && p.currentTime > 0.2");
    }),
  );
});

describe.concurrent("playback that failed", () => {
  it(
    "goes on where it was when the viewer tries again",
    scene(async (s) => {
      await s.open({ attributes: `muted autoplay buffer="2"`, speed: 1 });
      await s.until("p.currentTime > 3");
      for (const edge of s.network.edges) s.network.set(edge, "flip");
      await s.failsWith("integrity");
      for (const edge of s.network.edges) s.network.set(edge, "well");
      await s.page.locator("stratos-error-display .retry").click();
      await s.until("!p.error && !p.paused && p.played.length > 0 && p.currentTime > p.played.start(0)");
      expect(await s.ask("p.played.start(0)")).toBeGreaterThan(2.5);
    }),
  );
});

describe.concurrent("a src at an edge", () => {
  const sources: [string, (network: Network) => string][] = [
    ["without a ticket", (n) => `${n.edges[0]?.origin}/${name}`],
    ["of the playlist, without a ticket", (n) => `${n.edges[0]?.origin}/${name}/master.m3u8`],
    ["with a ticket that has expired", (n) => `${n.edges[0]?.origin}/t/expired/${name}/master.m3u8`],
  ];
  for (const [what, src] of sources) {
    it(
      `${what} plays, with a session of its own`,
      scene(async (s) => {
        await s.open({ src: src(s.network) });
        await s.until("p.currentTime > 0.2 || p.error");
        expect((await s.seen("stratos-session"))[0]).toMatchObject({ class: "A", router: s.network.router });
      }),
    );
  }
});

describe.concurrent("a page that is no secure context", () => {
  it(
    "has no key, and verifies nevertheless",
    scene(async (s) => {
      s.network.set(s.network.edges[0], "flip");
      await s.open({ plain: true });
      await s.playsToTheEnd();
      expect(await s.page.evaluate("typeof crypto.subtle")).toBe("undefined");
      expect((await s.seen("stratos-session"))[0]).toMatchObject({ class: "B", integrity: s.network.integrity });
      expect((await s.seen("stratos-integrity"))[0]).toMatchObject({ edge: "e1", signature: "" });
      expect(s.network.sessions).toEqual([]);
    }),
  );
});
