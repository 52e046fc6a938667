import { createHash, createVerify, webcrypto } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { base64url, digestHex, fromBase64url, hex } from "../../src/digest.js";
import { Edges } from "../../src/edges.js";
import { errorOfStatus, PlayerError } from "../../src/errors.js";
import { lowS, makeViewerKey } from "../../src/key.js";
import { Ledger } from "../../src/ledger.js";
import { attributes, readMedia, readMultivariant } from "../../src/playlist.js";
import { recall, remember } from "../../src/positions.js";
import { readAnswer } from "../../src/router.js";
import { sha256 } from "../../src/sha256.js";
import { baseOf, objectOf, parseSource, startOf } from "../../src/source.js";
import { readSteering } from "../../src/steering.js";

describe("SHA-256 of our own", () => {
  it.each([0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 100_000])("agrees with Node's for %i bytes", (size) => {
    const data = Uint8Array.from({ length: size }, (_, i) => (i * 7) % 251);
    expect(hex(sha256(data))).toBe(createHash("sha256").update(data).digest("hex"));
  });

  it("is used where the browser has no subtle crypto", async () => {
    vi.stubGlobal("crypto", {});
    expect(await digestHex(new Uint8Array([1, 2, 3]))).toBe(createHash("sha256").update("\x01\x02\x03").digest("hex"));
    vi.unstubAllGlobals();
  });
});

describe("base64url", () => {
  it("goes there and back, and is refused when it is none", () => {
    const data = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(fromBase64url(base64url(data))).toEqual(data);
    expect(base64url(data)).not.toMatch(/[+/=]/);
    expect(fromBase64url("a+b")).toBeUndefined();
    expect(fromBase64url("a")).toBeUndefined();
  });
});

