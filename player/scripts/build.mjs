// Builds what leaves this folder: one-file bundles for pages (dist/web), and modules for npm (dist/npm).
import { execFileSync } from "node:child_process";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "vite";

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
      rollupOptions: { output: { codeSplitting: false } },
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

for (const name of readdirSync("pages")) {
  if (/\.(css|js|svg)$/.test(name)) cpSync(`pages/${name}`, `dist/web/${name}`);
}
