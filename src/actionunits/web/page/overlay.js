// Faces drawn over the picture: box, landmarks, number, and the strongest action units.
const COLOURS = ["#56b4e9", "#e69f00", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2"]; // Okabe & Ito
const MOST_NAMED = 4;

export const personColour = (id) => COLOURS[id % COLOURS.length];

// Lays the canvas over `picture` (an element that is shown) and draws the faces of a frame (or none).
export function drawOverlay(canvas, picture, frame, chosen, model, isMirrored) {
  const ratio = devicePixelRatio || 1, width = picture.clientWidth, height = picture.clientHeight;
  canvas.style.left = `${picture.offsetLeft}px`;
  canvas.style.top = `${picture.offsetTop}px`;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const pen = canvas.getContext("2d");
  if (!frame) return;
  const scale = width / frame.size[0], across = (x) => (isMirrored ? width - x * scale : x * scale);
  pen.scale(ratio, ratio);
  pen.font = "600 13px system-ui, sans-serif";
  // The chosen one last, over all others.
  const faces = [...frame.faces].sort((a, b) => (a.id === chosen) - (b.id === chosen));
  for (const face of faces) drawFace(pen, face, { scale, across, width, model, isChosen: face.id === chosen });
}

function drawFace(pen, face, { scale, across, width, model, isChosen }) {
  const [left, right] = [across(face.box[0]), across(face.box[2])].sort((a, b) => a - b);
  const top = face.box[1] * scale, high = face.box[3] * scale - top, colour = personColour(face.id);
  pen.strokeStyle = "#000a";
  pen.lineWidth = isChosen ? 5 : 3;
  pen.strokeRect(left, top, right - left, high);
  pen.strokeStyle = colour;
  pen.lineWidth = isChosen ? 3 : 1.5;
  pen.strokeRect(left, top, right - left, high);
  pen.fillStyle = colour;
  for (let k = 0; k < face.points.length; k += 2) {
    pen.fillRect(across(face.points[k]) - 1, face.points[k + 1] * scale - 1, 2, 2);
  }
  const text = label(pen, face, model, isChosen ? Infinity : right - left), size = pen.measureText(text).width + 10;
  const x = Math.max(0, Math.min(left, width - size)), y = Math.max(0, top - 20);
  pen.fillStyle = "#000c";
  pen.fillRect(x, y, size, 19);
  pen.fillStyle = colour;
  pen.fillText(text, x + 5, y + 14);
}

// The number, and as many names as there is room for: faces stand close to each other.
function label(pen, face, model, room) {
  const named = model.aus
    .map((au, k) => ({ label: au.label, present: face.present[k], strength: face.intensity[k] ?? face.prob[k] }))
    .filter((each) => each.present)
    .sort((a, b) => b.strength - a.strength)
    .slice(0, MOST_NAMED);
  let text = `Face ${face.id}`;
  for (const each of named) {
    const longer = `${text}  ${each.label}`;
    if (pen.measureText(longer).width + 10 > room) break;
    text = longer;
  }
  return text;
}

// The smallest face of a frame that lies below a pointer; undefined for none.
export function faceAt(picture, frame, event, isMirrored) {
  const shown = picture.getBoundingClientRect(), scale = shown.width / frame.size[0];
  const x = (isMirrored ? shown.right - event.clientX : event.clientX - shown.left) / scale, y = (event.clientY - shown.top) / scale;
  const width = ({ box }) => box[2] - box[0];
  const hit = frame.faces.filter(({ box }) => x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3]);
  return hit.sort((a, b) => width(a) - width(b))[0];
}
