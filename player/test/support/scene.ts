import type { Page } from "playwright-core";
import { expect } from "vitest";
import { type OpenOptions, type Stage, seen, until } from "./browser.js";
import type { Bundle } from "./media.js";
import { Network, name } from "./network.js";

/** A network and a page with a player, for one test. */
export class Scene {
  readonly network: Network;
  readonly #stage: Stage;
  #page: Page | undefined;

  private constructor(stage: Stage, network: Network) {
    this.#stage = stage;
    this.network = network;
  }

  /** Runs a test on a network of three edges and cleans up. */
  static async run(stage: Stage, bundle: Bundle, test: (scene: Scene) => Promise<void>): Promise<void> {
    const scene = new Scene(stage, await Network.start(bundle, 3));
    try {
      await test(scene);
    } finally {
      await scene.#page?.close();
      await scene.network.stop();
    }
  }

  get page(): Page {
    if (!this.#page) throw new Error("no page is open");
    return this.#page;
  }

  /** Opens a page with a player. speed is that of the clock: tests do not wait for a whole video. */
  async open(options: OpenOptions & { attributes?: string; src?: string; speed?: number } = {}): Promise<Page> {
    const { attributes = "muted autoplay", src = `${this.network.router}/${name}`, speed = 4, ...rest } = options;
    // Before the resource is chosen, which resets the rate to the default one.
    const rate = `<script>{const p=document.querySelector("stratos-player");customElements.whenDefined("stratos-player").then(()=>{p.defaultPlaybackRate=p.playbackRate=${speed}})}</script>`;
    this.#page = await this.#stage.open(`<stratos-player src="${src}" ${attributes}></stratos-player>${rate}`, rest);
    return this.#page;
  }

  /** Waits until an expression about the player `p` is true. */
  until(expression: string): Promise<void> {
    return until(this.page, expression);
  }

  /** What the page has seen of an event. */
  seen<T = Record<string, unknown>>(event: string): Promise<T[]> {
    return seen<T>(this.page, event);
  }

  /** Evaluates an expression about the player `p`. */
  ask<T = unknown>(expression: string): Promise<T> {
    return this.page.evaluate(`((p) => ${expression})(document.querySelector("stratos-player"))`) as Promise<T>;
  }

  /** Reads a text until it matches. expect.poll cannot be used where tests run at the same time. */
  async eventually(read: () => string | null | Promise<string | null>, pattern: RegExp): Promise<void> {
    let last: string | null = null;
    for (const end = Date.now() + 60_000; Date.now() < end; await this.page.waitForTimeout(50)) {
      last = await read();
      if (pattern.test(last ?? "")) return;
    }
    throw new Error(`${JSON.stringify(last)} never matched ${pattern}`);
  }

  async playsToTheEnd(): Promise<void> {
    await this.until("p.ended || p.error");
    expect(await this.seen("stratos-error")).toEqual([]);
  }

  async failsWith(reason: string): Promise<void> {
    await this.until("p.error");
    expect((await this.seen<{ reason: string }>("stratos-error"))[0]?.reason).toBe(reason);
  }
}
