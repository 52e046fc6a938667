// Reads what the element's comment documents: for the custom elements manifest, the tables in docs/player.md, and the API report.
import { readFileSync } from "node:fs";

const tags = { attr: "attributes", fires: "events", csspart: "cssParts", cssproperty: "cssProperties", slot: "slots" };

/** The documentation of the element in a source file: lists of { name, type?, description }. */
export function documented(file) {
  const source = readFileSync(file, "utf8");
  const at = source.search(/^export class \w+ extends/m);
  const comment = source.slice(source.lastIndexOf("/**", at), at);
  const lists = Object.fromEntries(Object.values(tags).map((list) => [list, []]));
  const text = comment.replace(/^\/\*\*|\*\/\s*$/g, "").replace(/^ ?\* ?/gm, "");
  for (const [, tag, type, name, description] of text.matchAll(/^@(\w+)(?: \{([^}]*)\})?(?: ([\w-]+))? - (.*)$/gm)) {
    const list = lists[tags[tag]];
    if (!list) throw new Error(`${file}: @${tag} is not one of ${Object.keys(tags)}`);
    list.push({ name: name ?? "", ...(type ? { type: { text: type } } : {}), description });
  }
  return { description: text.split(/^@/m)[0].trim(), ...lists };
}

/** The custom elements manifest (schema 2.1.0). */
export function manifest(file) {
  const path = "index.js";
  const declaration = { kind: "class", customElement: true, name: "StratosPlayer", tagName: "stratos-player" };
  return {
    schemaVersion: "2.1.0",
    modules: [
      {
        kind: "javascript-module",
        path,
        declarations: [{ ...declaration, superclass: { name: "HTMLElement" }, ...documented(file) }],
        exports: [
          {
            kind: "custom-element-definition",
            name: "stratos-player",
            declaration: { name: "StratosPlayer", module: path },
          },
        ],
      },
    ],
  };
}

/** The same as Markdown tables. */
export function tables(file) {
  const docs = documented(file);
  const table = (title, list, code = (name) => `\`${name}\``) =>
    [
      `### ${title}`,
      "",
      "| name | is |",
      "|---|---|",
      ...list.map((e) => `| ${code(e.name)} | ${e.description.replaceAll("|", "\\|")} |`),
      "",
    ].join("\n");
  return [
    table("Attributes", docs.attributes),
    table("Events besides those of `<video>`", docs.events),
    table("CSS parts", docs.cssParts),
    table("CSS custom properties", docs.cssProperties),
  ].join("\n");
}
