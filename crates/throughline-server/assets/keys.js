// The keyboard: / to filter, j and k to move, Enter to open, g then a letter to go, ? for help.

const GO = { s: "/sessions", t: "/traces", e: "/events", a: "/analytics", l: "/live" };
let going = 0;

function isTyping(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

function rows() {
  return [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
}

function move(step) {
  const all = rows();
  if (all.length === 0) return;
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step))];
  const target = next.matches("a, summary") ? next : next.querySelector("[data-open], a.row-link, summary");
  target?.focus({ preventScroll: true, focusVisible: true });
  next.scrollIntoView({ block: next.matches("article") ? "start" : "nearest" });
}

function press(event) {
  switch (event.key) {
    case "/": {
      const field = document.querySelector("input[type=search]");
      if (!field) return false;
      field.focus();
      field.select();
      return true;
    }
    case "j":
      move(1);
      return true;
    case "k":
      move(-1);
      return true;
    case "?":
      document.querySelector("dialog.help")?.showModal();
      return true;
    case "g":
      going = Date.now();
      return true;
    default:
      return false;
  }
}

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    if (isTyping(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (Date.now() - going < 1000 && GO[event.key]) {
      event.preventDefault();
      location.assign(GO[event.key]);
      return;
    }
    if (press(event)) event.preventDefault();
  });
  for (const button of document.querySelectorAll("[data-opens-help]")) {
    button.addEventListener("click", () => document.querySelector("dialog.help")?.showModal());
  }
}
