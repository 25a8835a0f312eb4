// The one script of the pages. Everything but uploading works without it.
//
// A creator's link carries its token in the fragment (#upload=…), which browsers send to no server.
// The script takes it out of the address, which people share, and keeps it for as long as the tab.
// With it the upload form shows: each file is declared at the write API, sent straight to the store
// with the URL that was signed for it alone, and watched until it is ready or refused.
// The script writes text and attributes, never HTML: the policy of the page forbids it anyway.

const TRIES = 4;
const PAUSE_MS = 700;
const PAUSE_MAX_MS = 5000;
const WATCH_MS = 10 * 60 * 1000;
const ANSWER_MS = 30 * 1000;
const STALL_MS = 60 * 1000; // without a byte sent; a slow line is not a dead one
const ENDS = ["ready", "refused", "failed", "expired", "removed"];

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const ask = (url, options) => fetch(url, { ...options, signal: AbortSignal.timeout(ANSWER_MS) });
const language = document.documentElement.lang;

// ---- copying an address -------------------------------------------------------------------------

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const name = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.copied;
      await pause(2000);
      button.textContent = name;
    });
  }
}

// ---- uploading ----------------------------------------------------------------------------------

class Offline extends Error {}

/** Why a file ends here; `again` and `newLink` say whether trying again or a new link may help. */
class Refusal extends Error {
  constructor(words, { again = false, newLink = false } = {}) {
    super(words);
    Object.assign(this, { again, newLink });
  }
}

class Uploads {
  constructor(section) {
    // api, campaign, bytesMax, types, texts, problems, reasons: see api/pages/uploading.py
    Object.assign(this, JSON.parse(section.dataset.configuration), { section });
    this.list = section.querySelector("#upload-list");
    this.live = section.querySelector("#upload-live");
    this.key = `upload:${this.campaign}`;
    this.token = null;
    this.queue = Promise.resolve();
    this.showing = Promise.resolve();
    this.sending = 0;
    this.locked = []; // rows that a new link may help, and how they go on
    this.cover = null; // the row whose picture is the cover shown
  }

  /** Upload with this token from now on, in the place of the one before. */
  use(token) {
    if (token === this.token) return;
    if (this.token === null) this.start();
    this.token = token;
    kept((store) => store.setItem(this.key, token));
    for (const [row, again] of this.locked.splice(0)) row.fail(this.texts.newLink, again);
  }

  start() {
    this.section.hidden = false;
    document.querySelector("#no-upload").hidden = true;
    const input = this.section.querySelector("#upload-files");
    input.addEventListener("change", () => {
      for (const file of [...input.files]) this.add(file);
      input.value = ""; // the same file may be chosen again
    });
    this.section.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    addEventListener("beforeunload", (event) => {
      if (this.sending > 0) event.preventDefault();
    });
  }

