// Uploads a video by tus 1.0, which goes on where it broke off, and shows what
// becomes of it. The API key lives in a variable and nowhere else.
'use strict';

const $ = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

let key = '';
let file = null;

// problem reads what an answer refuses (RFC 9457).
class Refused extends Error {
  constructor(status, detail, hint) {
    super(detail);
    this.status = status;
    this.hint = hint || '';
  }
  // Trying again may help.
  get passing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status === 423 || this.status >= 500 && this.status !== 501 && this.status !== 507;
  }
}

async function refusal(response) {
  let p = {};
  try {
    p = await response.json();
  } catch {
    // no problem+json: the status has to do
  }
  return new Refused(response.status, p.detail || p.title || `the origin answers ${response.status}`, p.hint);
}

async function call(method, url, headers = {}, body) {
  let response;
  try {
    response = await fetch(url, { method, body, headers: { ...headers, Authorization: `Bearer ${key}` }, cache: 'no-store' });
  } catch {
    throw new Refused(0, 'the origin cannot be reached');
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

// What an earlier visit left: no secrets, only where the upload is.
const memory = () => `stratos-upload ${$('name').value} ${file.name} ${file.size} ${file.lastModified}`;

function remember(what) {
  try {
    if (what) localStorage.setItem(memory(), JSON.stringify(what));
    else localStorage.removeItem(memory());
  } catch {
    // without storage an upload goes on within this visit only
  }
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(memory()));
  } catch {
    return null;
  }
}

// take finds the asset and upload of an earlier visit, or makes them.
async function take() {
  const was = remembered();
  if (was) {
    try {
      const asset = await (await call('GET', `/v1/assets/${encodeURIComponent(was.asset)}`)).json();
      if (!['ready', 'failed', 'replaced'].includes(asset.state)) return { asset, location: was.location };
    } catch (e) {
      if (e.passing || e.status === 401 || e.status === 403) throw e;
    }
  }
  const asset = await (await call('POST', '/v1/assets', { 'Content-Type': 'application/json' },
    JSON.stringify({ name: $('name').value, title: $('title').value }))).json();
  const made = await call('POST', '/v1/uploads', {
    'Tus-Resumable': '1.0.0', 'Upload-Length': String(file.size), 'Upload-Metadata': `asset ${btoa(asset.id)}`,
  });
  const location = new URL(made.headers.get('Location'), document.baseURI);
  if (location.origin !== document.location.origin) throw new Refused(502, 'the origin names an upload elsewhere');
  remember({ asset: asset.id, location: location.pathname });
  return { asset, location: location.pathname };
}

// patch sends the rest of the file; XMLHttpRequest tells how far it is.
function patch(location, offset, progress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open('PATCH', location);
    for (const [name, value] of Object.entries({
      Authorization: `Bearer ${key}`, 'Tus-Resumable': '1.0.0', 'Upload-Offset': String(offset), 'Content-Type': 'application/offset+octet-stream',
    })) request.setRequestHeader(name, value);
    request.upload.onprogress = (e) => progress(offset + e.loaded);
    request.onerror = () => failed(new Refused(0, 'the connection broke'));
    request.onload = () => {
      if (request.status === 204) return done(Number(request.getResponseHeader('Upload-Offset')));
      let p = {};
      try {
        p = JSON.parse(request.responseText);
      } catch {
        // as above
      }
      failed(new Refused(request.status, p.detail || `the origin answers ${request.status}`, p.hint));
    };
    request.send(file.slice(offset));
  });
}

async function send(location) {
  let offset = -1;
  const began = performance.now();
  let from = 0;
  for (let attempt = 0; offset < file.size;) {
    try {
      if (offset < 0) {
        offset = Number((await call('HEAD', location, { 'Tus-Resumable': '1.0.0' })).headers.get('Upload-Offset'));
        from = offset;
        if (offset >= file.size && file.size > 0) break;
      }
      offset = await patch(location, offset, (at) => {
        attempt = 0;
        const rate = (at - from) / ((performance.now() - began) / 1000);
        row('upload', 'Upload', at / file.size, rate > 0 ? `${bytes(rate)}/s, ${time((file.size - at) / rate)} left` : '');
      });
      if (file.size === 0) break;
    } catch (e) {
      if (!e.passing && e.status !== 409) throw e;
      attempt++;
      if (attempt > 30) throw e;
      say(`${e.message}; trying again`);
      await sleep(Math.min(500 * 2 ** Math.min(attempt, 6), 15000));
      offset = -1;
    }
  }
  row('upload', 'Upload', 1, bytes(file.size));
}

// follow reads the asset's events until it is settled. EventSource cannot send a
// key, so this reads the stream itself.
async function follow(id) {
  let last = '';
  for (let attempt = 0; ;) {
    try {
      const response = await call('GET', `/v1/assets/${encodeURIComponent(id)}/events`, last ? { 'Last-Event-ID': last } : {});
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const event = Object.fromEntries(text.slice(0, end).split('\n').map((line) => {
            const colon = line.indexOf(':');
            return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
          }));
          text = text.slice(end + 2);
          if (event.id) last = event.id;
          if (event.event !== 'asset') continue;
          attempt = 0;
          const asset = JSON.parse(event.data);
          show(asset);
          if (['ready', 'failed', 'replaced'].includes(asset.state)) return asset;
        }
      }
    } catch (e) {
      if (e instanceof Refused && !e.passing) throw e;
    }
    attempt++;
    if (attempt > 60) throw new Refused(0, 'the origin cannot be reached; the video goes on being made there');
    await sleep(Math.min(500 * attempt, 5000));
  }
}

