// Lists say when rows have arrived that they do not show: "3 new sessions". Nothing moves until the reader asks.
//
// The stream only tells that something came; which rows are new is asked of the API with the list's own filter and
// order, so that the number is what the reader would see.

const PAUSE = 2000;
// What has just arrived is found in lists a little later.
const LOOKS = 2;

function say(place, count, more) {
  const noun = count === 1 ? place.dataset.noun : `${place.dataset.noun}s`;
  const text = `${count}${more ? "+" : ""} new ${noun}`;
  if (place.dataset.said === text) return;
  place.dataset.said = text;
  const link = document.createElement("a");
  link.href = location.href;
  link.textContent = "Show";
  place.replaceChildren(`${text} `, link);
}

async function look(place, shown) {
  const answer = await fetch(place.dataset.arrivals, { headers: { accept: "application/json" } });
  if (!answer.ok) return;
  const { data } = await answer.json();
  const count = data.filter((row) => !shown.has(row.id)).length;
  if (count > 0) say(place, count, count === data.length && shown.size > 0);
}

export function startArrivals() {
  const place = document.querySelector("[data-arrivals]");
  if (!place) return;
  const shown = new Set(Array.from(document.querySelectorAll("[data-id]"), (row) => row.dataset.id));
  let looks = 0;
  let source = null;
  const came = () => {
    looks = LOOKS;
  };
  // A browser has few connections to a host: pages that nobody sees hold none.
  const listen = () => {
    source?.close();
    source = document.hidden ? null : new EventSource("/api/v1/stream");
    for (const kind of ["observation", "event", "lag", "error"]) source?.addEventListener(kind, came);
    // What came between the page and the stream.
    source?.addEventListener("open", () => {
      looks = Math.max(looks, 1);
    });
  };
  const tick = async () => {
    if (looks > 0 && !document.hidden) {
      looks -= 1;
      await look(place, shown).catch(() => {});
    }
    setTimeout(tick, PAUSE);
  };
  document.addEventListener("visibilitychange", listen);
  listen();
  setTimeout(tick, PAUSE);
}