  purpose(type) {
    if (!/^(image|video)\//.test(type)) return "document";
    return this.section.querySelector("input[name=purpose]:checked").value;
  }

  add(file) {
    const row = new Row(this, file.name);
    const type = this.typeOf(file);
    const fault = this.fault(file, type, this.purpose(type));
    if (fault !== null) {
      row.fail(fault);
      return;
    }
    this.enqueue(row, file, type, this.purpose(type));
  }

  enqueue(row, file, type, purpose) {
    row.show("waiting", this.texts.waiting);
    // One after the other: together they would only share the line.
    this.queue = this.queue.then(() => this.upload(row, file, type, purpose));
  }

  typeOf(file) {
    if (file.type in this.types) return file.type;
    const ending = file.name.split(".").pop().toLowerCase();
    const known = Object.keys(this.types).find((type) => this.types[type].includes(ending));
    return file.type === "" && known ? known : file.type;
  }

  /** What is wrong with a file before anything of it is sent; null when nothing is. */
  fault(file, type, purpose) {
    if (!(type in this.types)) return this.texts.wrongType;
    if (file.size === 0) return this.texts.empty;
    if (file.size > this.bytesMax) {
      const [size, limit] = [megabytes(file.size), megabytes(this.bytesMax)];
      return this.texts.tooLarge.replace("{size}", size).replace("{limit}", limit);
    }
    return purpose === "cover" && !type.startsWith("image/") ? this.texts.coverIsPicture : null;
  }

  async upload(row, file, type, purpose) {
    this.sending += 1;
    try {
      row.show("busy", this.texts.preparing);
      const ticket = await this.declare(row, file, type, purpose);
      await this.send(row, file, ticket.upload);
      row.show("busy", this.texts.sent, { announce: true });
      // Only a hint: without it the file is found a little later.
      ask(`${this.api}/v1/media/${ticket.id}/uploaded`, { method: "POST" }).catch(() => null);
      this.watch(row, ticket.id); // the next file need not wait for it
    } catch (error) {
      this.explain(row, error, () => this.enqueue(row, file, type, purpose));
    } finally {
      this.sending -= 1;
    }
  }

  async declare(row, file, type, purpose) {
    const declared = {
      campaign: this.campaign,
      purpose,
      content_type: type,
      size_bytes: file.size,
      ...(await digestOf(file)),
    };
    const token = this.token;
    const headers = {
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
      "Idempotency-Key": randomKey(), // however often it is sent, one row is written
    };
    const answer = await this.patiently(row, () => false, () =>
      ask(`${this.api}/v1/media`, { method: "POST", headers, body: JSON.stringify(declared) }),
    );
    if (answer.ok) return answer.json();
    if (answer.status === 401 || answer.status === 403) {
      if (token !== this.token) return this.declare(row, file, type, purpose); // a new link came
      kept((store) => store.removeItem(this.key));
      throw new Refusal(this.texts.refusedLink, { newLink: true });
    }
    const problem = (await answer.json().catch(() => null))?.type?.split(":").pop();
    throw new Refusal(this.problems[problem] ?? this.texts.notTaken, { again: true });
  }

  async send(row, file, { method, url, headers }) {
    // 409: two requests for one object at a time; the earlier is given up by now (S3, PutObject).
    const isBusy = (status) => status === 409;
    const answer = await this.patiently(row, isBusy, () =>
      sent(method, url, headers, file, (part) => {
        const percent = new Intl.NumberFormat(language, { style: "percent" }).format(part);
        row.progress(part, this.texts.sending.replace("{percent}", percent));
      }),
    );
    // 412: an earlier try did arrive, and only its answer was lost.
    if (!answer.ok && answer.status !== 412) throw new Refusal(this.texts.notTaken, { again: true });
  }

  /** Try something until it answers for good; the last answer counts. */
  async patiently(row, isBusy, attempt) {
    for (let tried = 1; ; tried += 1) {
      let answer = null;
      try {
        answer = await attempt();
      } catch (error) {
        if (error instanceof Refusal) throw error;
      }
      const isPassing = answer === null || answer.status >= 500 || isBusy(answer.status);
      if (!isPassing || (tried === TRIES && answer !== null)) return answer;
      if (tried === TRIES) throw new Offline();
      row.show("busy", this.texts.retrying, { announce: true });
      await pause(PAUSE_MS * 2 ** tried * (0.5 + Math.random() / 2));
    }
  }

  async watch(row, id) {
    const until = Date.now() + WATCH_MS;
    let wait = PAUSE_MS;
    for (;;) {
      const file = await this.look(id);
      if (file !== null && ENDS.includes(file.state)) {
        this.end(row, file);
        return;
      }
      if (Date.now() > until) {
        row.show("busy", this.texts.slow, { announce: true });
        return;
      }
      if (file !== null && file.state === "processing") row.show("busy", this.texts.processing);
      await pause(wait);
      wait = Math.min(wait * 1.4, PAUSE_MAX_MS);
    }
  }

  async look(id) {
    try {
      const answer = await ask(`${this.api}/v1/media/${id}`, { cache: "no-store" });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null; // asked again after a while
    }
  }

  end(row, file) {
    if (file.state === "removed") row.fail(this.texts.removed);
    else if (file.state !== "ready") row.fail(this.reasons[file.reason] ?? this.reasons.other);
    // One after the other: no older reading of the page takes the place of a newer one.
    else this.showing = this.showing.then(() => this.present(row, file));
  }

  /** Read the page again and show its files as the server writes them, if this one is there. */
  async present(row, file) {
    const files = (await reread())?.querySelector("#media") ?? null;
    const isCover = file.purpose === "cover";
    let words = this.texts.readyLater;
    if (files?.querySelector(`[data-file="${CSS.escape(file.id)}"]`)) words = this.texts.ready;
    else if (isCover && (await this.isReplaced(file, files))) words = this.texts.replaced;
    if (words !== this.texts.readyLater) {
      // A copy: the originals were told, in a document that shows nothing, to load no pictures.
      document.querySelector("#media").replaceWith(document.importNode(files, true));
    }
    row.show("ready", words, { announce: true });
    if (!isCover || words !== this.texts.ready) return;
    this.cover?.show("ready", this.texts.replaced); // not announced: the news is the new one
    this.cover = row;
  }

  /** Whether the page shows a cover that came after this one, here or from somebody else. */
  async isReplaced(file, files) {
    const shown = files?.querySelector(".cover [data-file]");
    const other = shown ? await this.look(shown.dataset.file) : null;
    return other !== null && Date.parse(other.created_at) >= Date.parse(file.created_at);
  }

  explain(row, error, again) {
    if (error.newLink) this.locked.push([row, again]);
    if (error instanceof Refusal) row.fail(error.message, error.again ? again : null);
    else if (error instanceof Offline) row.fail(this.texts.offline, again);
    else row.fail(this.texts.unreadable);
  }
}

/** One file in the list. Changes of its stage are announced; its percents are not. */
class Row {
  constructor(uploads, name) {
    this.name = name;
    this.live = uploads.live;
    const row = uploads.section.querySelector("#upload-row").content.cloneNode(true);
    this.item = row.querySelector("li");
    this.bar = row.querySelector("progress");
    this.sign = row.querySelector(".sign");
    this.words = row.querySelector(".file-words");
    this.button = row.querySelector("button");
    row.querySelector("bdi").textContent = name;
    this.bar.setAttribute("aria-label", name);
    this.button.setAttribute("aria-label", `${this.button.textContent}: ${name}`);
    uploads.list.append(row);
  }

