import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/*
 * A small video as transcode publishes one: two rungs, an audio group, captions, a poster, and thumbnails, with the
 * digests of docs/formats/playlists.md. ffmpeg makes it once; it is kept beside node_modules.
 */

/** A bundle: files by path. */
export type Bundle = Map<string, Uint8Array>;

const seconds = 12;
const segment = 2;
const rungs = [
  { id: "360p", width: 640, height: 360, kbps: 500 },
  { id: "180p", width: 320, height: 180, kbps: 120 },
];

/** The bundle, made when it is not there yet. */
export function makeBundle(): Bundle {
  const cache = fileURLToPath(new URL("../../node_modules/.cache/stratos-media-2", import.meta.url));
  if (!existsSync(cache)) encode(cache);
  const files: Bundle = new Map();
  for (const name of readdirSync(cache, { recursive: true, encoding: "utf8" })) {
    if (/\.\w+$/.test(name) && !name.endsWith("ffmpeg.m3u8")) files.set(name, readFileSync(`${cache}/${name}`));
  }
  return pack(files);
}

function encode(target: string): void {
  const dir = `${target}.${process.pid}`;
  rmSync(dir, { recursive: true, force: true });
  for (const folder of [...rungs.map((r) => `v/${r.id}`), "a/en"]) mkdirSync(`${dir}/${folder}`, { recursive: true });
  const hls = (folder: string) => [
    ...["-f", "hls", "-hls_time", `${segment}`, "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4"],
    ...["-hls_flags", "independent_segments", "-hls_segment_filename", `${dir}/${folder}/%05d.m4s`],
    `${dir}/${folder}/ffmpeg.m3u8`,
  ];
  ffmpeg([
    ...["-f", "lavfi", "-i", `testsrc2=size=640x360:rate=10:duration=${seconds}`],
    ...["-f", "lavfi", "-i", `sine=frequency=440:duration=${seconds}`],
    ...rungs.flatMap((r) => [
      ...[
        "-map",
        "0:v",
        "-s",
        `${r.width}x${r.height}`,
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-pix_fmt",
        "yuv420p",
      ],
      ...["-b:v", `${r.kbps}k`, "-maxrate", `${r.kbps}k`, "-bufsize", `${2 * r.kbps}k`, "-sc_threshold", "0"],
      ...["-force_key_frames", `expr:gte(t,n_forced*${segment})`, ...hls(`v/${r.id}`)],
    ]),
    ...["-map", "1:a", "-c:a", "aac", "-b:a", "64k", ...hls("a/en")],
    ...["-map", "0:v", "-frames:v", "1", `${dir}/poster.jpg`],
    ...["-map", "0:v", "-vf", "fps=1/3,scale=160:90,tile=2x2", "-frames:v", "1", `${dir}/storyboard-1.jpg`],
  ]);
  mkdirSync(target.replace(/\/[^/]*$/, ""), { recursive: true });
  try {
    renameSync(dir, target);
  } catch (error) {
    // Another test file has made it at the same time.
    if (!existsSync(target)) throw error;
    rmSync(dir, { recursive: true });
  }
}

function ffmpeg(args: string[]): void {
  execFileSync("ffmpeg", ["-nostdin", "-loglevel", "error", "-y", ...args], { stdio: ["ignore", "ignore", "inherit"] });
}

