// Results of one input in the browser: frames by time, and people.

export const LIVE_KEEP_S = 60; // of a webcam; what is older is let go, so that memory stays flat
const RATE_OF = 31; // frames

export class Results {
  constructor(isLive = false) {
    this.isLive = isLive;
    this.frames = [];
    this.people = new Map(); // id -> frames in which the person is seen
  }

  add(frame) {
    this.frames.push(frame);
    for (const face of frame.faces) this.people.set(face.id, (this.people.get(face.id) || 0) + 1);
    if (!this.isLive) return;
    while (this.frames[0].time_s < frame.time_s - LIVE_KEEP_S) {
      for (const face of this.frames.shift().faces) {
        const left = this.people.get(face.id) - 1;
        if (left) this.people.set(face.id, left);
        else this.people.delete(face.id);
      }
    }
  }

  get start() { return this.frames.length ? this.frames[0].time_s : 0; }
  get end() { return this.frames.length ? this.frames.at(-1).time_s : 0; }

  // Index of the last frame that begins at or before a time; 0 before the first.
  indexAt(time) {
    let low = 0, high = this.frames.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.frames[middle].time_s <= time + 1e-4) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  at(time) { return this.frames[this.indexAt(time)] || null; }

  // Frames in a second, over the last ones.
  rate() {
    const last = this.frames.slice(-RATE_OF);
    return last.length > 1 ? (last.length - 1) / (last.at(-1).time_s - last[0].time_s) : 0;
  }
}

// Intensity in words as the tables have it: 3.4 C, halves up.
export function intensityText(value, letters) {
  if (value === null || value === undefined) return "–";
  const shown = Math.min(Math.max(Math.round(value * 10) / 10, 0), 5);
  const letter = letters[Math.floor(shown + 0.5)];
  return letter === "-" ? shown.toFixed(1) : `${shown.toFixed(1)} ${letter}`;
}

export function clockText(seconds) {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(2).padStart(5, "0")}`;
}
