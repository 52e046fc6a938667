import { generateKeyPairSync, sign } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { type Bundle, integrityOf } from "./media.js";

/*
 * A network in one process: a router and edges, each a server of its own on a port of its own, over one bundle. It
 * speaks what docs/http-api says of sessions, tickets and multivariant playlists, and can misbehave as edges do.
 */

/** How an edge behaves. */
export type Mode =
  | "well"
  /** Nobody listens, as after kill -9. */
  | "refuse"
  /** Takes connections and never answers, as after SIGSTOP. */
  | "hang"
  /** Answers the first half of each segment and then nothing, as after a cut without reset. */
  | "stall"
  /** Changes one byte of each segment. */
  | "flip"
  /** Changes one byte of each media playlist. */
  | "flip-playlist"
  /** Leaves out the last byte of each segment without a Content-Length, so that only the digest shows it. */
  | "short"
  /** Closes the connection in the middle of each segment. */
  | "cut"
  /** Does not take any ticket. */
  | "no-ticket"
  /** Shows the first state of growing playlists, whatever came after. */
  | "old";

export interface EdgeServer {
  id: number;
  origin: string;
  mode: Mode;
  /** Objects that were asked, in order. */
  asked: string[];
  /** Their queries. */
  queries: string[];
  /** Tickets up to this number have expired here. */
  expiredUpTo?: number;
  /** Bytes a second for segments; unlimited without. */
  rate?: number;
}

/** Types of files, as manifests of edges have them. */
const types: Record<string, string> = {
  m3u8: "application/vnd.apple.mpegurl",
  m4s: "video/iso.segment",
  mp4: "video/mp4",
  vtt: "text/vtt",
  jpg: "image/jpeg",
};

export const name = "films/film";

export class Network {
  readonly edges: EdgeServer[] = [];
  /** Bodies of POST /v1/sessions. */
  readonly sessions: Record<string, unknown>[] = [];
  /** Everything that was asked of routers: method and path. */
  readonly asked: string[] = [];
  /** OPTIONS that came. */
  preflights = 0;
  /** Bodies of CMCD reports. */
  readonly reports: string[] = [];
  router = "";
  secondRouter = "";
  /** While the video is being made: how many segments there are, and the rungs. */
  growing: { shown: number; rungs: string[] } | undefined;
  /** The upper rung says that it has 720 lines. */
  tall = false;
  readonly #origin = generateKeyPairSync("ed25519");
  /** How routers behave. */
  routerMode: "well" | "away" | "hang" | "liar" | "deleted" | "no-edge" = "well";
  readonly #bundle: Bundle;
  readonly #servers: Server[] = [];
  readonly #sockets = new Map<string, Set<Socket>>();
  /** How many tickets were issued. */
  tickets = 0;
  /** A server that knows nothing of Stratos, with the same video at /stream/. */
  foreign = "";

  private constructor(bundle: Bundle) {
    this.#bundle = bundle;
  }

