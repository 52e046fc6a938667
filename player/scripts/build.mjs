// Builds what leaves this folder: one-file bundles for pages (dist/web), and modules for npm (dist/npm).
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { manifest } from "./manifest.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

for (const name of readdirSync("dist/web")) {
  if (name !== "placeholder.html") rmSync(`dist/web/${name}`, { recursive: true });
}
rmSync("dist/npm", { recursive: true, force: true });

const target = "es2022";

/** One file with everything in it, as a module and for a plain script tag. */
async function bundle(entry, format, fileName) {
  await build({
    configFile: false,
    logLevel: "warn",
    build: {
      target,
      outDir: "dist/web",
      emptyOutDir: false,
      minify: true,
      lib: { entry, formats: [format], name: "StratosPlayer", fileName: () => fileName },
      rollupOptions: { output: { codeSplitting: false, minify: true } },
    },
  });
}

await bundle("src/index.ts", "es", "stratos-player.mjs");
await bundle("src/index.ts", "iife", "stratos-player.js");

await build({
  configFile: false,
  logLevel: "warn",
  build: {
    target,
    outDir: "dist/npm",
    minify: false,
    lib: { entry: "src/index.ts", formats: ["es"], fileName: () => "index.js" },
    rollupOptions: { external: [/^hls\.js/, /^media-chrome/] },
  },
});
execFileSync("npx", ["tsc", "-p", "tsconfig.types.json"], { stdio: "inherit" });

writeFileSync("dist/npm/custom-elements.json", `${JSON.stringify(manifest("src/stratos-player.ts"), null, 2)}\n`);