const states = {
  'waiting-for-upload': 'Waiting for the file', uploading: 'Uploading', probing: 'Looking into the file', encoding: 'Encoding',
  playable: 'It plays already; encoding the rest', publishing: 'Publishing', ready: 'Ready', failed: 'Refused', replaced: 'Replaced by a newer upload',
};

function say(text) {
  $('status').textContent = text;
}

// row shows one step with its bar.
function row(id, what, share, rest) {
  let r = $(`row-${id}`);
  if (!r) {
    r = document.createElement('div');
    r.className = 'row';
    r.id = `row-${id}`;
    const name = document.createElement('span');
    name.className = 'what';
    const bar = document.createElement('progress');
    bar.max = 1;
    r.append(name, bar, document.createElement('span'));
    $('rows').append(r);
  }
  r.children[0].textContent = what;
  r.children[1].setAttribute('aria-label', what);
  if (share === null) r.children[1].removeAttribute('value');
  else r.children[1].value = share;
  r.children[2].textContent = rest;
}

function show(asset) {
  say(states[asset.state] || asset.state);
  const s = asset.source || {};
  if (asset.state === 'probing') row('probe', 'Probe', null, '');
  if (s.container) {
    row('probe', 'Probe', 1, [s.video && `${s.width}×${s.height} ${s.video}`, time(s.duration)].filter(Boolean).join(', '));
    for (const r of asset.rungs || []) {
      const left = r.speed > 0 && r.progress < 1 ? `${r.speed.toFixed(1)}×, ${time(s.duration * (1 - r.progress) / r.speed)} left` : `${Math.floor(r.progress * 100)} %`;
      row(r.name.replace(/[^a-z0-9]/gi, '-'), label(r), r.progress, left);
    }
  }
  if (asset.state === 'publishing') row('publish', 'Publish', null, '');
  if (asset.state === 'ready') row('publish', 'Publish', 1, 'done');
  if (asset.urls && asset.urls.watch) links(asset.urls);
  if (asset.state === 'failed') fail(asset.reason.detail, asset.reason.hint);
}

function label(r) {
  if (r.kind === 'video') return `${r.width}×${r.height}${r.codec === 'h264' ? '' : ` ${r.codec}`}`;
  const kind = r.kind === 'audio' ? 'Sound' : 'Captions';
  return r.language && r.language !== 'und' ? `${kind}, ${r.language}` : kind;
}

function links(urls) {
  const page = new URL(urls.page);
  if (!/^https?:$/.test(page.protocol)) return;
  $('watch').href = urls.watch;
  $('watch').textContent = urls.watch;
  $('embed').value = `<script src="${page.origin}/static/player/stratos-player.js" async></script>\n<stratos-player src="${urls.page}"></stratos-player>`;
  $('hls').value = urls.hls;
  $('done').hidden = false;
}

function fail(what, hint) {
  $('error').hidden = false;
  $('error').querySelector('strong').textContent = what;
  $('error').querySelector('p').textContent = hint || '';
  $('again').hidden = false;
}

function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${n.toFixed(i ? 1 : 0)} ${units[i]}`;
}

function time(seconds) {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  return s < 3600 ? `${Math.floor(s / 60)}:${String(s % 60).padStart(2, '0')}` : `${Math.floor(s / 3600)}:${String(Math.floor(s / 60) % 60).padStart(2, '0')}:${String(s % 60).padStart(2, '0')}`;
}

function choose(chosen) {
  file = chosen || null;
  $('chosen').textContent = file ? `${file.name}, ${bytes(file.size)}` : 'Drop a video here, or choose a file';
}

async function run() {
  $('form').hidden = true;
  $('work').hidden = false;
  $('rows').replaceChildren();
  $('error').hidden = $('again').hidden = $('done').hidden = true;
  say('Uploading');
  row('upload', 'Upload', 0, bytes(file.size));
  try {
    const { asset, location } = await take();
    if (['waiting-for-upload', 'uploading'].includes(asset.state)) await send(location);
    else row('upload', 'Upload', 1, bytes(file.size));
    await follow(asset.id);
    remember(null);
  } catch (e) {
    say('Stopped');
    fail(e.message, e.hint);
  }
}

$('file').addEventListener('change', () => choose($('file').files[0]));
for (const kind of ['dragenter', 'dragover']) {
  document.addEventListener(kind, (e) => {
    e.preventDefault();
    $('drop').classList.add('over');
  });
}
document.addEventListener('dragleave', () => $('drop').classList.remove('over'));
document.addEventListener('drop', (e) => {
  e.preventDefault();
  $('drop').classList.remove('over');
  if ($('form').hidden || !e.dataTransfer.files.length) return;
  $('file').files = e.dataTransfer.files;
  choose(e.dataTransfer.files[0]);
});
$('form').addEventListener('submit', (e) => {
  e.preventDefault();
  key = $('key').value.trim();
  $('key').value = '';
  run();
});
$('again').addEventListener('click', () => {
  $('work').hidden = $('done').hidden = true;
  $('form').hidden = false;
});
