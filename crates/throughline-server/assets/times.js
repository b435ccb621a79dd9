// Keeps relative times true and adds the reader's local time to their tooltips.

const UNITS = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [5, "s"],
];

export function ago(time, now = Date.now()) {
  const seconds = Math.floor((now - time) / 1000);
  if (seconds >= 30 * 86400 || seconds < -60) return new Date(time).toISOString().slice(0, 10);
  for (const [size, unit] of UNITS) {
    if (seconds >= size) return `${unit === "s" ? seconds : Math.floor(seconds / size)} ${unit} ago`;
  }
  return "just now";
}

const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function enhanceTimes(within = document) {
  for (const element of within.querySelectorAll("time[datetime]:not([data-local])")) {
    const time = Date.parse(element.dateTime);
    if (Number.isNaN(time)) continue;
    element.dataset.local = "";
    element.title = `${element.title}\n${local.format(time)} local time`;
  }
}

function refresh() {
  for (const element of document.querySelectorAll("time[data-ago]")) {
    const time = Date.parse(element.dateTime);
    if (!Number.isNaN(time)) element.textContent = ago(time);
  }
}

export function startTimes() {
  enhanceTimes();
  setInterval(refresh, 15000);
}
