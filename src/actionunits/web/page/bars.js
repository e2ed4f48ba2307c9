// The action units of one face as bars, with their names, and in the tooltip what each looks like and what moves.
import { intensityText } from "./results.js";

export class Bars {
  constructor(table, model) {
    this.letters = model.letters;
    this.rows = model.aus.map((au) => {
      const row = table.tBodies[0].insertRow();
      row.title = `${au.label} ${au.name}: ${au.appearance}\n${au.muscles}`;
      const name = document.createElement("th");
      name.scope = "row";
      const mark = document.createElement("span"), label = document.createElement("b");
      mark.className = "mark";
      label.textContent = au.label;
      name.append(mark, label, ` ${au.name}`);
      row.append(name);
      const bar = document.createElement("div");
      bar.className = "bar";
      const parts = model.sides ? ["half", "half"] : [""];
      parts.forEach((kind) => bar.append(Object.assign(document.createElement("i"), { className: kind })));
      row.insertCell().append(bar);
      return { row, parts: [...bar.children], value: row.insertCell() };
    });
    this.show(null);
  }

  show(face) {
    this.rows.forEach(({ row, parts, value }, k) => {
      const intensity = face ? face.intensity[k] : null;
      const shown = face && face.sides ? face.sides[k] : [intensity];
      parts.forEach((part, side) => { part.style.width = `${20 * (shown[side] ?? shown[0] ?? 0)}%`; });
      row.classList.toggle("present", Boolean(face && face.present[k]));
      value.textContent = face ? intensityText(intensity, this.letters) : "";
    });
  }
}
