// The page: what is chosen, what is shown, and what keys and buttons do.
import * as api from "./api.js";
import { Bars } from "./bars.js";
import { FileList } from "./files.js";
import { Lanes } from "./lanes.js";
import { drawOverlay, personColour } from "./overlay.js";
import { Results, clockText, intensityText } from "./results.js";
import { Webcam } from "./webcam.js";

const $ = (id) => document.getElementById(id);
const FILE_NAMES = {
  "table": "table (CSV)", "summary": "summary", "timeline": "timeline (PNG)", "card": "run card (JSON)",
  "annotated-picture": "annotated photo", "annotated-video": "annotated video",
};
const HIGHEST_VH = 60; // of a picture, in hundredths of the window's height
const LANES_EVERY_MS = 200; // of a webcam or a running analysis

const view = { item: null, webcam: null, results: null, person: null, time: 0, resting: null, lanesMs: 0, queued: false };
let model, bars, lanes, list;

async function begin() {
  dress();
  model = await api.model();
  bars = new Bars($("bars"), model);
  lanes = new Lanes($("lanes"), model, seek);
  list = new FileList($("list"), { onOpen: open, onChange: changed, onError: say });
  for (const job of await api.analyses()) { // of an earlier visit: its file is no longer here
    const item = list.add(job.name, null);
    item.job = job;
    list.follow(item);
  }
  connect();
  $("list").setAttribute("aria-busy", "false");
}

function dress() {
  const chosen = $("theme"), system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    document.documentElement.dataset.theme = chosen.value || (system.matches ? "dark" : "light");
    if (lanes) draw(true);
  };
  try { chosen.value = localStorage.getItem("theme") || ""; } catch { /* kept for this visit alone */ }
  chosen.addEventListener("change", () => {
    try { localStorage.setItem("theme", chosen.value); } catch { /* as above */ }
    apply();
  });
  system.addEventListener("change", apply);
  apply();
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  $("privacy").textContent = isHere ? "Nothing leaves this computer." : `Pictures go to ${location.hostname} and nowhere else.`;
}

function connect() {
  const drop = $("drop"), video = $("video");
  $("files").addEventListener("change", (event) => { sendAll(event.target.files); event.target.value = ""; });
  for (const name of ["dragover", "dragleave", "drop"]) {
    addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") sendAll(event.dataTransfer.files);
    });
  }
  $("webcam").addEventListener("click", () => toggleWebcam());
  $("play").addEventListener("click", play);
  $("neutral").addEventListener("click", setNeutral);
  $("forget").addEventListener("click", () => rest(null));
  video.addEventListener("error", () => { if (view.item) cannotShow(); });
  for (const name of ["play", "pause", "ended"]) video.addEventListener(name, controls);
  const follow = () => {
    // A video that stands shows the moment that was asked for, on which the next step builds.
    if (view.item && !video.hidden && !video.paused) { view.time = video.currentTime; draw(); }
    video.requestVideoFrameCallback(follow);
  };
  video.requestVideoFrameCallback(follow);
  video.addEventListener("seeked", () => draw());
  video.addEventListener("loadedmetadata", () => fit(video, video.videoWidth, video.videoHeight));
  for (const picture of [video, $("photo")]) new ResizeObserver(() => draw(true)).observe(picture);
  addEventListener("keydown", onKey);
}

function sendAll(files) {
  const fields = { annotate: $("annotate").checked && "true", calibrate: $("calibrate").checked && "true" };
  if (view.resting) Object.assign(fields, { neutral_file: view.resting, calibrate: "" });
  for (const file of files) list.send(file, fields);
}

// What is looked at

function open(item) {
  if (item && view.webcam) view.webcam.stop();
  Object.assign(view, { item, results: item && item.results, person: null, time: 0 });
  const video = $("video"), photo = $("photo");
  video.pause();
  video.removeAttribute("src");
  video.hidden = photo.hidden = true;
  $("empty").hidden = Boolean(item);
  if (item && !item.address) cannotShow("The file itself is no longer here; its results are.");
  else if (item && item.file.type.startsWith("video/")) {
    video.src = item.address;
    video.hidden = false;
  } else if (item) {
    photo.onerror = () => (view.item === item ? cannotShow() : null);
    photo.onload = () => { fit(photo, photo.naturalWidth, photo.naturalHeight); draw(true); };
    photo.src = item.address;
    photo.alt = item.name;
    photo.hidden = false;
  }
  draw(true);
}

