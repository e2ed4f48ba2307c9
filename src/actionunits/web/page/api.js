// Calls of the HTTP API; every failure is an Error whose message can be shown.

export async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The service does not answer. Start it again and open the address that it prints.");
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    const error = new Error(told.error || `the service answered ${answer.status}`);
    error.retryAfterS = Number(answer.headers.get("retry-after")) || null; // it is only full at the moment
    throw error;
  }
  return answer;
}

export const model = async () => (await call("v1/model")).json();
export const analyses = async () => (await call("v1/analyses")).json();
export const remove = (id) => call(`v1/analyses/${id}`, { method: "DELETE" });
export const fileAddress = (id, name) => `v1/analyses/${id}/files/${name}`;

// fields: values of the form beside the file; those that are empty are left out.
export async function start(file, fields) {
  const form = new FormData();
  form.set("file", file, file.name);
  for (const [name, value] of Object.entries(fields)) if (value) form.set(name, value);
  return (await call("v1/analyses", { method: "POST", body: form })).json();
}

// Calls `each` with every frame as it is made; returns the last line, which tells the end.
export async function frames(id, each) {
  const reader = (await call(`v1/analyses/${id}/frames`)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", end = null;
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done) return end || { end: "failed", error: "the connection to the service broke off" };
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const told = JSON.parse(line);
      if ("time_s" in told) each(told);
      else if ("end" in told) end = told;
    }
  }
}

// Rows of the table of episodes: { face, label, from, to, peak (null where there is no intensity) }.
export async function episodes(id) {
  const [head, ...lines] = (await (await call(fileAddress(id, "episodes"))).text()).trim().split(/\r?\n/);
  const names = ["face_id", "au", "onset_s", "offset_s", "peak"];
  const places = names.map((name) => head.split(",").indexOf(name));
  return lines.map((line) => {
    const cells = line.split(",");
    const [face, label, from, to, peak] = places.map((place) => cells[place]);
    return { face: Number(face), label, from: Number(from), to: Number(to), peak: peak === "" ? null : Number(peak) };
  });
}
