import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { IntegrityReport } from "../../src/constants.js";
import { Stage } from "../support/browser.js";
import { makeBundle } from "../support/media.js";
import { Scene } from "../support/scene.js";

/* A video that plays while it is still being made. */

const bundle = makeBundle();
let stage: Stage;

beforeAll(async () => {
  stage = await Stage.start();
});

afterAll(() => stage.stop());

/** Opens a video of which two segments of the low rung are there. */
const scene = (test: (scene: Scene) => Promise<void>) => () =>
  Scene.run(stage, bundle, async (s) => {
    s.network.growing = { shown: 2, rungs: ["180p"] };
    await s.open({ speed: 2, width: 640, height: 360 });
    await s.until("p.currentTime > 0.5 || p.error");
    await test(s);
  });

describe.concurrent("a video that is being made", () => {
  it(
    "starts at the beginning, goes on as it grows, and ends",
    scene(async (s) => {
      expect((await s.seen("stratos-session"))[0]).toMatchObject({ class: "A", integrity: "" });
      for (const shown of [4, 7]) {
        await s.until("p.buffered.end(0) - p.currentTime < 1.5");
        s.network.growing = { shown, rungs: ["180p"] };
        await s.until(`p.buffered.end(p.buffered.length - 1) > ${Math.min(2 * shown, 12) - 0.5}`);
      }
      s.network.growing = undefined;
      await s.playsToTheEnd();
      expect(await s.seen("stratos-integrity")).toEqual([]);
      expect(await s.ask("p.videoHeight")).toBe(180);
      // Its final state has digests, which come with a new session.
      expect((await s.seen("stratos-session")).at(-1)).toMatchObject({ integrity: s.network.integrity });
    }),
  );

  it(
    "gets its high rungs at the next seek after they are there",
    scene(async (s) => {
      s.network.growing = undefined;
      await s.until("p.duration > 11");
      expect(await s.ask("p.videoHeight")).toBe(180);
      await s.ask("{ p.currentTime = 8 }");
      await s.until("p.videoHeight === 360 && p.currentTime > 8 && !p.paused");
      await s.playsToTheEnd();
    }),
  );

  it(
    "gets its high rungs when the viewer chooses a rung, and keeps to the choice",
    scene(async (s) => {
      s.network.growing = undefined;
      await s.until("p.duration > 11");
      const rungs = "[...p.media.videoRenditions].map((r) => r.height)";
      expect(await s.ask(rungs)).toEqual([180]);
      await s.ask("{ p.media.videoRenditions.selectedIndex = 0 }");
      await s.until(`(${rungs}).length === 2`);
      await s.playsToTheEnd();
      expect(await s.ask("[p.videoHeight, p.media.videoRenditions.selectedIndex]")).toEqual([180, 0]);
    }),
  );

  it(
    "does not go back to an older state, and leaves the edge that shows one",
    scene(async (s) => {
      s.network.set(s.network.edges[0], "old");
      await s.eventually(async () => JSON.stringify(await s.seen("stratos-integrity")), /SEQ/);
      const [report] = await s.seen<IntegrityReport>("stratos-integrity");
      expect(report).toMatchObject({ edge: "e1", got: "SEQ 1 after 2" });
      s.network.growing = undefined;
      await s.playsToTheEnd();
    }),
  );
});
