import type { Edge } from "./edges.js";
import { baseOf } from "./source.js";

/** The edges that a content steering manifest adds by PATHWAY-CLONES, with the tickets of their URLs. */
export function readSteering(manifest: unknown): Edge[] {
  const clones = field(manifest, "PATHWAY-CLONES");
  if (!Array.isArray(clones)) return [];
  return clones.slice(0, 32).flatMap((clone: unknown) => {
    const id = field(clone, "ID");
    const uris = field(field(clone, "URI-REPLACEMENT"), "PER-VARIANT-URIS");
    const [first] = typeof uris === "object" && uris !== null ? (Object.values(uris) as unknown[]) : [];
    if (typeof id !== "string" || typeof first !== "string" || !URL.canParse(first)) return [];
    const base = baseOf(new URL(first));
    // e7x2 is edge 7 under its second pathway.
    return base ? [{ id: id.replace(/x\d+$/, ""), base }] : [];
  });
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