  show(state, words, { announce = false } = {}) {
    this.item.dataset.state = state;
    this.words.textContent = words;
    this.sign.textContent = { ready: "✓", failed: "✕" }[state] ?? "";
    this.button.hidden = true;
    if (state === "busy") this.bar.removeAttribute("value"); // somewhere between nothing and all
    this.bar.hidden = state !== "busy" && state !== "sending";
    if (announce) this.live.textContent = `${this.name}: ${words}`;
  }

  progress(part, words) {
    this.show("sending", words);
    this.bar.value = part;
  }

  fail(words, again = null) {
    this.show("failed", words, { announce: true });
    if (again === null) return;
    this.button.hidden = false;
    this.button.onclick = () => {
      this.item.focus(); // the button goes away: the focus stays at its file
      again();
    };
  }
}

/** Send a file; fetch tells nothing of how far it is. */
function sent(method, url, headers, file, onProgress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    let stalled = setTimeout(() => request.abort(), STALL_MS);
    request.upload.onprogress = (event) => {
      clearTimeout(stalled);
      stalled = setTimeout(() => request.abort(), STALL_MS);
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onload = () => done({ ok: request.status < 300, status: request.status });
    request.onerror = request.onabort = () => failed(new Error("the store did not answer"));
    request.onloadend = () => clearTimeout(stalled);
    request.send(file);
  });
}

function randomKey() {
  return hexOf(crypto.getRandomValues(new Uint8Array(16)));
}

function hexOf(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The digest that the store checks a file against; nothing where the browser computes none. */
async function digestOf(file) {
  if (!globalThis.crypto?.subtle) return {};
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return { sha256: hexOf(new Uint8Array(digest)) };
}

/** The page as it is now; null when it does not come. */
function reread() {
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.pathname + location.search);
    request.responseType = "document";
    request.timeout = ANSWER_MS;
    request.onloadend = () => done(request.status === 200 ? request.response : null);
    request.send();
  });
}

/** Rounded up: what is over a limit must not read as the limit. */
function megabytes(bytes) {
  const options = { style: "unit", unit: "megabyte", maximumFractionDigits: 1 };
  const tenths = Math.ceil((bytes / (1024 * 1024)) * 10);
  return new Intl.NumberFormat(language, options).format(tenths / 10);
}

/** Use what is kept for as long as this tab lives; a browser may be set to keep nothing. */
function kept(action) {
  try {
    return action(sessionStorage);
  } catch {
    return null;
  }
}

/** Take the link's token out of the address, and so out of the tab's history; else the kept one. */
function begin() {
  const given = new URLSearchParams(location.hash.slice(1)).get("upload");
  if (given !== null) history.replaceState(null, "", location.pathname + location.search);
  if (uploads === null) return;
  const isWhole = given !== null && /^[\w-]+$/.test(given);
  const token = isWhole ? given : kept((store) => store.getItem(uploads.key));
  if (token !== null) uploads.use(token);
}

const section = document.querySelector("#upload"); // none where no files are taken
const uploads = section && new Uploads(section);
begin();
addEventListener("hashchange", begin); // a link was opened on top of the page itself
