import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A host that is no secure context: no crypto.subtle there.
  "--host-resolver-rules=MAP plain.example 127.0.0.1",
];

/** How a page is opened. */
export interface OpenOptions {
  /** On a host that is no secure context. */
  plain?: boolean;
  /** 320 × 180 without, in which the lower rung suffices: drawing is what takes time here. */
  width?: number;
  height?: number;
  /** The system's colours; dark without. */
  dark?: boolean;
  /** The system wants no motion. */
  still?: boolean;
  /** Script that runs before anything else in the page. */
  setup?: string;
}

/** The browser of the system, with a server for pages. */
export class Stage {
  readonly #browser: Browser;
  readonly #server: Server;
  readonly #pages = new Map<string, string>();

  private constructor(browser: Browser, server: Server) {
    this.#browser = browser;
    this.#server = server;
    server.on("request", (req, res) => {
      const path = (req.url ?? "/").split("?")[0] as string;
      const page = this.#pages.get(path);
      if (page !== undefined) return void res.writeHead(200, { "Content-Type": "text/html; charset=utf-8" }).end(page);
      const folder = path.startsWith("/node_modules/") ? "../.." : "../../dist/web";
      const built = fileURLToPath(new URL(folder + path, import.meta.url));
      try {
        const type = path.endsWith(".css") ? "text/css" : "text/javascript";
        const file = readFileSync(built);
        res.writeHead(200, { "Content-Type": type }).end(file);
      } catch {
        res.writeHead(404).end();
      }
    });
  }

  /** Starts the browser. autoplay false is the policy that viewers' browsers have. */
  static async start(autoplay = true): Promise<Stage> {
    const policy = autoplay ? "no-user-gesture-required" : "user-gesture-required";
    const path = execFileSync("sh", ["-c", "command -v chromium || command -v chromium-browser"]).toString().trim();
    const browser = await chromium.launch({ executablePath: path, args: [...flags, `--autoplay-policy=${policy}`] });
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return new Stage(browser, server);
  }

  /** Opens a page with this body and the built player. */
  async open(body: string, options: OpenOptions = {}): Promise<Page> {
    const path = `/page${this.#pages.size}`;
    const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Player</title>
<meta name="viewport" content="width=device-width"><style>body{margin:0;background:#777}</style>
<main>${body}</main><script src="/stratos-player.js"></script></html>`;
    this.#pages.set(path, html);
    const { port } = this.#server.address() as AddressInfo;
    const page = await this.#browser.newPage({
      viewport: { width: options.width ?? 320, height: options.height ?? 180 },
      colorScheme: options.dark === false ? "light" : "dark",
      reducedMotion: options.still ? "reduce" : "no-preference",
    });
    // Events before the element is there to be asked.
    await page.addInitScript(collect);
    if (options.setup) await page.addInitScript(options.setup);
    await page.goto(`http://${options.plain ? "plain.example" : "localhost"}:${port}${path}`);
    return page;
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await new Promise((done) => this.#server.close(done));
  }
}

/** Runs in the page: keeps every event of players in window.seen. */
const collect = `
window.seen = [];
const names = ["stratos-session", "stratos-integrity", "stratos-failover", "stratos-autoplay-muted", "stratos-error",
  "error", "playing", "waiting", "ended", "seeked", "play", "pause"];
for (const name of names) {
  addEventListener(name, (event) => {
    if (event.target.localName !== "stratos-player") return;
    const { detail } = event;
    const at = event.target.currentTime;
    seen.push({ name, at, detail: detail instanceof Error ? { ...detail, message: detail.message } : detail });
  }, { capture: true });
}`;

/** What the page has seen of an event. */
export function seen<T = Record<string, unknown>>(page: Page, name: string): Promise<T[]> {
  return page.evaluate(
    (name) =>
      (window as unknown as { seen: { name: string; detail: never }[] }).seen
        .filter((e) => e.name === name)
        .map((e) => e.detail),
    name,
  );
}

/** Where playback stood still for want of data, in seconds; the beginning does not count. */
export function stalls(page: Page): Promise<number[]> {
  return page.evaluate(() =>
    (window as unknown as { seen: { name: string; at: number }[] }).seen
      .filter((e) => e.name === "waiting" && e.at > 0.1)
      .map((e) => e.at),
  );
}

/** Waits until an expression of the player `p` is true. The ceiling is against hangs only. */
export async function until(page: Page, expression: string, ceiling = 60_000): Promise<void> {
  await page.waitForFunction(`((p) => ${expression})(document.querySelector("stratos-player"))`, undefined, {
    timeout: ceiling,
    polling: 50,
  });
}