describe("a viewer's key", () => {
  it("is Ed25519 where WebCrypto has it", async () => {
    const key = await makeViewerKey(webcrypto as Crypto);
    expect(key?.alg).toBe("ed25519");
    expect(fromBase64url(key?.text ?? "")).toHaveLength(32);
    expect(await key?.sign(new Uint8Array(3))).toHaveLength(64);
  });

  it("is P-256 otherwise, a compressed point, and signs with low s", async () => {
    const subtle = new Proxy(webcrypto.subtle, {
      get(target, name) {
        if (name !== "generateKey") return (target[name as keyof typeof target] as CallableFunction).bind(target);
        return (algorithm: unknown, ...rest: never[]) => {
          if (algorithm === "Ed25519") throw new DOMException("no", "NotSupportedError");
          return (target.generateKey as (...args: unknown[]) => unknown).call(target, algorithm, ...rest);
        };
      },
    });
    const key = await makeViewerKey({ subtle } as unknown as Crypto);
    const point = fromBase64url(key?.text ?? "") as Uint8Array<ArrayBuffer>;
    expect(key?.alg).toBe("p256");
    expect(point).toHaveLength(33);
    const half = Buffer.from("7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8", "hex");
    for (let i = 0; i < 16; i++) {
      const message = new Uint8Array([i]);
      const signature = (await key?.sign(message)) as Uint8Array;
      expect(Buffer.compare(Buffer.from(signature.subarray(32)), half)).toBeLessThanOrEqual(0);
      // SubjectPublicKeyInfo of a compressed point on P-256.
      const spki = Buffer.concat([Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex"), point]);
      const verifier = createVerify("SHA256").update(message);
      const pem = `-----BEGIN PUBLIC KEY-----\n${spki.toString("base64")}\n-----END PUBLIC KEY-----`;
      expect(verifier.verify({ key: pem, dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
    }
  });

  it("turns a high s into n - s", () => {
    const high = new Uint8Array(64).fill(1);
    high.set(Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550", "hex"), 32);
    expect(hex(lowS(high)).slice(64)).toBe(`${"0".repeat(63)}1`);
  });

  it("is not made without a secure context", async () => {
    expect(await makeViewerKey({} as Crypto)).toBeUndefined();
  });
});

describe("a src", () => {
  const base = "https://page.example/dir/";

  it.each([
    ["https://r.example/films/film", "/films/film", "master.m3u8", false],
    ["https://r.example/films/film/", "/films/film", "master.m3u8", false],
    ["https://r.example/films/film/master.m3u8", "/films/film", "master.m3u8", true],
    ["https://r.example/films/film/hd.m3u8?x=1", "/films/film", "hd.m3u8", true],
    ["https://e.example/t/AbC_-9/films/film/master.m3u8", "/films/film", "master.m3u8", true],
    ["https://e.example/t/AbC_-9/films/film", "/films/film", "master.m3u8", false],
    ["/films/film", "/films/film", "master.m3u8", false],
  ])("%s names its bundle and playlist", (src, path, playlist, isPlaylist) => {
    expect(parseSource(src, base)).toMatchObject({ path, playlist, isPlaylist });
  });

  it("that is no http URL is refused", () => {
    for (const src of ["javascript:alert(1)", "data:text/plain,x", "http://", "blob:https://x/y"]) {
      expect(parseSource(src, base)).toBeUndefined();
    }
  });

  it.each([
    ["#t=90", 90],
    ["#t=1:30", 90],
    ["#t=1:01:30.5", 3690.5],
    ["#t=npt:10,20", 10],
    ["#x=1&t=5", 5],
    ["#t=5s", 5],
    ["", undefined],
    ["#t=-5", undefined],
    ["#t=abc", undefined],
    ["#t=", undefined],
  ])("with %s starts there", (hash, seconds) => {
    expect(startOf(hash)).toBe(seconds);
  });

  it("on an edge is known by its path", () => {
    const url = new URL("https://e.example:8443/t/T1/films/film/v/1/00001.m4s?CMCD=x");
    expect(objectOf(url)).toBe("/films/film/v/1/00001.m4s");
    expect(baseOf(url)).toBe("https://e.example:8443/t/T1");
    expect(baseOf(new URL("https://e.example/films/film"))).toBeUndefined();
  });
});

describe("playlists", () => {
  const url = "https://e.example/t/T/films/film/v/1/playlist.m3u8";
  const [a, b] = ["a".repeat(64), "b".repeat(64)];

  it("name the digest of each segment and map", () => {
    const text = `#EXTM3U\r\n#EXT-X-MAP:URI="init.mp4",X-STRATOS-SHA256="${a}"\r\n#EXT-X-STRATOS-SHA256:${b}\r\n#EXTINF:4,\r\n1.m4s\r\n#EXTINF:4,\r\n2.m4s\r\n`;
    expect([...readMedia(text, url)]).toEqual([
      ["/films/film/v/1/init.mp4", a],
      ["/films/film/v/1/1.m4s", b],
    ]);
  });

  it("name the digest of each byte range, with offsets that go on", () => {
    const range = (r: string, d: string) => `#EXT-X-STRATOS-SHA256:${d}\n#EXT-X-BYTERANGE:${r}\n#EXTINF:4,\nall.mp4\n`;
    const text = `#EXT-X-MAP:URI="all.mp4",BYTERANGE="100@0",X-STRATOS-SHA256="${a}"\n${range("50@100", a)}${range("25", b)}`;
    expect([...readMedia(text, url).keys()]).toEqual([
      "/films/film/v/1/all.mp4#0-99",
      "/films/film/v/1/all.mp4#100-149",
      "/films/film/v/1/all.mp4#150-174",
    ]);
  });

  it("name edges by their pathways", () => {
    const variant = (edge: string) =>
      `#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID="${edge}",STABLE-VARIANT-ID="x",X-STRATOS-SHA256="${a}"\nhttps://${edge}.example/t/T/films/film/v.m3u8\n`;
    const read = readMultivariant(variant("e1") + variant("e2"), url);
    expect([...read.edges]).toEqual([
      ["e1", "https://e1.example/t/T"],
      ["e2", "https://e2.example/t/T"],
    ]);
    expect([...read.digests]).toEqual([["/films/film/v.m3u8", a]]);
    expect(read).toMatchObject({ rungs: ["x"], fault: "" });
  });

  it("that give one object two digests have a fault", () => {
    const variant = (id: string, digest: string) =>
      `#EXT-X-STREAM-INF:BANDWIDTH=1,STABLE-VARIANT-ID="${id}",X-STRATOS-SHA256="${digest}"\nv.m3u8\n`;
    expect(readMultivariant(variant("x", a) + variant("y", b), url).fault).not.toBe("");
  });

  it("have attributes with commas in quotes", () => {
    const list = attributes('#EXT-X-STREAM-INF:BANDWIDTH=1, CODECS="avc1,mp4a",X="",BANDWIDTH=2');
    expect(Object.fromEntries(list)).toEqual({ BANDWIDTH: "1", CODECS: "avc1,mp4a", X: "" });
  });
});

describe("the edges of a session", () => {
  let now = 0;
  const edge = (n: number) => ({ id: `e${n}`, base: `https://e${n}.example/t/T` });
  const make = () => new Edges([edge(1), edge(2), edge(3)], () => now);
  const ids = (edges: Edges, preferred?: string) => edges.order(preferred).map((e) => e.id);

  beforeEach(() => {
    now = 0;
  });

  it("are asked in the router's order, the preferred one first", () => {
    expect(ids(make())).toEqual(["e1", "e2", "e3"]);
    expect(ids(make(), "https://e3.example")).toEqual(["e3", "e1", "e2"]);
  });

  it("that were slow are asked last, for twice as long each time", () => {
    const edges = make();
    edges.blame(edge(1));
    edges.blame(edge(1)); // the same failure, seen by two requests
    expect(ids(edges, "https://e1.example")).toEqual(["e2", "e3", "e1"]);
    now = 30_000;
    expect(ids(edges)).toEqual(["e1", "e2", "e3"]);
    edges.blame(edge(1));
    now = 89_999;
    expect(ids(edges)).toEqual(["e2", "e3", "e1"]);
    now = 90_000;
    expect(ids(edges)).toEqual(["e1", "e2", "e3"]);
  });

  it("that sent wrong bytes are never asked again, not under a new ticket either", () => {
    const edges = make();
    edges.ban(edge(1));
    edges.renew([{ id: "e1", base: "https://e1.example/t/NEW" }]);
    edges.add({ id: "other", base: "https://e1.example/t/NEWER" });
    now = 1e9;
    expect(ids(edges)).toEqual(["e2", "e3"]);
  });

  it("keep their standing under a new ticket, and are found under another name", () => {
    const edges = make();
    edges.blame(edge(1));
    edges.renew([{ id: "x", base: "https://e1.example/t/NEW" }, edge(4)]);
    expect(edges.order().map((e) => e.base)).toEqual([
      "https://e2.example/t/T",
      "https://e3.example/t/T",
      "https://e4.example/t/T",
      "https://e1.example/t/NEW",
    ]);
  });

  it("have a limit of 800 ms, or three times the 95th percentile", () => {
    const edges = make();
    expect(edges.limit()).toBe(800);
    for (let i = 0; i < 19; i++) edges.praise(edge(1), 10);
    edges.praise(edge(1), 9_000);
    expect(edges.limit()).toBe(800);
    edges.praise(edge(1), 500);
    edges.praise(edge(1), 500);
    expect(edges.limit()).toBe(1500);
  });

  it("are not more than a stranger's playlist can make us keep", () => {
    const edges = make();
    for (let i = 0; i < 1000; i++) edges.add(edge(i));
    expect(edges.list().length).toBe(32);
  });
});

describe("a steering manifest", () => {
  it("adds the edges of its clones", () => {
    const clone = (id: string, url: unknown) => ({ ID: id, "URI-REPLACEMENT": { "PER-VARIANT-URIS": { v: url } } });
    const manifest = {
      "PATHWAY-CLONES": [
        clone("e7x2", "https://e7.example/t/T/films/film/v.m3u8"),
        clone("e8", "https://e8.example/no/ticket"),
        clone("e9", 5),
        null,
      ],
    };
    expect(readSteering(manifest)).toEqual([{ id: "e7", base: "https://e7.example/t/T" }]);
    for (const nothing of [null, "x", {}, { "PATHWAY-CLONES": {} }]) expect(readSteering(nothing)).toEqual([]);
  });
});

describe("a router's answer", () => {
  const good = {
    ticket: "T",
    ticket_id: "I",
    root: "R",
    kind: "bundle",
    edges: [{ id: 1, url: "https://e/t/T/a/b/" }],
  };

  it("is read with what it has", () => {
    const answer = readAnswer(
      JSON.stringify({ ...good, integrity: "sha256-x", growing: { name: "a/b", key: "k", sequence: 3 } }),
      "o",
    );
    expect(answer).toMatchObject({ ticket: "T", integrity: "sha256-x", growing: { name: "a/b", key: "k" } });
    expect(answer).not.toHaveProperty("poster");
  });

  it("of another shape is none", () => {
    for (const text of ["", "null", "[]", "{}", '{"ticket":1,"edges":[]}', '{"ticket":"T"}']) {
      expect(() => readAnswer(text, "o")).toThrow();
    }
  });

  it("with edges that are no URLs loses these", () => {
    const edges = [null, { id: "1", url: "https://e/" }, { id: 2, url: "no url" }, good.edges[0]];
    expect(readAnswer(JSON.stringify({ ...good, edges }), "o").edges).toEqual(good.edges);
  });
});

describe("the ledger", () => {
  it("counts everything, keeps a bounded list, and hands it out once", () => {
    const ledger = new Ledger();
    for (let i = 0; i < 1030; i++) ledger.add("e1", { object: `/a/${i}`, first: 0, length: 2 });
    expect(ledger.bytes("e1")).toBe(2060);
    const { items, left } = ledger.take("e1");
    expect([items.length, left, items[0]?.object]).toEqual([1024, 6, "/a/6"]);
    expect(ledger.take("e1").items).toEqual([]);
    expect(ledger.bytes("e1")).toBe(2060);
    expect(ledger.take("e2")).toEqual({ items: [], left: 0 });
  });
});

describe("positions", () => {
  const store = new Map<string, string>();

  beforeEach(() => {
    store.clear();
    vi.stubGlobal("localStorage", {
      getItem: (key: string) => store.get(key) ?? null,
      setItem: (key: string, value: string) => store.set(key, value),
    });
  });

  afterEach(() => vi.unstubAllGlobals());

  it("are kept in the middle and forgotten at both ends", () => {
    remember("/a/b", 100, 200);
    expect(recall("/a/b")).toBe(100);
    remember("/a/b", 195, 200);
    expect(recall("/a/b")).toBeUndefined();
    remember("/a/b", 100, 200);
    remember("/a/b", 3, 200);
    expect(recall("/a/b")).toBeUndefined();
  });

  it("are kept of the 50 videos that were watched last", () => {
    for (let i = 0; i < 60; i++) remember(`/a/${i}`, 100, 200);
    expect(recall("/a/9")).toBeUndefined();
    expect(recall("/a/10")).toBe(100);
  });

  it("survive rubbish in the storage, and no storage", () => {
    for (const rubbish of ["{", "5", '[["x"],[1,2],null]']) {
      store.set("stratos-player-positions", rubbish);
      expect(recall("/a/b")).toBeUndefined();
    }
    vi.stubGlobal("localStorage", undefined);
    remember("/a/b", 100, 200);
    expect(recall("/a/b")).toBeUndefined();
  });
});

describe("errors", () => {
  it.each([
    [404, "not-found", 4],
    [410, "deleted", 4],
    [451, "banned", 4],
    [403, "forbidden", 4],
    [503, "no-edge", 2],
    [500, "router-away", 2],
  ])("of status %i are %s", (status, reason, code) => {
    expect(errorOfStatus(status, "d")).toMatchObject({ reason, code, details: "d" });
  });

  it("are in a viewer's words", () => {
    const error = new PlayerError("integrity", "x");
    expect(error.message).toMatch(/not the one that was published/);
    expect(error.hint).not.toBe("");
  });
});
