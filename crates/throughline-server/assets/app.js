// What every page gets on top of plain HTML. Nothing here is needed to read a page.
import { startKeys } from "./keys.js";
import { startTimes } from "./times.js";
import { startTheme } from "./theme.js";
import { startCopying } from "./copy.js";
import { startSwaps } from "./swap.js";
import { startMenus } from "./menus.js";
import { startArrivals } from "./arrivals.js";

document.documentElement.classList.add("js");
startTheme();
startTimes();
startKeys();
startCopying();
startSwaps();
startMenus();
startArrivals();
