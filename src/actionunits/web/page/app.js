// The page: what is chosen, what is shown, and what keys and buttons do.
import * as api from "./api.js";
import { Bars } from "./bars.js";
import { Episodes } from "./episodes.js";
import { FileList } from "./files.js";
import { Lanes } from "./lanes.js";
import { drawOverlay, faceAt, personColour } from "./overlay.js";
import { Results, clockText } from "./results.js";
import { links, liveButton } from "./save.js";
import { Webcam } from "./webcam.js";

const $ = (id) => document.getElementById(id);
const QUALITY = { // words of the table
  turned: "turned away", small: "small face", blurred: "blurred", dark: "dark", cut_off: "cut off by the edge",
  covered: "partly covered", unsure: "uncertain face", new_id: "just come into sight",
};
const HIGHEST_VH = 60; // of a picture, in hundredths of the window's height
const LANES_EVERY_MS = 200; // of a webcam or a running analysis

// isByHand: somebody chose the person. isWhole: the next painting is of everything.
const view = { item: null, webcam: null, results: null, person: null, isByHand: false, isCalibrated: false, time: 0, resting: null, lanesMs: 0, queued: false };
let model, bars, lanes, episodes, list;

async function begin() {
  dress();
  model = await api.model();
  bars = new Bars($("bars"), $("about"), $("scale"), model);
  lanes = new Lanes($("lanes"), model, seek);
  episodes = new Episodes($("episodes"), model, seek);
  list = new FileList($("list"), { onOpen: open, onChange: changed, onError: say });
  $("sides").hidden = !model.sides;
  for (const job of await api.analyses()) list.adopt(job);
  connect();
  open(null);
  $("list").setAttribute("aria-busy", "false");
}

function dress() {
  const chosen = $("theme"), system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    document.documentElement.dataset.theme = chosen.value || (system.matches ? "dark" : "light");
    if (list) draw(true);
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
  const video = $("video");
  $("files").addEventListener("change", (event) => { sendAll([...event.target.files]); event.target.value = ""; });
  for (const name of ["dragover", "dragleave", "drop"]) {
    addEventListener(name, (event) => {
      event.preventDefault();
      document.body.classList.toggle("over", name === "dragover");
      if (name === "drop") sendAll(dropped(event.dataTransfer));
    });
  }
  $("webcam").addEventListener("click", () => toggleWebcam());
  $("play").addEventListener("click", play);
  $("neutral").addEventListener("click", setNeutral);
  $("calibrate").addEventListener("change", calibrateWebcam);
  $("forget").addEventListener("click", () => rest(null));
  $("frame").addEventListener("click", pick);
  video.addEventListener("error", () => { if (view.item) hidePicture(); });
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

// Files of what was dropped. A folder looks like a file, but cannot be read as one.
function dropped(transfer) {
  const isFolder = [...transfer.items].map((item) => item.webkitGetAsEntry?.()?.isDirectory);
  if (isFolder.some(Boolean)) say("Folders cannot be dropped here; drop the files in them.");
  return [...transfer.files].filter((_, k) => !isFolder[k]);
}

function sendAll(files) {
  const fields = { annotate: $("annotate").checked && "true", calibrate: $("calibrate").checked && "true" };
  if (view.resting) Object.assign(fields, { neutral_file: view.resting, calibrate: "" });
  files.forEach((file, k) => list.send(file, fields, k === 0));
}

// What is looked at

function open(item) {
  if (item && view.webcam) view.webcam.stop();
  Object.assign(view, { item, results: item && item.results, person: null, isByHand: false, time: 0 });
  const video = $("video"), photo = $("photo");
  video.pause();
  video.removeAttribute("src");
  video.hidden = photo.hidden = true;
  if (item?.file?.type.startsWith("video/")) {
    video.src = item.address;
    video.hidden = false;
  } else if (item?.file) {
    photo.onerror = () => (view.item === item ? hidePicture() : null);
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

function hidePicture() {
  $("video").hidden = $("photo").hidden = true;
  draw(true);
}

function changed(item, isWhole = item.state !== "running") {
  if (item === view.item) draw(isWhole);
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

const shownPicture = () => [$("video"), $("photo")].find((each) => !each.hidden);
const shownFrame = () => view.results && (view.results.isLive ? view.results.frames.at(-1) : view.results.at(view.time));

function paint(isWhole) {
  const { results } = view, frame = shownFrame(), picture = shownPicture();
  if (results) findPerson(results, frame);
  const face = frame && frame.faces.find((each) => each.id === view.person);
  if (picture) drawOverlay($("overlay"), picture, frame, view.person, model, Boolean(view.webcam));
  else $("overlay").width = 0;
  bars.show(face || null);
  $("clock").textContent = frame && !isPhoto() ? `${clockText(results.isLive ? frame.time_s : view.time)} · frame ${frame.frame}` : "";
  empty(picture);
  warn(frame, face, picture);
  controls();
  people();
  const hasTime = Boolean(results && !isPhoto() && results.frames.length > 1);
  $("time").hidden = !hasTime;
  if (hasTime && (isWhole || !results.isLive)) {
    view.lanesMs = performance.now();
    lanes.show(results, view.person, results.isLive ? results.end : view.time);
  }
  if (isWhole) { episodes.show(hasTime && view.item?.episodes || [], view.person); downloads(); }
  episodes.at(view.time);
}

// Keeps the person whom somebody chose, or who is there; else takes whoever is seen most.
function findPerson(results, frame) {
  const isThere = (id) => frame.faces.some((each) => each.id === id), { isLive } = results;
  if (results.people.has(view.person) && (view.isByHand || !isLive || !frame.faces.length || isThere(view.person))) return;
  const most = [...results.people].filter(([id]) => !isLive || isThere(id)).sort((a, b) => b[1] - a[1])[0];
  Object.assign(view, { person: most ? most[0] : null, isByHand: false });
}

function choosePerson(id) {
  Object.assign(view, { person: id, isByHand: true });
  draw(true);
}

function pick(event) {
  const picture = shownPicture(), frame = shownFrame();
  const face = picture && frame && faceAt(picture, frame, event, Boolean(view.webcam));
  if (face) choosePerson(face.id);
}

const isPhoto = () => Boolean(view.item && (view.item.job?.result?.kind === "image" || (view.item.file && !view.item.file.type.startsWith("video/") && view.results.frames.length < 2)));

// What stands in place of a picture.
function empty(picture) {
  const { item } = view, [title, words] = $("empty").children;
  $("empty").hidden = Boolean(picture);
  if (picture) return;
  title.textContent = !item ? "Drop photos or videos anywhere on this page" : item.state === "failed" ? "This file could not be analysed" : "No preview";
  words.textContent = !item ? "or turn the webcam on. Faces, action units and their intensities appear here."
    : item.state === "failed" ? item.error
    : item.file ? "This browser cannot show this file; its results are shown all the same." : "The file itself is no longer here; its results are.";
}

function warn(frame, face, picture) {
  const notes = [], { item } = view, done = item?.job?.result;
  if (item?.state === "failed" && picture) notes.push(item.error);
  if (frame && !frame.faces.length) notes.push("no face in this frame");
  else if (frame && !face) notes.push(`face ${view.person} is not in this frame`);
  if (face && view.isCalibrated && !frame.neutral.includes(face.id)) notes.push(`face ${face.id} has shown no rest so far`);
  if (face?.quality.length) notes.push(`face ${face.id}: ${face.quality.map((word) => QUALITY[word]).join(", ")}`);
  if (done?.damage) notes.push(`damaged file: ${done.damage}`);
  for (const note of done?.notes || []) notes.push(note);
  $("warnings").hidden = !notes.length;
  $("warnings").textContent = notes.join(" · ");
}

function controls() {
  const video = $("video"), canPlay = Boolean(view.webcam || (view.item && !video.hidden));
  $("controls").hidden = !view.webcam && !view.results?.frames.length && !canPlay;
  $("play").hidden = !canPlay;
  $("play").textContent = (view.webcam ? !view.webcam.isPaused : !video.paused) && canPlay ? "Pause" : "Play";
  $("neutral").disabled = !model.neutral || !view.results?.people.size || !(view.webcam || view.item?.file);
  $("webcam").setAttribute("aria-pressed", Boolean(view.webcam));
  $("webcam").textContent = view.webcam ? "Turn the webcam off" : "Turn the webcam on";
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
      button.addEventListener("click", () => choosePerson(id));
      return button;
    }));
  }
  ids.forEach((id, k) => group.children[k].setAttribute("aria-pressed", id === view.person));
}

