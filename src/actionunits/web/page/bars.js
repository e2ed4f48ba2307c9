// The action units of one face as bars, with their names, and what each looks like and moves for the one pointed at.
import { intensityText } from "./results.js";

const HINT = "Point at an action unit to read what it looks like.";

export class Bars {
  // about: the paragraph that describes the action unit at which somebody points, by mouse, touch or keys.
  constructor(table, about, scale, model) {
    Object.assign(this, { about, model, face: null, pointed: null });
    // Letters stand at the middle of their intensities: 1 for A, ..., 5 for E.
    scale.append(...[...model.letters].slice(1).map((letter) => Object.assign(document.createElement("i"), { textContent: letter, ariaHidden: "true" })));
    this.rows = model.aus.map((au, k) => this.addRow(table.tBodies[0], au, k));
    table.addEventListener("pointerleave", () => this.point(null));
    table.addEventListener("focusout", () => this.point(null));
    table.addEventListener("keydown", (event) => this.move(event));
    this.show(null);
    this.describe();
  }

  addRow(body, au, k) {
    const row = body.insertRow(), name = document.createElement("th"), bar = document.createElement("div");
    row.tabIndex = k ? -1 : 0;
    row.setAttribute("aria-description", au.appearance);
    for (const kind of ["pointerenter", "focus", "click"]) row.addEventListener(kind, () => this.point(k));
    const mark = document.createElement("span"), label = document.createElement("b");
    name.scope = "row";
    mark.className = "mark";
    label.textContent = au.label;
    name.append(mark, label, ` ${au.name}`);
    row.append(name);
    bar.className = "bar";
    const parts = this.model.sides ? ["half", "half"] : [""];
    bar.append(...parts.map((kind) => Object.assign(document.createElement("i"), { className: kind })));
    row.insertCell().append(bar);
    return { row, parts: [...bar.children], value: row.insertCell() };
  }

  // The arrows go from row to row, of which one is a stop of the tab key.
  move(event) {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key], at = this.rows.findIndex(({ row }) => row === event.target);
    const next = this.rows[at + by];
    if (!by || at < 0 || !next) return;
    event.preventDefault();
    this.rows[at].row.tabIndex = -1;
    next.row.tabIndex = 0;
    next.row.focus();
  }

  point(k) {
    this.pointed = k;
    this.describe();
  }

  describe() {
    const { about, model, face, pointed } = this, au = model.aus[pointed];
    if (!au) { about.textContent = HINT; return; }
    const label = Object.assign(document.createElement("b"), { textContent: `${au.label} ${au.name}` });
    const parts = [`${au.appearance} (${au.muscles})`];
    if (face) parts.push(`probability ${face.prob[pointed].toFixed(2)}`);
    const sides = face?.sides?.[pointed];
    if (sides) parts.push(["left", "right"].map((side, s) => `${side} ${intensityText(sides[s], model.letters)}`).join(", "));
    about.replaceChildren(label, `: ${parts.join(" · ")}`);
  }

  show(face) {
    this.face = face;
    this.rows.forEach(({ row, parts, value }, k) => {
      const intensity = face ? face.intensity[k] : null;
      const shown = face && face.sides ? face.sides[k] : [intensity];
      parts.forEach((part, side) => { part.style.width = `${20 * (shown[side] ?? shown[0] ?? 0)}%`; });
      row.classList.toggle("present", Boolean(face && face.present[k]));
      const words = face ? intensityText(intensity, this.model.letters) : "";
      if (value.textContent !== words) value.textContent = words; // laying out a table takes time, and a webcam has none
    });
    if (this.pointed !== null) this.describe();
  }
}
