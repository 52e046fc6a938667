interface Entry {
  name: string;
  type?: { text: string };
  description: string;
}
type Lists = Record<"attributes" | "events" | "cssParts" | "cssProperties" | "slots", Entry[]>;
export function documented(file: string): Lists & { description: string };
export function manifest(file: string): { modules: { declarations: (Lists & { tagName: string })[] }[] };
export function tables(file: string): string;