function downloads() {
  const { item, webcam, results } = view, group = $("downloads");
  const kind = item?.state === "done" ? item.job.id : webcam && results.frames.length ? "webcam" : "";
  if (group.dataset.of === kind) return; // a link that is made anew loses the focus
  group.dataset.of = kind;
  group.hidden = !kind;
  group.replaceChildren(...(!kind ? [] : item ? links(item.job) : [liveButton(results, model)]));
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
    view.isCalibrated = false;
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

function calibrateWebcam() {
  if (!view.webcam || !model.neutral) return;
  view.isCalibrated = $("calibrate").checked;
  view.webcam.order(view.isCalibrated ? "calibrate" : "forget");
}

async function toggleWebcam() {
  if (view.webcam) { view.webcam.stop(); return; }
  list.choose(null);
  const video = $("video"), results = new Results(true);
  let milliseconds = null;
  const ready = () => $("calibrate").checked && calibrateWebcam();
  const webcam = new Webcam(video, ready, (frame, lateMs) => {
    results.add(frame);
    milliseconds = milliseconds === null ? lateMs : 0.9 * milliseconds + 0.1 * lateMs;
    $("speed").textContent = `${results.rate().toFixed(0)} frames per second, ${milliseconds.toFixed(0)} ms`;
    draw();
  }, (words) => {
    if (view.webcam !== webcam) return;
    Object.assign(view, { webcam: null, results: null, isCalibrated: false });
    video.hidden = true;
    video.classList.remove("mirrored");
    $("speed").textContent = "";
    if (words) say(words);
    draw(true);
  });
  Object.assign(view, { webcam, results });
  video.hidden = false;
  video.classList.add("mirrored"); // as people know themselves
  $("speed").textContent = "starting …";
  draw(true);
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
