import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stage } from "../support/browser.js";
import { makeBundle } from "../support/media.js";
import { Network, name } from "../support/network.js";

/* The router's playlist, with our tags and attributes in it, in players that know nothing of us. */

const bundle = makeBundle();
let stage: Stage;

beforeAll(async () => {
  stage = await Stage.start();
});

afterAll(() => stage.stop());

const players: [string, string, string][] = [
  [
    "Shaka Player",
    "shaka-player/dist/shaka-player.compiled.js",
    "shaka.polyfill.installAll(); const player = new shaka.Player(); player.attach(video).then(() => player.load(url));",
  ],
  ["hls.js alone", "hls.js/dist/hls.js", "const hls = new Hls(); hls.loadSource(url); hls.attachMedia(video);"],
  ["Chromium alone", "hls.js/package.json", "video.src = url;"],
];

describe.concurrent("a video of the network", () => {
  for (const [what, script, start] of players) {
    it(`plays in ${what}, from the same URL`, async () => {
      const network = await Network.start(bundle, 2);
      try {
        const url = `${network.router}/${name}/master.m3u8`;
        const page = await stage.open(
          `<video muted autoplay></video><script src="/node_modules/${script}"></script>
           <script>const video = document.querySelector("video"), url = "${url}"; ${start}</script>`,
        );
        await page.waitForFunction("document.querySelector('video').currentTime > 3", undefined, { timeout: 60_000 });
        expect(await page.evaluate("document.querySelector('video').videoWidth")).toBeGreaterThan(0);
        await page.close();
      } finally {
        await network.stop();
      }
    });
  }
});
