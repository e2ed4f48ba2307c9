// Faces drawn over the picture: box, landmarks, number, and the strongest action units.
const COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2"]; // Okabe & Ito
const MOST_NAMED = 4;

export const personColour = (id) => COLOURS[id % COLOURS.length];

// Lays the canvas over `picture` (an element that is shown) and draws the faces of a frame (or none).
export function drawOverlay(canvas, picture, frame, chosen, model) {
  const ratio = devicePixelRatio || 1, width = picture.clientWidth, height = picture.clientHeight;
  canvas.style.left = `${picture.offsetLeft}px`;
  canvas.style.top = `${picture.offsetTop}px`;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  if (!frame) return;
  const scale = width / frame.size[0];
  pen.scale(ratio, ratio);
  pen.font = "600 13px system-ui, sans-serif";
  for (const face of frame.faces) drawFace(pen, face, scale, face.id === chosen, model, width);
}

function drawFace(pen, face, scale, isChosen, model, width) {
  const [left, top, right, bottom] = face.box.map((value) => value * scale), colour = personColour(face.id);
  pen.strokeStyle = "#000a";
  pen.lineWidth = isChosen ? 5 : 3;
  pen.strokeRect(left, top, right - left, bottom - top);
  pen.strokeStyle = colour;
  pen.lineWidth = isChosen ? 3 : 1.5;
  pen.strokeRect(left, top, right - left, bottom - top);
  pen.fillStyle = colour;
  for (let k = 0; k < face.points.length; k += 2) {
    pen.fillRect(face.points[k] * scale - 1, face.points[k + 1] * scale - 1, 2, 2);
  }
  const named = model.aus
    .map((au, k) => ({ label: au.label, present: face.present[k], strength: face.intensity[k] ?? face.prob[k] }))
    .filter((each) => each.present)
    .sort((a, b) => b.strength - a.strength)
    .slice(0, MOST_NAMED);
  const text = [`Face ${face.id}`, ...named.map((each) => each.label)].join("  ");
  const size = pen.measureText(text).width + 10, x = Math.max(0, Math.min(left, width - size)), y = Math.max(0, top - 20);
  pen.fillStyle = "#000c";
  pen.fillRect(x, y, size, 19);
  pen.fillStyle = colour;
  pen.fillText(text, x + 5, y + 14);
}
