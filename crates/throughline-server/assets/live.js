// The live page: listens to the API's stream and shows what arrives, newest first.
//
// While paused, what arrives is kept (up to the same cap) and shown on resume. The list is written at most a few
// times a second, so a flood costs the page no more than a trickle.

const CAP = 500;
const list = document.getElementById("live");
const empty = document.getElementById("live-empty");
const stateText = document.getElementById("live-state");
const dot = document.getElementById("live-dot");
const lag = document.getElementById("live-lag");
const counter = document.getElementById("live-count");
const pauseButton = document.getElementById("live-pause");

let waiting = [];
let paused = false;
let connected = false;
let arrived = 0;
let missed = 0;
let wait = 500;

// Characters that would hide or reorder text.
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

function line(value, most = 200) {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  const clean = text.slice(0, most * 2).replace(/\s+/g, " ").replace(INVISIBLE, "");
  return clean.length > most ? `${clean.slice(0, most)}…` : clean;
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function address(record) {
  if (record.traceId) {
    const id = encodeURIComponent(record.spanId ?? record.id);
    return `/traces/${encodeURIComponent(record.traceId)}?observation=${id}#record`;
  }
  return record.sessionId ? `/sessions/${encodeURIComponent(record.sessionId)}` : null;
}

function took(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return milliseconds < 60000 ? `${(milliseconds / 1000).toFixed(2)} s` : `${(milliseconds / 60000).toFixed(1)} min`;
}

function facts(kind, record) {
  if (kind === "event") {
    const error = record.error ? [[record.error.name, record.error.message]] : [];
    return [...error, ...Object.entries(record.attributes ?? {})].slice(0, 6);
  }
  const shown = [["", took(record.duration)]];
  if (record.model) shown.push(["", record.model]);
  if (record.totalTokens) shown.push(["", `${record.totalTokens} tokens`]);
  if (record.error) shown.push([record.error.name, record.error.message]);
  else if (record.statusMessage) shown.push(["", record.statusMessage]);
  return shown;
}

function row(kind, record) {
  const level = /^(debug|info|warn|error|fatal)$/.test(record.level) ? record.level : "info";
  const made = element("div", `line fresh level-${level}`);
  made.dataset.row = "";
  const time = element("time", "", (record.time ?? record.startTime ?? "").slice(11, 23));
  time.dateTime = record.time ?? record.startTime ?? "";
  time.title = time.dateTime;
  const href = address(record);
  const name = element(href ? "a" : "bdi", "what row-link", line(record.name) || "(no name)");
  if (href) name.href = href;
  const about = element("span", "facts-line text");
  for (const [key, value] of facts(kind, record)) {
    if (key) about.append(element("b", "", line(key, 60)), " ");
    about.append(`${line(value, 80)}\u2002`);
  }
  const where = element("bdi", "where", line(record.sessionId ?? record.service ?? "", 40));
  made.append(element("span", "mark"), time, element("span", "level", kind === "event" ? level : record.type), name, about, where);
  return made;
}

function show() {
  if (waiting.length === 0) return;
  const rows = waiting.map(([kind, record]) => row(kind, record)).reverse();
  waiting = [];
  list.prepend(...rows);
  while (list.childElementCount > CAP) list.lastElementChild.remove();
  list.hidden = false;
  empty.hidden = true;
}

// Writing only what changed keeps screen readers from saying it again.
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function report() {
  dot.className = `dot ${paused ? "idle" : connected ? "live" : "error"}`;
  const held = paused && waiting.length > 0 ? `, ${waiting.length} held back` : "";
  say(stateText, paused ? `Paused${held}` : connected ? "Listening" : "Reconnecting…");
  say(counter, arrived > 0 ? `${arrived} arrived` : "");
  lag.hidden = missed === 0;
  say(lag, `${missed} left out: they came faster than they could be shown`);
}

function receive(kind, event) {
  let record;
  try {
    record = JSON.parse(event.data);
  } catch {
    return;
  }
  arrived += 1;
  waiting.push([kind, record]);
  if (waiting.length > CAP) {
    missed += waiting.length - CAP;
    waiting = waiting.slice(-CAP);
  }
}

function connect() {
  const source = new EventSource(list.dataset.stream);
  source.addEventListener("open", () => {
    connected = true;
    wait = 500;
  });
  source.addEventListener("observation", (event) => receive("observation", event));
  source.addEventListener("event", (event) => receive("event", event));
  source.addEventListener("lag", (event) => {
    missed += JSON.parse(event.data).missed ?? 0;
  });
  source.addEventListener("error", () => {
    connected = false;
    // The browser tries again by itself unless the server refused.
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, 15000);
  });
}

pauseButton.addEventListener("click", () => {
  paused = !paused;
  pauseButton.setAttribute("aria-pressed", String(paused));
  pauseButton.textContent = paused ? "Resume" : "Pause";
});

document.getElementById("live-clear").addEventListener("click", () => {
  list.replaceChildren();
  waiting = [];
  arrived = 0;
  missed = 0;
  list.hidden = true;
  empty.hidden = false;
});

setInterval(() => {
  if (!paused) show();
  report();
}, 250);
connect();
