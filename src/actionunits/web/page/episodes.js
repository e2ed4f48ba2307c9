// The episodes of a person, one row for each action unit; each is a button that leads to its beginning.
import { intensityText } from "./results.js";

const SHORTEST_S = 0.15; // single frames make episodes too: what is shorter is in the file alone

export class Episodes {
  constructor(list, model, onSeek) {
    Object.assign(this, { list, model, onSeek, buttons: [] });
  }

  // all: episodes of everybody, as the service tells them.
  show(all, person) {
    const found = all.filter((each) => each.face === person && each.to - each.from >= SHORTEST_S);
    this.buttons = [];
    this.list.replaceChildren(...this.model.aus.flatMap((au) => {
      const own = found.filter((each) => each.label === au.label);
      return own.length ? [this.row(au, own)] : [];
    }));
    this.list.previousElementSibling.hidden = this.list.hidden = !this.buttons.length;
  }

  row(au, own) {
    const row = document.createElement("li"), name = document.createElement("span"), group = document.createElement("span");
    const label = Object.assign(document.createElement("b"), { textContent: au.label });
    name.append(label, ` ${au.name}`);
    group.append(...own.map((each) => {
      const words = `${each.from.toFixed(1)}–${each.to.toFixed(1)} s`, peak = intensityText(each.peak, this.model.letters);
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: `${words} ` });
      button.setAttribute("aria-label", `${au.label} ${au.name}, ${words}, up to ${peak}`);
      button.append(Object.assign(document.createElement("small"), { textContent: peak }));
      button.addEventListener("click", () => this.onSeek(each.from));
      this.buttons.push({ button, ...each });
      return button;
    }));
    row.append(name, group);
    return row;
  }

  // Marks those that a moment lies in.
  at(time) {
    for (const { button, from, to } of this.buttons) button.classList.toggle("now", from <= time + 1e-3 && time < to);
  }
}
