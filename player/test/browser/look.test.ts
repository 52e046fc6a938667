import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type OpenOptions, Stage } from "../support/browser.js";
import { makeBundle } from "../support/media.js";
import { Scene } from "../support/scene.js";

/*
 * How it looks and whether everybody can use it. Screenshots land in test/shots, to be looked at; axe checks the rules
 * of WCAG 2.2 that a machine can.
 */

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = fileURLToPath(new URL("../shots/", import.meta.url));
const bundle = makeBundle();
let stage: Stage;

beforeAll(async () => {
  mkdirSync(shots, { recursive: true });
  stage = await Stage.start();
});

afterAll(() => stage.stop());

interface Violation {
  id: string;
  nodes: { html: string; failureSummary: string }[];
}

/** What media-chrome does and we cannot change, and why it hurts nobody. */
const known = [
  // A button that is said to be on or off: aria-checked is ignored on role=button, and the label says what a press does.
  /^(aria-allowed-attr|label-content-name-mismatch): <media-captions-button/,
  // The menu's shadow tree has a hidden button that leads back from submenus.
  /^aria-required-children: <media-settings-menu/,
];

async function violations(s: Scene): Promise<string[]> {
  await s.page.evaluate(axe);
  const found = await s.page.evaluate<Violation[]>(
    `axe.run("stratos-player", { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }).then((r) => r.violations)`,
  );
  return found
    .flatMap(({ id, nodes }) => nodes.map((n) => `${id}: ${n.html.slice(0, 200)} ${n.failureSummary}`))
    .filter((violation) => !known.some((k) => k.test(violation)));
}

const looks: [string, OpenOptions & { attributes?: string }, (s: Scene) => Promise<void>][] = [
  ["dark", { width: 800, height: 450 }, playing],
  ["light", { width: 800, height: 450, dark: false }, playing],
  ["small", { width: 300, height: 170 }, playing],
  ["paused", { attributes: `name="A film" preload="metadata"` }, async (s) => s.until("p.readyState >= 2")],
  ["hover", { width: 800, height: 450 }, hovering],
  ["menu", { width: 800, height: 450 }, menu],
  ["menu-light", { width: 800, height: 450, dark: false }, menu],
  ["menu-small", { width: 300, height: 170 }, menu],
  ["context-menu", {}, (s) => playing(s).then(() => contextMenu(s))],
  ["stats", { width: 800, height: 450, attributes: "muted autoplay stats" }, playing],
  ["captions", { width: 800, height: 450 }, captions],
  ["error", {}, failing],
  ["error-small", { width: 300, height: 170 }, failing],
  ["rtl", { width: 800, height: 450, attributes: `muted autoplay dir="rtl"` }, playing],
  ["still", { still: true }, playing],
];

async function playing(s: Scene): Promise<void> {
  await s.until("p.currentTime > 0.3");
  await s.page.mouse.move(100, 60);
  await s.page.mouse.move(110, 70);
}

async function hovering(s: Scene): Promise<void> {
  await playing(s);
  const box = await s.page.locator("stratos-player media-time-range").boundingBox();
  await s.page.mouse.move((box?.x ?? 0) + 300, (box?.y ?? 0) + 10);
  await s.page.mouse.move((box?.x ?? 0) + 400, (box?.y ?? 0) + 10);
  await s.page.locator("stratos-player media-preview-thumbnail[mediapreviewimage]").first().waitFor();
}

async function menu(s: Scene): Promise<void> {
  await playing(s);
  await s.page.locator("stratos-player media-settings-menu-button").click();
  await s.page.locator("stratos-player media-settings-menu-item.quality").waitFor();
}

async function contextMenu(s: Scene): Promise<void> {
  await s.page.locator("stratos-player").click({ button: "right", position: { x: 100, y: 60 } });
}

async function captions(s: Scene): Promise<void> {
  await playing(s);
  await s.page.locator("stratos-player media-captions-button").click();
  await s.until(
    "[...p.textTracks].some((t) => t.kind === 'subtitles' && t.mode === 'showing' && t.activeCues?.length)",
  );
}

async function failing(s: Scene): Promise<void> {
  await s.ask("{ p.src = p.src.replace('films/film', 'films/nothing') }");
  await s.until("p.error");
}

describe.concurrent("the player", () => {
  for (const [look, { attributes = "muted autoplay", ...options }, prepare] of looks) {
    it(`is accessible: ${look}`, () =>
      Scene.run(stage, bundle, async (s) => {
        await s.open({ attributes, speed: 1, ...options });
        await prepare(s);
        // Once nothing moves any more.
        await s.page.evaluate("Promise.all(document.getAnimations().map((a) => a.finished.catch(() => 0)))");
        await s.page.screenshot({ path: `${shots}${look}.png` });
        expect(await violations(s)).toEqual([]);
      }));
  }

  it("can be used with the keyboard alone: every control is reached and named", () =>
    Scene.run(stage, bundle, async (s) => {
      await s.open({ speed: 1, width: 800, height: 450 });
      await s.until("p.currentTime > 0.3");
      const reached: string[] = [];
      for (let i = 0; i < 16; i++) {
        await s.page.keyboard.press("Tab");
        reached.push(
          await s.page.evaluate<string>(`(() => {
            let e = document.activeElement;
            while (e?.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
            const host = e?.localName === "input" ? e.getRootNode().host : e;
            return host?.localName + ": " + (e?.ariaLabel ?? e?.getAttribute("aria-label") ?? e?.textContent);
          })()`),
        );
      }
      for (const control of [
        "play-button",
        "time-range",
        "mute-button",
        "volume-range",
        "captions-button",
        "settings-menu-button",
        "pip-button",
        "fullscreen-button",
      ]) {
        const named = reached.find((r) => r.startsWith(`media-${control}: `));
        expect(named, `${control} in ${reached.join(", ")}`).toMatch(/: \w/);
      }
    }));
});
