import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Stage, seen, until } from "./support/browser.js";
import { makeBundle } from "./support/media.js";
import { Network } from "./support/network.js";

let stage: Stage;
const bundle = makeBundle();

beforeAll(async () => {
  stage = await Stage.start();
}, 30_000);

afterAll(() => stage.stop());

async function networkOf(edges = 3): Promise<Network> {
  return Network.start(bundle, edges);
}

describe("a video of the network", () => {
  it("plays from its canonical URL to the end", async () => {
    const network = await networkOf();
    const page = await stage.open(`<stratos-player src="${network.router}/films/film" autoplay></stratos-player>`);
    await until(page, "p.currentTime > 1 && p.videoWidth > 0");
    await page.evaluate("document.querySelector('stratos-player').currentTime = 11");
    await until(page, "p.ended");
    const [session] = await seen(page, "stratos-session");
    expect(session).toMatchObject({ class: "A", name: "films/film", integrity: network.integrity });
    expect(network.sessions[0]).toMatchObject({ src: "/films/film", viewer_alg: "ed25519" });
    expect(await seen(page, "stratos-error")).toEqual([]);
    await page.close();
    await network.stop();
  });
});
