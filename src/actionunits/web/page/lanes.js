// The timeline: one lane for each action unit, shaded by intensity; also the ruler by which one moves in time.
import { clockText, intensityText } from "./results.js";

const LANE = 15, RULER = 22, NAMES = 52, RIGHT = 8;
const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

export class Lanes {
  // onSeek: called with the time in seconds that a pointer chose.
  constructor(canvas, model, onSeek) {
    Object.assign(this, { canvas, model, onSeek, results: null, person: null, time: 0 });
    const seek = (event) => {
      if (this.results && event.buttons) onSeek(this.timeAt(event.offsetX));
    };
    canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); seek(event); });
    canvas.addEventListener("pointermove", (event) => { seek(event); this.tell(event); });
  }

  get span() {
    const { start, end, frames } = this.results;
    const last = frames.length > 1 ? (end - start) / (frames.length - 1) : 0.04;
    return [start, Math.max(end + last, start + 1e-3)];
  }

  timeAt(x) {
    const [from, to] = this.span, share = (x - NAMES) / (this.canvas.clientWidth - NAMES - RIGHT);
    return from + Math.min(Math.max(share, 0), 1) * (this.results.end - from);
  }

  // What lies below the pointer: an action unit, and its intensity at that time.
  tell(event) {
    const { results, model } = this, k = Math.floor((event.offsetY - RULER) / LANE), au = model.aus[k];
    if (!results || !au) { this.canvas.title = ""; return; }
    const time = this.timeAt(event.offsetX), face = results.at(time).faces.find((each) => each.id === this.person);
    const height = face ? intensityText(face.intensity[k], model.letters) : "no face";
    this.canvas.title = `${au.label} ${au.name}, ${clockText(time)}: ${height}`;
  }

  show(results, person, time) {
    Object.assign(this, { results, person, time });
    const { canvas, model } = this, ratio = devicePixelRatio || 1;
    const width = canvas.clientWidth, height = RULER + LANE * model.aus.length + 2;
    canvas.style.height = `${height}px`;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    this.colour = (name) => style.getPropertyValue(`--${name}`).trim();
    pen.scale(ratio, ratio);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    if (!results || !results.frames.length) return;
    this.drawLanes(pen, width);
    this.drawRuler(pen, width, height);
    canvas.setAttribute("aria-valuemax", results.end.toFixed(2));
    canvas.setAttribute("aria-valuemin", results.start.toFixed(2));
    canvas.setAttribute("aria-valuenow", time.toFixed(2));
    canvas.setAttribute("aria-valuetext", clockText(time));
  }

  drawLanes(pen, width) {
    const { model } = this, [from, to] = this.span, columns = Math.max(1, width - NAMES - RIGHT | 0), count = model.aus.length;
    const { strength, present, seen } = this.byColumn(columns, from, to);
    // One pixel for each cell, enlarged: a webcam has it drawn anew several times a second.
    const cells = new OffscreenCanvas(columns, count);
    cells.getContext("2d").putImageData(this.shaded(columns, strength, seen), 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(cells, NAMES, RULER, columns, LANE * count);
    pen.fillStyle = this.colour("panel");
    for (let k = 1; k <= count; k++) pen.fillRect(NAMES, RULER + LANE * k - 1, columns, 1);
    pen.fillStyle = this.colour("present");
    for (let k = 0; k < count; k++) {
      for (let x = 0, start = 0; x < columns; start = ++x) {
        while (x < columns && present[x * count + k]) x++;
        if (x > start) pen.fillRect(NAMES + start, RULER + LANE * k, x - start, 2.5);
      }
    }
    pen.fillStyle = this.colour("ink");
    model.aus.forEach((au, k) => pen.fillText(au.label, 6, RULER + LANE * (k + 0.5)));
  }

  // A picture with a column for each moment and a row for each action unit; grey where the person is not seen.
  shaded(columns, strength, seen) {
    const count = this.model.aus.length, picture = new ImageData(columns, count);
    const [low, high, gap] = ["low", "high", "gap"].map((name) => rgb(this.colour(name)));
    for (let x = 0; x < columns; x++) {
      for (let k = 0; k < count; k++) {
        const at = 4 * (k * columns + x), share = strength[x * count + k] / 5;
        for (let c = 0; c < 3; c++) picture.data[at + c] = seen[x] ? low[c] + share * (high[c] - low[c]) : gap[c];
        picture.data[at + 3] = 255;
      }
    }
    return picture;
  }

  // Highest intensity, presence and sight of the person in each column of pixels.
  byColumn(columns, from, to) {
    const count = this.model.aus.length, { frames } = this.results;
    const strength = new Float32Array(columns * count), present = new Uint8Array(columns * count);
    const seen = new Uint8Array(columns);
    const columnOf = (time) => Math.min(columns - 1, Math.floor((time - from) / (to - from) * columns));
    frames.forEach((frame, i) => {
      const face = frame.faces.find((each) => each.id === this.person);
      if (!face) return;
      const last = i + 1 < frames.length ? Math.max(columnOf(frame.time_s), columnOf(frames[i + 1].time_s) - 1) : columns - 1;
      for (let x = columnOf(frame.time_s); x <= last; x++) {
        seen[x] = 1;
        for (let k = 0; k < count; k++) {
          strength[x * count + k] = Math.max(strength[x * count + k], face.intensity[k] || 0);
          present[x * count + k] |= face.present[k];
        }
      }
    });
    return { strength, present, seen };
  }

  drawRuler(pen, width, height) {
    const [from, to] = this.span, room = width - NAMES - RIGHT, x = (time) => NAMES + (time - from) / (to - from) * room;
    const step = STEPS_S.find((each) => (to - from) / each <= room / 70) || 7200;
    pen.textAlign = "center";
    pen.fillStyle = this.colour("faint");
    for (let time = Math.ceil(from / step) * step; time < to; time += step) {
      pen.fillText(to < 120 ? `${+time.toFixed(2)} s` : clockText(time).slice(0, -3), x(time), RULER / 2);
      pen.fillRect(x(time), RULER - 4, 1, 4);
    }
    pen.textAlign = "left";
    pen.fillStyle = this.colour("ink");
    pen.fillRect(x(this.time) - 0.75, RULER - 6, 2, height);
  }
}

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