// As large as there is room, small pictures too.
function fit(picture, width, height) {
  picture.style.width = `min(100%, ${HIGHEST_VH * width / height}vh)`;
}

function cannotShow(words = "This browser cannot show this file; its results are shown all the same.") {
  $("video").hidden = $("photo").hidden = true;
  $("empty").hidden = false;
  $("empty").textContent = words;
  draw(true);
}

function changed(item) {
  if (item === view.item) draw(item.state !== "running");
}

function draw(isWhole = false) {
  const nowMs = performance.now();
  view.isWhole = view.isWhole || isWhole || nowMs - view.lanesMs > LANES_EVERY_MS;
  if (view.queued) return;
  view.queued = true;
  requestAnimationFrame(() => {
    view.queued = false;
    paint(view.isWhole);
    view.isWhole = false;
  });
}

function paint(isWhole) {
  const { results } = view, frame = results && (results.isLive ? results.frames.at(-1) : results.at(view.time));
  if (results && !results.people.has(view.person)) {
    const most = [...results.people].sort((a, b) => b[1] - a[1])[0];
    view.person = most ? most[0] : null;
  }
  const face = frame && frame.faces.find((each) => each.id === view.person);
  const picture = [$("video"), $("photo")].find((each) => !each.hidden);
  if (picture) drawOverlay($("overlay"), picture, frame, view.person, model);
  else $("overlay").width = 0;
  bars.show(face || null);
  $("clock").textContent = frame && !isPhoto() ? `${clockText(results.isLive ? frame.time_s : view.time)}  frame ${frame.frame}` : "";
  warn(frame, face);
  controls();
  people();
  const hasTime = Boolean(results && !isPhoto() && results.frames.length > 1);
  $("time").hidden = !hasTime;
  if (hasTime && (isWhole || !results.isLive)) {
    view.lanesMs = performance.now();
    lanes.show(results, view.person, results.isLive ? results.end : view.time);
  }
  if (isWhole) { episodes(hasTime); downloads(); }
}

const isPhoto = () => Boolean(view.item && (view.item.job?.result?.kind === "image" || (view.item.file && !view.item.file.type.startsWith("video/") && view.results.frames.length < 2)));

function warn(frame, face) {
  const notes = [];
  if (frame && !frame.faces.length) notes.push("no face in this frame");
  else if (frame && !face) notes.push("this person is not in this frame");
  if (face) notes.push(...face.warnings);
  const done = view.item?.job?.result;
  if (done?.damage) notes.push(`damaged file: ${done.damage}`);
  for (const note of done?.notes || []) notes.push(note);
  $("warnings").hidden = !notes.length;
  $("warnings").textContent = notes.join(" · ");
}

function controls() {
  const video = $("video"), canPlay = Boolean(view.webcam || (view.item && !video.hidden));
  $("play").hidden = !canPlay;
  $("play").textContent = (view.webcam ? !view.webcam.isPaused : !video.paused) && canPlay ? "Pause" : "Play";
  $("neutral").disabled = !model.neutral || !view.results?.people.size || !(view.webcam || view.item?.file);
  $("webcam").setAttribute("aria-pressed", Boolean(view.webcam));
}

function people() {
  const group = $("people"), ids = view.results ? [...view.results.people.keys()].sort((a, b) => a - b) : [];
  if (group.dataset.ids !== ids.join()) {
    group.dataset.ids = ids.join();
    group.replaceChildren(...ids.map((id) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
      swatch.style.background = personColour(id);
      button.append(swatch, `Face ${id}`);
      button.addEventListener("click", () => { view.person = id; draw(true); });
      return button;
    }));
  }
  ids.forEach((id, k) => group.children[k].setAttribute("aria-pressed", id === view.person));
}

