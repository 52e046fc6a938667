import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { manifest, tables } from "../../scripts/manifest.mjs";
import { Events } from "../../src/constants.js";

/* What leaves this folder. `scripts/player.sh build` comes before. */

const root = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFileSync(root + path, "utf8");
const element = `${root}src/stratos-player.ts`;

describe("bundles", () => {
  // hls.js is 189 kB of it, media-chrome 43. Grow a budget in the change that needs it.
  it.each([
    ["dist/web/stratos-player.js", 256_000],
    ["dist/web/stratos-player.mjs", 256_000],
    ["dist/npm/index.js", 33_000],
  ])("%s stays within %i bytes, gzipped", (file, budget) => {
    const size = gzipSync(readFileSync(root + file), { level: 9 }).length;
    expect(size).toBeLessThanOrEqual(budget);
    expect(size, "the budget is far too large: lower it").toBeGreaterThan(budget * 0.8);
  });

  it("of the npm module leave hls.js and media-chrome to the page's own bundler", () => {
    const imports = [...read("dist/npm/index.js").matchAll(/^import .*?["']([^"']+)["']/gm)].map((m) => m[1]);
    expect(new Set(imports)).toEqual(new Set(["hls.js", "media-chrome", "media-chrome/menu"]));
  });

  it("of pages are one file: nothing is imported", () => {
    expect(read("dist/web/stratos-player.mjs")).not.toMatch(/\bimport\s*["'{*]|\bfrom\s*["']\.|import\(/);
  });
});

describe("the public API", () => {
  it("is what api.txt says: a change is read in review (npx vitest -u)", async () => {
    const modules = ["index", "constants", "errors", "mirror", "stratos-player"];
    const text = modules.map((name) => `// ${name}\n${withoutComments(read(`dist/npm/${name}.d.ts`))}`).join("\n");
    await expect(text).toMatchFileSnapshot(`${root}api.txt`);
  });

  it("is in docs/player.md as the element documents it", () => {
    const docs = readFileSync(`${root}../docs/player.md`, "utf8");
    expect(docs).toContain(tables(element));
  });

  it("documents every attribute that is observed or read, every part, and every event", () => {
    const declaration = manifest(element).modules[0]?.declarations[0];
    const names = (list: { name: string }[] | undefined) => new Set(list?.map((entry) => entry.name));
    const source = read("src/stratos-player.ts");
    const used = [...source.matchAll(/(?:has|get|set|toggle)Attribute\("([a-z-]+)"|\btext\("([a-z-]+)"\)/g)];
    const attributes = names(declaration?.attributes);
    for (const name of used.map((m) => m[1] ?? m[2] ?? "")) {
      if (!["src", "aria-label"].includes(name)) expect(attributes, name).toContain(name);
    }
    const parts = [...read("src/template.ts").matchAll(/ part="([^"]+)"/g)].flatMap((m) => (m[1] ?? "").split(" "));
    expect(names(declaration?.cssParts)).toEqual(new Set(parts));
    expect(names(declaration?.events)).toEqual(new Set(Object.values(Events)));
    const properties = [...read("src/template.ts").matchAll(/var\((--stratos-[a-z-]+)/g)].map((m) => m[1]);
    expect(names(declaration?.cssProperties)).toEqual(new Set(properties));
  });
});

describe("the npm package", () => {
  const packed = JSON.parse(
    execFileSync("npm", ["pack", "--dry-run", "--json", "--loglevel=silent"], { cwd: root, encoding: "utf8" }),
  ) as unknown;
  // An array of packages, or an object of them by name: npm changed its mind.
  const [pack] = Object.values(packed as Record<string, { files: { path: string }[] }>);
  const files = new Set(pack?.files.map((file) => file.path));

  it("has everything that its exports name, and no tests", () => {
    const fields = JSON.parse(read("package.json")) as { exports: Record<string, string | Record<string, string>> };
    const targets = Object.values(fields.exports).flatMap((e) => (typeof e === "string" ? [e] : Object.values(e)));
    for (const target of targets) expect(files).toContain(target.slice(2));
    for (const file of files) expect(file).not.toMatch(/^(src|test|node_modules|scripts)\//);
  });

  it("names exact versions, and its lock file no registry", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Record<
      string,
      Record<string, string>
    >;
    for (const version of Object.values({ ...dependencies, ...devDependencies }))
      expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(read("package-lock.json")).not.toMatch(/"resolved"/);
  });
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\n/gm, "");
}
