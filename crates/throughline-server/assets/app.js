// What every page gets on top of plain HTML. Nothing here is needed to read a page.
import { startKeys } from "./keys.js";
import { startTimes } from "./times.js";
import { startTheme } from "./theme.js";
import { startCopying } from "./copy.js";
import { startSwaps } from "./swap.js";
import { startMenus } from "./menus.js";
import { startArrivals } from "./arrivals.js";

document.documentElement.classList.add("js");
// Where tabs do not fit, the chosen one is in sight.
for (const tab of document.querySelectorAll(".tabs-line [aria-current], .presets [aria-current]")) {
  const line = tab.parentElement;
  line.scrollLeft = tab.offsetLeft - line.offsetLeft - (line.clientWidth - tab.offsetWidth) / 2;
}
startTheme();
startTimes();
startKeys();
startCopying();
startSwaps();
startMenus();
startArrivals();