/** Adds every playlist and text file, with digests. */
function pack(media: Bundle): Bundle {
  const files: Bundle = new Map(media);
  const put = (path: string, text: string) => {
    files.set(path, Buffer.from(text));
    return sha(files.get(path) as Uint8Array);
  };
  const tracks = (folder: string) => {
    const names = [...media.keys()].filter((n) => n.startsWith(`${folder}/`) && n.endsWith(".m4s")).sort();
    const lines = ["#EXTM3U", "#EXT-X-VERSION:7", `#EXT-X-TARGETDURATION:${segment}`, "#EXT-X-PLAYLIST-TYPE:VOD"];
    lines.push(`#EXT-X-MAP:URI="init.mp4",X-STRATOS-SHA256="${sha(media.get(`${folder}/init.mp4`) as Uint8Array)}"`);
    for (const name of names) {
      lines.push(`#EXT-X-STRATOS-SHA256:${sha(media.get(name) as Uint8Array)}`, `#EXTINF:${segment}.000,`);
      lines.push(name.slice(folder.length + 1));
    }
    return put(`${folder}/playlist.m3u8`, [...lines, "#EXT-X-ENDLIST", ""].join("\n"));
  };
  const cue = (i: number) => `00:00:0${i * 3}.000 --> 00:00:${String((i + 1) * 3).padStart(2, "0")}.000`;
  const words = put("c/en/00000.vtt", `WEBVTT\n\n${cue(0)}\nThe first words\n\n${cue(1)}\nThe second words\n`);
  const captions = put(
    "c/en/playlist.m3u8",
    `#EXTM3U\n#EXT-X-TARGETDURATION:${seconds}\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-STRATOS-SHA256:${words}\n#EXTINF:${seconds},\n00000.vtt\n#EXT-X-ENDLIST\n`,
  );
  const cells = ["0,0", "160,0", "0,90", "160,90"];
  put(
    "thumbnails.vtt",
    `WEBVTT\n\n${cells.map((c, i) => `${cue(i)}\nstoryboard-1.jpg#xywh=${c},160,90\n`).join("\n")}`,
  );
  const media1 = (type: string, group: string, digest: string, uri: string) =>
    `#EXT-X-MEDIA:TYPE=${type},GROUP-ID="${group}",NAME="English",LANGUAGE="en",AUTOSELECT=YES,DEFAULT=${type === "AUDIO" ? "YES" : "NO"},STABLE-RENDITION-ID="${uri.split("/playlist")[0]?.replace("/", "-")}",X-STRATOS-SHA256="${digest}",URI="${uri}"`;
  const lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"];
  lines.push(media1("AUDIO", "aud", tracks("a/en"), "a/en/playlist.m3u8"));
  lines.push(media1("SUBTITLES", "sub", captions, "c/en/playlist.m3u8"));
  for (const r of rungs) {
    const bits = Math.round(8 * bytesPerSecond(media, r.id) + 64_000);
    lines.push(
      `#EXT-X-STREAM-INF:BANDWIDTH=${bits},AVERAGE-BANDWIDTH=${bits},CODECS="avc1.64001e,mp4a.40.2",RESOLUTION=${r.width}x${r.height},FRAME-RATE=10.000,AUDIO="aud",SUBTITLES="sub",STABLE-VARIANT-ID="v-${r.id}",X-STRATOS-SHA256="${tracks(`v/${r.id}`)}"`,
      `v/${r.id}/playlist.m3u8`,
    );
  }
  put("master.m3u8", [...lines, ""].join("\n"));
  return files;
}

/** Bytes that a second of a rung has on average. */
export function bytesPerSecond(bundle: Bundle, rung: string): number {
  let sum = 0;
  for (const [path, bytes] of bundle) if (path.startsWith(`v/${rung}/`)) sum += bytes.length;
  return sum / seconds;
}

/** SHA-256 in hex. */
export function sha(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** `sha256-…` of a bundle: over the sorted stable ids and digests of its media playlists. */
export function integrityOf(bundle: Bundle): string {
  const master = Buffer.from(bundle.get("master.m3u8") as Uint8Array).toString();
  const pairs = [...master.matchAll(/STABLE-\w+-ID="([^"]*)".*?X-STRATOS-SHA256="([0-9a-f]{64})"/g)];
  const lines = pairs.map(([, id, digest]) => `${id} ${digest}\n`).sort();
  return `sha256-${createHash("sha256").update(lines.join("")).digest("base64")}`;
}

/** Writes a bundle to a folder, for players that are programs. */
export function writeBundle(bundle: Bundle, dir: string): void {
  for (const [path, bytes] of bundle) {
    mkdirSync(`${dir}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    writeFileSync(`${dir}/${path}`, bytes);
  }
}