  /** Starts a router, another one, and edges. */
  static async start(bundle: Bundle, edges: number): Promise<Network> {
    const network = new Network(bundle);
    for (let id = 1; id <= edges; id++) {
      const edge: EdgeServer = { id, origin: "", mode: "well", asked: [], queries: [] };
      edge.origin = await network.#listen((req, res) => network.#edge(edge, req, res));
      network.edges.push(edge);
    }
    network.router = await network.#listen((req, res) => network.#router(network.router, req, res));
    network.secondRouter = await network.#listen((req, res) => network.#router(network.secondRouter, req, res, true));
    network.foreign = await network.#listen((req, res) => {
      const file = bundle.get((req.url ?? "").split("?")[0]?.replace("/stream/", "") ?? "");
      if (!file || req.method !== "GET") return void res.writeHead(404).end("nothing here");
      res.setHeader("Content-Type", types[(req.url ?? "").split("?")[0]?.split(".").pop() ?? ""] ?? "");
      res.end(Buffer.from(file));
    });
    return network;
  }

  /** Ends all servers and connections. */
  async stop(): Promise<void> {
    for (const sockets of this.#sockets.values()) for (const socket of sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((done) => server.close(done))));
  }

  /** Makes an edge behave in a way; running connections feel it too. */
  set(edge: EdgeServer | undefined, mode: Mode): void {
    if (!edge) throw new Error("no such edge");
    edge.mode = mode;
    if (mode === "refuse") for (const socket of this.#sockets.get(edge.origin) ?? []) socket.destroy();
  }

  get integrity(): string {
    return integrityOf(this.#bundle);
  }

  #listen(handle: (req: IncomingMessage, res: ServerResponse) => void): Promise<string> {
    const server = createServer((req, res) => {
      res.setHeader("Access-Control-Allow-Origin", "*");
      res.setHeader("Timing-Allow-Origin", "*");
      handle(req, res);
    });
    this.#servers.push(server);
    const sockets = new Set<Socket>();
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
    });
    return new Promise((done) => {
      server.listen(0, "127.0.0.1", () => {
        const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
        this.#sockets.set(origin, sockets);
        done(origin);
      });
    });
  }

  #router(self: string, req: IncomingMessage, res: ServerResponse, always = false): void {
    const url = new URL(req.url ?? "/", self);
    this.asked.push(`${req.method} ${url.pathname}`);
    const mode = always ? "well" : this.routerMode;
    if (mode === "away") return void req.socket.destroy();
    if (mode === "hang") return;
    if (req.method === "OPTIONS") return this.#preflight(res);
    if (url.pathname === "/collect") return this.#collect(req, res);
    if (mode === "deleted") return problem(res, 410, "deleted");
    if (mode === "no-edge") return problem(res, 503, "no-edge");
    if (url.pathname === "/v1/sessions" && req.method === "POST") return this.#session(self, mode === "liar", req, res);
    if (url.pathname.startsWith("/v1/steering/")) return this.#steering(self, url, res);
    const path = url.pathname.slice(1);
    if (path === `${name}/master.m3u8`) {
      res.setHeader("Content-Type", types.m3u8 as string);
      res.setHeader("Cache-Control", "private, max-age=60");
      return void res.end(this.#multivariant(self, this.#ticket("B")));
    }
    const edge = this.edges.find((e) => e.mode !== "refuse");
    if (!path.startsWith(`${name}/`) || !this.#bundle.has(path.slice(name.length + 1)) || !edge) {
      return problem(res, 404, "not-found");
    }
    res.writeHead(307, { Location: `${edge.origin}/t/${this.#ticket("B")}/${path}` }).end();
  }

  #preflight(res: ServerResponse): void {
    this.preflights++;
    res.writeHead(204, { "Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "*" }).end();
  }

  #collect(req: IncomingMessage, res: ServerResponse): void {
    req.on("data", (part: Buffer) => this.reports.push(part.toString()));
    req.on("end", () => res.writeHead(204).end());
  }

  #ticket(kind: "A" | "B"): string {
    return `${kind}ticket${++this.tickets}`;
  }

  #session(self: string, liar: boolean, req: IncomingMessage, res: ServerResponse): void {
    let text = "";
    req.on("data", (part: Buffer) => {
      text += part.toString();
    });
    req.on("end", () => {
      const body = JSON.parse(text) as Record<string, unknown>;
      this.sessions.push(body);
      if (body.src !== `/${name}`) return problem(res, 404, "not-found");
      const ticket = this.#ticket("A");
      const at = (path: string) => `${this.edges[0]?.origin}/t/${ticket}/${name}/${path}`;
      const multivariant = this.#multivariant(self, ticket);
      const digit = (hex: string) => (hex.startsWith("0") ? `1${hex.slice(1)}` : `0${hex.slice(1)}`);
      res.end(
        JSON.stringify({
          ticket,
          ticket_id: ticket,
          class: "A",
          root: "bafy",
          kind: "bundle",
          edges: this.edges.map((e) => ({ id: e.id, url: `${e.origin}/t/${ticket}/${name}/` })),
          expires: "2030-01-01T00:00:00Z",
          ...(this.growing
            ? { growing: { name, key: this.#publicKey(), sequence: 1 } }
            : { integrity: this.integrity }),
          multivariant: liar ? multivariant.replace(/(?<=SHA256=")[0-9a-f]{64}/g, digit) : multivariant,
          poster: at("poster.jpg"),
          thumbnails: at("thumbnails.vtt"),
        }),
      );
    });
  }

  /** Absolute URLs on the first two edges as two pathways, groups doubled with them. */
  #multivariant(self: string, ticket: string): string {
    const source = this.#master();
    const head = source.filter((l) => /^#EXT(M3U|-X-VERSION|-X-INDEP)/.test(l));
    const out = [...head];
    const first = this.edges.slice(0, 2);
    out.push(`#EXT-X-CONTENT-STEERING:SERVER-URI="${self}/v1/steering/${ticket}",PATHWAY-ID="e${first[0]?.id}"`);
    for (const edge of first) {
      const base = `${edge.origin}/t/${ticket}/${name}/`;
      for (const line of source.slice(head.length)) {
        const own = line.replace(/(GROUP-ID|AUDIO|SUBTITLES)="([^"]*)"/g, `$1="$2-e${edge.id}"`);
        if (line.startsWith("#EXT-X-MEDIA")) out.push(own.replace(/(?<=[,:])URI="/, `URI="${base}`));
        else if (line.startsWith("#")) out.push(`${own},PATHWAY-ID="e${edge.id}"`);
        else out.push(base + line);
      }
    }
    return `${out.join("\n")}\n`;
  }

  /** The bundle's own multivariant playlist; of a growing video without digests, captions and the rungs to come. */
  #master(): string[] {
    const lines = this.#text("master.m3u8")
      .trim()
      .replace("=640x360", this.tall ? "=1280x720" : "=640x360")
      .split("\n");
    const { growing } = this;
    if (!growing) return lines;
    const soon = (i: number) =>
      lines[i]?.includes("STREAM-INF") && !growing.rungs.some((r) => lines[i]?.includes(`"v-${r}"`));
    return lines
      .filter((line, i) => !line.includes("TYPE=SUBTITLES") && !soon(i) && !soon(i - 1))
      .map((line) => line.replace(/,X-STRATOS-SHA256="[^"]*"|,SUBTITLES="sub"/g, ""));
  }

  /** A signed state of a media playlist. */
  #state(path: string, shown: number): Buffer {
    const parts = this.#text(path).split("#EXT-X-STRATOS-SHA256");
    const head = parts[0]?.replace("TYPE:VOD", "TYPE:EVENT\n#EXT-X-START:TIME-OFFSET=0,PRECISE=YES");
    const list = parts
      .slice(1, shown + 1)
      .map((part) => `#EXT-X-STRATOS-SHA256${part.replace("#EXT-X-ENDLIST\n", "")}`);
    const body = `${head}${list.join("")}#EXT-X-STRATOS-SIGNED:SEQ=${shown},KEY=${this.#publicKey()}`;
    const signed = Buffer.from(`stratos/playlist/v1\0${name}\0${path}\0${body}`);
    return Buffer.from(`${body},SIG=${sign(null, signed, this.#origin.privateKey).toString("base64url")}\n`);
  }

  #publicKey(): string {
    return (this.#origin.publicKey.export({ format: "jwk" }) as { x: string }).x;
  }

  #text(path: string): string {
    return Buffer.from(this.#bundle.get(path) as Uint8Array).toString();
  }

  #steering(self: string, url: URL, res: ServerResponse): void {
    const ids = this.edges.slice(0, 2).map((e) => `e${e.id}`);
    res.setHeader("Content-Type", "application/vnd.apple.steering-list");
    res.end(JSON.stringify({ VERSION: 1, TTL: 300, "RELOAD-URI": self + url.pathname, "PATHWAY-PRIORITY": ids }));
  }

  #edge(edge: EdgeServer, req: IncomingMessage, res: ServerResponse): void {
    const url = new URL(req.url ?? "/", edge.origin);
    const [, ticket, rest] = /^\/t\/([^/]+)\/(.*)$/.exec(url.pathname) ?? [];
    const object = rest ?? url.pathname.slice(1);
    if (edge.mode === "refuse") return void req.socket.destroy();
    if (req.method === "OPTIONS") return this.#preflight(res);
    edge.asked.push(object);
    edge.queries.push(url.search);
    if (edge.mode === "hang") return;
    if (req.method !== "GET") return problem(res, object.startsWith("v1/") ? 404 : 405, "not-found");
    const number = Number(/\d+$/.exec(ticket ?? "")?.[0] ?? 0);
    if (!number || number <= (edge.expiredUpTo ?? 0) || edge.mode === "no-ticket") {
      if (url.searchParams.has("r")) return problem(res, 503, "no-edge");
      res.writeHead(307, { Location: `${this.router}/${object}?r=1`, "Cache-Control": "no-store" }).end();
      return;
    }
    const path = object.slice(name.length + 1);
    const grows = this.growing && path.endsWith("/playlist.m3u8");
    const shown = edge.mode === "old" ? 1 : (this.growing?.shown ?? 0);
    const file = grows ? this.#state(path, shown) : this.#bundle.get(path);
    if (!object.startsWith(`${name}/`) || !file) return problem(res, 404, "not-found");
    if (grows) res.setHeader("Cache-Control", "no-store");
    res.setHeader("Content-Type", types[object.split(".").pop() ?? ""] ?? "application/octet-stream");
    this.#send(edge, object, Buffer.from(file), res);
  }

  #send(edge: EdgeServer, object: string, bytes: Buffer, res: ServerResponse): void {
    const segment = /\.(m4s|mp4)$/.test(object);
    const spoil = (edge.mode === "flip" && segment) || (edge.mode === "flip-playlist" && object.endsWith(".m3u8"));
    const body = Buffer.from(bytes);
    if (spoil) body[body.length >> 1] = (body[body.length >> 1] as number) ^ 1;
    if (edge.mode === "short" && segment) return void res.end(body.subarray(0, -1));
    res.setHeader("Content-Length", body.length);
    const half = () => res.write(body.subarray(0, body.length >> 1));
    if ((edge.mode === "stall" || edge.mode === "cut") && segment) {
      half();
      if (edge.mode === "cut") setImmediate(() => res.destroy());
      return;
    }
    if (edge.rate && segment) return throttle(res, body, edge.rate);
    res.end(body);
  }
}

function throttle(res: ServerResponse, body: Buffer, rate: number): void {
  const step = 50; // milliseconds
  const part = Math.max(1, Math.round((rate * step) / 1000));
  let at = 0;
  const timer = setInterval(() => {
    res.write(body.subarray(at, at + part));
    at += part;
    if (at >= body.length || res.destroyed) {
      clearInterval(timer);
      res.end();
    }
  }, step);
}

function problem(res: ServerResponse, status: number, word: string): void {
  res.writeHead(status, { "Content-Type": "application/problem+json", "Cache-Control": "no-store" });
  res.end(JSON.stringify({ type: `urn:stratos:problem:${word}`, title: word, status, detail: `it is ${word}` }));
}
