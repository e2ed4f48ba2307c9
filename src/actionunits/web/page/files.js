// The list of files: each is sent to the service, followed, shown and removed.
import * as api from "./api.js";
import { Results } from "./results.js";

const LOOK_EVERY_MS = 400;

export class FileList {
  // onOpen(item): it was chosen; onChange(item): its state, or a frame of it, is new; onError(words).
  constructor(list, { onOpen, onChange, onError }) {
    Object.assign(this, { list, onOpen, onChange, onError, items: [], open: null, turn: Promise.resolve(), isWatching: false });
  }

  // file: a File, or null where another page of this service sent it.
  add(name, file) {
    const item = { name, file, results: new Results(), episodes: [], job: null, state: "sending", isRead: false };
    item.address = file && URL.createObjectURL(file);
    item.row = document.createElement("li");
    item.button = Object.assign(document.createElement("button"), { type: "button", className: "open", title: name });
    item.words = document.createElement("small");
    item.bar = document.createElement("progress");
    item.bar.setAttribute("aria-label", `Progress of ${name}`);
    item.button.append(Object.assign(document.createElement("b"), { textContent: name }), item.words, item.bar);
    item.button.addEventListener("click", () => this.choose(item));
    const away = Object.assign(document.createElement("button"), { type: "button", textContent: "×", title: `Remove ${name}` });
    away.className = "away";
    away.setAttribute("aria-label", `Remove ${name}`);
    away.addEventListener("click", () => this.remove(item));
    item.row.append(item.button, away);
    this.list.append(item.row);
    this.items.push(item);
    this.describe(item);
    return item;
  }

  // An analysis of an earlier visit or another tab.
  adopt(job) {
    this.take(this.add(job.name, null), job);
    this.watch();
  }

  // Files go one by one, and wait where the service is full.
  async send(file, fields, isChosen = true) {
    const item = this.add(file.name, file);
    if (isChosen) this.choose(item);
    const uploaded = this.turn.then(() => this.upload(item, fields));
    this.turn = uploaded.catch(() => {});
    try {
      await uploaded;
    } catch (error) {
      this.fail(item, error.message);
    }
    this.watch();
  }

  async upload(item, fields) {
    while (this.items.includes(item)) {
      try {
        this.take(item, await api.start(item.file, fields));
        return;
      } catch (error) {
        if (!error.retryAfterS) throw error;
        await new Promise((resolve) => { setTimeout(resolve, 1000 * error.retryAfterS); });
      }
    }
  }

  // Looks at all analyses at once: a stream for each that waits would take every connection that a browser has.
  async watch() {
    if (this.isWatching) return;
    this.isWatching = true;
    const waiting = () => this.items.filter((each) => ["waiting", "running"].includes(each.state) && each.job);
    for (let items = waiting(); items.length; items = waiting()) {
      try {
        const jobs = new Map((await api.analyses()).map((job) => [job.id, job]));
        for (const item of items) {
          if (jobs.has(item.job.id)) this.take(item, jobs.get(item.job.id));
          else this.fail(item, "it was removed, or the service was started anew");
        }
      } catch (error) {
        for (const item of items) this.fail(item, error.message);
      }
      await new Promise((resolve) => { setTimeout(resolve, LOOK_EVERY_MS); });
    }
    this.isWatching = false;
  }

  take(item, job) {
    item.job = job;
    if (job.state === "failed") { this.fail(item, job.error); return; }
    item.state = job.state;
    this.describe(item);
    if (item === this.open) { this.read(item); this.onChange(item); }
  }

  // Reads the frames of a file that is looked at, as far as they are made and then as they come.
  async read(item) {
    if (item.isRead || !["running", "done"].includes(item.state)) return;
    item.isRead = true;
    try {
      const last = await api.frames(item.job.id, (frame) => { item.results.add(frame); this.onChange(item); });
      if (last.end !== "done") { // of one that runs, whoever watches tells why
        if (item.state === "done") this.onError(`${item.name}: ${last.error || "it was removed"}`);
        return;
      }
      const job = (await api.analyses()).find((each) => each.id === item.job.id);
      if (job) this.take(item, job);
      if (item.job.files.includes("episodes")) item.episodes = await api.episodes(item.job.id);
    } catch (error) {
      this.fail(item, error.message);
    }
    this.onChange(item, true);
  }

  fail(item, words) {
    if (!this.items.includes(item) || item.state === "failed") return;
    Object.assign(item, { state: "failed", error: words });
    this.describe(item);
    this.onChange(item);
    if (item.file) this.onError(`${item.name}: ${words}`); // of earlier visits it is old news
  }

  choose(item) {
    this.open = item;
    for (const each of this.items) each.button.setAttribute("aria-current", each === item);
    this.onOpen(item);
    if (item) this.read(item);
  }

  async remove(item) {
    this.items = this.items.filter((each) => each !== item);
    item.row.remove();
    if (item.address) URL.revokeObjectURL(item.address);
    if (this.open === item) this.choose(this.items.at(-1) || null);
    if (item.job) await api.remove(item.job.id).catch(() => {}); // it may be gone already
  }

  describe(item) {
    const { frames, of, result } = item.job || {};
    item.words.textContent = {
      sending: "is sent", waiting: "waits for its turn", failed: item.error,
      running: frames ? `frame ${frames}${of ? ` of ${of}` : ""}` : "begins",
      done: result?.kind === "image" ? "done" : `${frames} frames`,
    }[item.state];
    item.row.className = item.state;
    item.bar.hidden = item.state !== "running" && item.state !== "sending";
    if (of) Object.assign(item.bar, { max: of, value: frames });
  }
}
