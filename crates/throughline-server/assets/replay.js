// Plays a session again. The page holds its frames, each with the time at which it begins and ends, in milliseconds
// after the first; here is the clock, and what it shows. The position is in the address (`?t=`, milliseconds).
//
// With idle time skipped, a stretch in which nothing happens lasts a second at most. The track shows time as it is
// played.

const IDLE = 1000;
const root = document.getElementById("replay");
const control = (name) => root.querySelector(`[data-do="${name}"]`);
const shown = (name) => root.querySelector(`[data-show="${name}"]`);

let frames = [];
let turns = [];
let length = 0;
// Ends of stretches: when they end, and when that is played.
let real = [0];
let played = [0];
let position = 0;
let playing = false;
let last = 0;
let remembered = 0;

function number(element, name) {
  return Number.parseFloat(element.dataset[name]) || 0;
}

function read() {
  const readFrame = (element) => ({
    element,
    from: number(element, "from"),
    to: Math.max(number(element, "to"), number(element, "from")),
    tokens: number(element, "tokens"),
    cost: number(element, "cost"),
    failed: "failed" in element.dataset,
    tool: "tool" in element.dataset,
    state: "",
  });
  turns = [...root.querySelectorAll("[data-turn]")].map((element) => ({
    element,
    from: number(element, "from"),
    to: Math.max(number(element, "to"), number(element, "from")),
    tokens: number(element, "tokens"),
    cost: number(element, "cost"),
    errors: number(element, "errors"),
    isWhole: "to" in element.dataset,
    frames: [...element.querySelectorAll(".frame")].map(readFrame),
    state: "",
  }));
  frames = turns.flatMap((turn) => turn.frames);
  length = Math.max(number(root, "length"), ...frames.map((frame) => frame.to), 0);
}

// Works out how time is played.
function plan() {
  const skip = control("skip").checked;
  const ends = [...new Set([...frames.flatMap((frame) => [frame.from, frame.to]), length])].sort((a, b) => a - b);
  const busy = frames.filter((frame) => frame.to > frame.from).sort((a, b) => a.from - b.from);
  [real, played] = [[0], [0]];
  let next = 0;
  let until = 0;
  for (const end of ends) {
    const begin = real.at(-1);
    if (end <= begin) continue;
    while (next < busy.length && busy[next].from <= begin) until = Math.max(until, busy[next++].to);
    const lasts = skip && until < end ? Math.min(end - begin, IDLE) : end - begin;
    real.push(end);
    played.push(played.at(-1) + lasts);
  }
  drawTicks();
}

// The same moment on the other scale.
function convert(value, from, to) {
  let low = 0;
  let high = from.length - 1;
  if (value >= from[high]) return to[high];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (from[middle] <= value) low = middle;
    else high = middle;
  }
  const share = (value - from[low]) / (from[high] - from[low] || 1);
  return to[low] + share * (to[high] - to[low]);
}

function drawTicks() {
  const ticks = root.querySelector(".ticks");
  const end = played.at(-1) || 1;
  const tick = (at, kind) => {
    const made = document.createElement("i");
    made.className = `tick-${kind}`;
    made.style.left = `${(convert(at, real, played) / end) * 100}%`;
    return made;
  };
  ticks.replaceChildren(
    ...turns.map((turn) => tick(turn.from, "turn")),
    ...frames.filter((frame) => frame.failed).map((frame) => tick(frame.from, "error")),
  );
}