function episodes(hasTime) {
  const found = hasTime && view.item ? view.results.episodes(view.person) : [];
  $("episodes").replaceChildren(...found.map((each) => {
    const au = model.aus[each.au], item = document.createElement("li");
    const words = `${au.label} ${au.name}, ${each.from.toFixed(1)}–${each.to.toFixed(1)} s, up to ${intensityText(each.highest, model.letters)}`;
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: words });
    button.addEventListener("click", () => seek(each.from));
    item.append(button);
    return item;
  }));
  $("episodes").previousElementSibling.hidden = !found.length;
}

function downloads() {
  const job = view.item?.job;
  $("downloads").replaceChildren(...(view.item?.state === "done" ? job.files : []).map((name) =>
    Object.assign(document.createElement("a"), { href: api.fileAddress(job.id, name), download: "", textContent: FILE_NAMES[name] })));
}

// Moving in time

function seek(time) {
  if (!view.item) return;
  const { results } = view;
  view.time = Math.min(Math.max(time, results.start), results.end);
  const video = $("video");
  // A frame is shown from its beginning on: the middle of it is safe from rounding.
  if (!video.hidden) { video.pause(); video.currentTime = view.time + 0.001; }
  draw();
}

function step(by) {
  const { results } = view, at = results.indexAt(view.time) + by;
  seek(results.frames[Math.min(Math.max(at, 0), results.frames.length - 1)].time_s);
}

function play() {
  const video = $("video");
  if (view.webcam) {
    view.webcam.isPaused = !view.webcam.isPaused;
    view.webcam.isPaused ? video.pause() : video.play();
  } else if (!video.hidden) {
    video.paused ? video.play() : video.pause();
  }
  controls();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const onWidget = event.target.closest("button, select, input, a, summary");
  const actions = {
    " ": () => !onWidget && play(), n: setNeutral, w: () => toggleWebcam(),
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => seek(0), End: () => seek(Infinity),
  };
  const action = actions[event.key] || actions[event.key.toLowerCase()];
  const needsTime = event.key.length > 1;
  if (!action || event.target.closest("select") || (event.key === " " && onWidget)) return;
  if (needsTime && !(view.item && view.results.frames.length)) return;
  event.preventDefault();
  action();
}

// The resting face

function setNeutral() {
  if ($("neutral").disabled) return;
  if (view.webcam) {
    view.webcam.order("neutral");
    say("Measured from this face from now on.");
  } else if (isPhoto()) {
    rest(view.item.file);
    say("This photo is the resting face of the next files.");
  } else {
    const { file } = view.item, frame = view.results.at(view.time).frame;
    list.send(file, { neutral: String(frame), annotate: $("annotate").checked && "true" });
    say(`Measured once more, from frame ${frame}.`);
  }
}

function rest(file) {
  view.resting = file;
  $("resting").hidden = !file;
  $("resting").firstElementChild.textContent = file ? `measured from ${file.name}` : "";
}

// The webcam

async function toggleWebcam() {
  if (view.webcam) { view.webcam.stop(); return; }
  list.open = null;
  for (const each of list.items) each.button.setAttribute("aria-current", false);
  open(null);
  const video = $("video"), results = new Results(true);
  let milliseconds = null;
  const webcam = new Webcam(video, (frame, lateMs) => {
    results.add(frame);
    milliseconds = milliseconds === null ? lateMs : 0.9 * milliseconds + 0.1 * lateMs;
    const { frames } = results, first = frames[Math.max(0, frames.length - 31)];
    const rate = frames.length > 1 ? (frames.length - 1 - frames.indexOf(first)) / (frame.time_s - first.time_s) : 0;
    $("speed").textContent = `${rate.toFixed(0)} frames per second, ${milliseconds.toFixed(0)} ms`;
    draw();
  }, (words) => {
    if (view.webcam !== webcam) return;
    Object.assign(view, { webcam: null, results: null });
    video.hidden = true;
    $("empty").hidden = false;
    $("speed").textContent = "";
    if (words) say(words);
    draw(true);
  });
  Object.assign(view, { webcam, results });
  video.hidden = false;
  $("empty").hidden = true;
  controls();
  try {
    await webcam.start();
  } catch (error) {
    webcam.stop(error.message);
  }
}

let sayTimer;
function say(words) {
  $("status").textContent = words;
  clearTimeout(sayTimer);
  sayTimer = setTimeout(() => { $("status").textContent = ""; }, 8000);
}

begin().catch((error) => { $("status").textContent = error.message; });
