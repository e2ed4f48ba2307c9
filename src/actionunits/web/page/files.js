// The list of files: each is sent to the service, followed, shown and removed.
import * as api from "./api.js";
import { Results } from "./results.js";

export class FileList {
  // onOpen(item): it was chosen; onChange(item): its state, or a frame of it, is new.
  constructor(list, { onOpen, onChange, onError }) {
    Object.assign(this, { list, onOpen, onChange, onError, items: [], open: null });
  }

  // file: a File, or null where another page of this service sent it.
  add(name, file) {
    const item = { name, file, results: new Results(), job: null, state: "sending", address: file && URL.createObjectURL(file) };
    item.row = document.createElement("li");
    item.button = Object.assign(document.createElement("button"), { type: "button", className: "open" });
    item.title = Object.assign(document.createElement("b"), { textContent: name });
    item.words = document.createElement("small");
    item.bar = document.createElement("progress");
    item.button.append(item.title, item.words, item.bar);
    item.button.addEventListener("click", () => this.choose(item));
    const away = Object.assign(document.createElement("button"), { type: "button", textContent: "×", title: `Remove ${name}` });
    away.setAttribute("aria-label", `Remove ${name}`);
    away.addEventListener("click", () => this.remove(item));
    item.row.append(item.button, away);
    this.list.append(item.row);
    this.items.push(item);
    this.describe(item);
    return item;
  }

  async send(file, fields) {
    const item = this.add(file.name, file);
    this.choose(item);
    try {
      item.job = await api.start(file, fields);
    } catch (error) {
      this.fail(item, error.message);
      return;
    }
    await this.follow(item);
  }

  async follow(item) {
    item.state = item.job.state;
    this.describe(item);
    try {
      const last = await api.frames(item.job.id, (frame) => {
        item.state = "running";
        item.results.add(frame);
        this.describe(item);
        this.onChange(item);
      });
      if (last.end === "removed") return;
      if (last.end === "failed") throw new Error(last.error);
      item.job = await api.analysis(item.job.id);
      item.state = "done";
    } catch (error) {
      this.fail(item, error.message);
      return;
    }
    this.describe(item);
    this.onChange(item);
  }

  fail(item, words) {
    if (!this.items.includes(item)) return;
    Object.assign(item, { state: "failed", error: words });
    this.describe(item);
    this.onChange(item);
    this.onError(`${item.name}: ${words}`);
  }

  choose(item) {
    this.open = item;
    for (const each of this.items) each.button.setAttribute("aria-current", each === item);
    this.onOpen(item);
  }

  async remove(item) {
    this.items = this.items.filter((each) => each !== item);
    item.row.remove();
    if (item.address) URL.revokeObjectURL(item.address);
    if (this.open === item) this.items.length ? this.choose(this.items.at(-1)) : this.onOpen(this.open = null);
    if (item.job) await api.remove(item.job.id).catch(() => {}); // it may be gone already
  }

  describe(item) {
    const { frames } = item.results, of = item.job && item.job.of;
    item.words.textContent = {
      sending: "is sent", waiting: "waits", running: `frame ${frames.length}`, failed: item.error,
      done: item.job?.result?.kind === "image" ? "done" : `${frames.length} frames`,
    }[item.state];
    item.row.classList.toggle("failed", item.state === "failed");
    item.bar.hidden = item.state === "done" || item.state === "failed";
    if (of) Object.assign(item.bar, { max: of, value: frames.length });
  }
}