function clock(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  const two = (n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function stateOf(frame) {
  if (position < frame.from) return "ahead";
  return position < frame.to ? "forming" : "there";
}

// Shows a frame as it is at this moment; returns it if it has just come.
function showFrame(frame) {
  const state = stateOf(frame);
  if (state === "forming") {
    frame.element.style.setProperty("--done", ((position - frame.from) / (frame.to - frame.from)).toFixed(3));
  }
  if (state === frame.state) return null;
  frame.element.hidden = state === "ahead";
  frame.element.classList.toggle("forming", state === "forming");
  frame.state = state;
  return state === "ahead" ? null : frame;
}

// Shows what is there at this moment; returns the last frame that has just come. A turn that is over counts as a whole,
// if it is played as one: its frames may tell only a part of it.
function show() {
  let fresh = null;
  const sums = { turns: 0, tools: 0, errors: 0, tokens: 0, cost: 0 };
  for (const turn of turns) {
    const state = position < turn.from ? "ahead" : "there";
    if (state !== turn.state) {
      turn.element.hidden = state === "ahead";
      turn.state = state;
    }
    for (const frame of turn.frames) fresh = showFrame(frame) ?? fresh;
    if (state === "ahead") continue;
    const told = turn.frames.filter((frame) => frame.state === "there");
    const sum = (name) => told.reduce((sum, frame) => sum + Number(frame[name]), 0);
    const isOver = turn.isWhole && position >= turn.to;
    sums.turns += 1;
    sums.tools += sum("tool");
    sums.errors += isOver ? turn.errors : sum("failed");
    sums.tokens += isOver ? turn.tokens : sum("tokens");
    sums.cost += isOver ? turn.cost : sum("cost");
  }
  showCounters(sums);
  return fresh;
}

// As the pages write it: cents from a dollar up, below that three figures.
function money(dollars) {
  const places = dollars < 0.995 ? Math.min(6, Math.max(2, 2 - Math.floor(Math.log10(dollars)))) : 2;
  return `$${dollars.toFixed(places)}`;
}

function showCounters(sums) {
  shown("time").textContent = `${clock(position)} / ${clock(length)}`;
  for (const name of ["turns", "tools", "errors", "tokens"]) {
    shown(name).textContent = sums[name].toLocaleString("en-US").replaceAll(",", "\u202f");
    const noun = root.querySelector(`[data-noun="${name.slice(0, -1)}"]`);
    if (noun) noun.textContent = sums[name] === 1 ? noun.dataset.noun : name;
  }
  root.querySelector(".counters").classList.toggle("troubled", sums.errors > 0);
  shown("cost").textContent = sums.cost > 0 ? money(sums.cost) : "";
  const end = played.at(-1) || 1;
  control("seek").value = String(Math.round((convert(position, real, played) / end) * 1000));
  control("seek").setAttribute("aria-valuetext", `${clock(position)} of ${clock(length)}`);
}

function remember() {
  remembered = performance.now();
  // A file has no address to keep it in.
  if (!location.protocol.startsWith("http")) return;
  const address = new URL(location.href);
  address.searchParams.set("t", String(Math.round(position)));
  history.replaceState(history.state, "", address);
}

function moveTo(to, follow = true) {
  position = Math.min(Math.max(to, 0), length);
  const fresh = show();
  if (follow) (fresh?.element ?? lastShown()?.element)?.scrollIntoView({ block: "nearest" });
}

function lastShown() {
  return frames.findLast((frame) => frame.state !== "ahead");
}

function setPlaying(on) {
  playing = on && frames.length > 0;
  control("play").textContent = playing ? "Pause" : "Play";
  if (!playing) return remember();
  if (position >= length && !root.dataset.stream) moveTo(0);
  last = performance.now();
  requestAnimationFrame(tick);
}

function tick(now) {
  if (!playing) return;
  const speed = Number(control("speed").value);
  const next = convert(position, real, played) + (now - last) * speed;
  last = now;
  moveTo(convert(next, played, real));
  if (now - remembered > 2000) remember();
  if (position >= length && !root.dataset.stream) return setPlaying(false);
  requestAnimationFrame(tick);
}

function step(direction) {
  const moments = [...new Set([0, ...frames.map((frame) => frame.to), length])].sort((a, b) => a - b);
  const to = direction > 0 ? moments.find((at) => at > position + 0.5) : moments.findLast((at) => at < position - 0.5);
  setPlaying(false);
  moveTo(to ?? position);
  remember();
}

function toError() {
  const failed = frames.filter((frame) => frame.failed);
  const next = failed.find((frame) => frame.from > position + 0.5) ?? failed[0];
  if (!next) return;
  setPlaying(false);
  moveTo(next.to);
  next.element.scrollIntoView({ block: "center" });
  remember();
}

const DEEDS = { play: () => setPlaying(!playing), back: () => step(-1), forward: () => step(1), error: toError };
const KEYS = { " ": "play", ArrowLeft: "back", ArrowRight: "forward", e: "error" };

function listen() {
  for (const [name, deed] of Object.entries(DEEDS)) control(name).addEventListener("click", deed);
  control("skip").addEventListener("change", () => {
    plan();
    show();
  });
  control("seek").addEventListener("input", (event) => {
    moveTo(convert((event.target.value / 1000) * played.at(-1), played, real));
    remembered = 0;
  });
  control("seek").addEventListener("change", remember);
  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey || event.target.closest("input:not([type=range]), select, summary")) return;
    const name = KEYS[event.key];
    if (!name || (event.key === " " && event.target.closest("button, a"))) return;
    event.preventDefault();
    DEEDS[name]();
  });
}

// While the session goes on, what arrives is fetched with the page, and at the end followed.
function follow() {
  if (!root.dataset.stream) return;
  let due = 0;
  const refresh = async () => {
    due = 0;
    const response = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("replay");
    if (!fresh) return;
    const atEnd = position >= length;
    document.getElementById("frames").replaceWith(fresh.querySelector("#frames"));
    root.dataset.length = fresh.dataset.length;
    if (!fresh.dataset.stream) delete root.dataset.stream;
    read();
    plan();
    moveTo(atEnd && !playing ? length : position, atEnd);
  };
  const source = new EventSource(root.dataset.stream);
  const arrived = () => {
    // An SDK sends a turn in pieces: they are taken together.
    due ||= setTimeout(() => refresh().catch(() => {}), 1500);
  };
  source.addEventListener("observation", arrived);
  source.addEventListener("event", arrived);
}

read();
plan();
listen();
const asked = new URL(location.href).searchParams.get("t");
const atEnd = root.dataset.stream || root.dataset.begin === "end";
moveTo(asked === null ? (atEnd ? length : 0) : Number.parseFloat(asked) || 0, asked !== null);
follow();
if (asked === null && !atEnd) setPlaying(true);
