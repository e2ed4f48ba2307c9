// What can be taken away: files of an analysis, and the last minute of a webcam as the tidy table.
import * as api from "./api.js";

const NAMES = {
  "table": "Table (CSV)", "summary": "Summary", "episodes": "Episodes (CSV)", "report": "Report (HTML)", "timeline": "Timeline (PNG)",
  "annotated-picture": "Annotated photo", "annotated-video": "Annotated video", "card": "Run card (JSON)",
};
const COLUMNS = ["source", "frame", "time_s", "face_id", "au", "prob", "intensity", "present", "usable", "quality"];

// The links to the files of an analysis that is done.
export function links(job) {
  return Object.keys(NAMES).filter((name) => job.files.includes(name)).map((name) =>
    Object.assign(document.createElement("a"), { href: api.fileAddress(job.id, name), download: "", textContent: NAMES[name] }));
}

// The button that saves what is kept of a webcam.
export function liveButton(results, model) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Last minute (CSV)" });
  button.addEventListener("click", () => {
    const address = URL.createObjectURL(new Blob([tidyTable(results, model)], { type: "text/csv" }));
    Object.assign(document.createElement("a"), { href: address, download: "webcam.csv" }).click();
    URL.revokeObjectURL(address);
  });
  return button;
}

function tidyTable(results, model) {
  const rows = [COLUMNS];
  for (const frame of results.frames) {
    const first = ["webcam", frame.frame, frame.time_s.toFixed(3)];
    if (!frame.faces.length) rows.push([...first, "", "", "", "", "", 0, "no_face"]);
    for (const face of frame.faces) {
      model.aus.forEach((au, k) => {
        const cells = [face.id, au.label, face.prob[k].toFixed(4), face.intensity[k]?.toFixed(2) ?? "", face.present[k]];
        rows.push([...first, ...cells, face.usable, face.quality.join(" ")]);
      });
    }
  }
  return rows.map((row) => `${row.join(",")}\n`).join("");
}
