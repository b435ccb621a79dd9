// Follows links marked `data-swap` by fetching their page and replacing only the parts that they name, so that the
// reader keeps the place. The address changes as with any link. Without this the links work, only less smoothly.
//
// "Load more" links marked `data-more` add the children of the parts they name instead, and go off by themselves
// when scrolled to.
import { enhanceTimes } from "./times.js";

async function fetchPage(href) {
  const response = await fetch(href, { headers: { accept: "text/html" } });
  if (!response.ok) throw new Error(String(response.status));
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

export async function swap(href, selectors, remember = true) {
  let page;
  try {
    page = await fetchPage(href);
  } catch {
    location.assign(href);
    return;
  }
  for (const selector of selectors.split(" ")) {
    const old = document.querySelector(selector);
    const fresh = page.querySelector(selector);
    if (!old || !fresh) continue;
    const focused = document.activeElement?.closest("[id]")?.id;
    old.replaceWith(fresh);
    enhanceTimes(fresh);
    if (focused && fresh.querySelector("a")) {
      document.getElementById(focused)?.querySelector("a.row-link")?.focus({ preventScroll: true });
    }
  }
  document.title = page.title;
  if (remember) history.pushState({ swap: true }, "", href);
}

async function more(link) {
  if (link.dataset.busy) return;
  link.dataset.busy = "1";
  link.textContent = "Loading…";
  let page;
  try {
    page = await fetchPage(link.href);
  } catch {
    location.assign(link.href);
    return;
  }
  for (const selector of link.dataset.more.split(" ")) {
    const list = document.querySelector(selector);
    const fresh = page.querySelector(selector);
    if (!list || !fresh) continue;
    enhanceTimes(fresh);
    list.append(...fresh.children);
  }
  // A page may have several lists that go on: the one that goes on here.
  const next = [...page.querySelectorAll("a[data-more]")].find((other) => other.dataset.more === link.dataset.more);
  if (next) {
    link.replaceWith(next);
    watch(next);
  } else {
    link.remove();
  }
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    more(entry.target);
  }
}, { rootMargin: "600px" });

function watch(link) {
  if ("auto" in link.dataset) seen.observe(link);
}

// Every part of the page that some link replaces.
function parts() {
  const named = [...document.querySelectorAll("a[data-swap]")].flatMap((link) => link.dataset.swap.split(" "));
  return [...new Set(named)].join(" ");
}

function isPlain(event) {
  return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}

export function startSwaps() {
  document.querySelectorAll("a[data-more]").forEach(watch);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap], a[data-more]");
    if (!link || !isPlain(event) || link.origin !== location.origin) return;
    event.preventDefault();
    if (link.dataset.more) more(link);
    else swap(link.href, link.dataset.swap);
  });
  if (parts() === "") return;
  history.replaceState({ swap: true }, "");
  addEventListener("popstate", (event) => {
    if (event.state?.swap) swap(location.href, parts(), false);
  });
}
