/*
 * Where the viewer was, kept in localStorage of the page that embeds the player, and only when the page asks for it.
 * Nothing leaves the browser.
 */

const storageKey = "stratos-player-positions";
/** Names kept; the one that was not watched for longest leaves. */
const maxNames = 50;
/** So close to either end nobody wants to go on, in seconds. */
const margin = 10;

type Entry = [name: string, seconds: number];

/** Where the viewer left a video, in seconds; undefined when he did not or there is no storage. */
export function recall(name: string): number | undefined {
  return read().find(([n]) => n === name)?.[1];
}

/** Keeps where the viewer is; forgets it near the beginning and the end. */
export function remember(name: string, seconds: number, duration: number): void {
  const others = read().filter(([n]) => n !== name);
  const between = seconds >= margin && !(seconds > duration - margin);
  write(between ? ([[name, Math.round(seconds * 10) / 10], ...others].slice(0, maxNames) as Entry[]) : others);
}

function read(): Entry[] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(storageKey) ?? "[]");
    return Array.isArray(value) ? value.filter(isEntry).slice(0, maxNames) : [];
  } catch {
    return [];
  }
}

function write(entries: Entry[]): void {
  try {
    localStorage.setItem(storageKey, JSON.stringify(entries));
  } catch {
    // Storage is full or forbidden: playback matters more.
  }
}

function isEntry(value: unknown): value is Entry {
  return Array.isArray(value) && typeof value[0] === "string" && typeof value[1] === "number" && value[1] >= 0;
}
