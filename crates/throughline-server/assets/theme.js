// Light and dark without loading the page again. The server reads the same cookie, so the next page starts right.

const root = document.documentElement;

function current() {
  if (root.dataset.theme) return root.dataset.theme;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function set(theme) {
  root.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
}

export function startTheme() {
  // Error pages are written without knowing the cookie.
  const kept = document.cookie.match(/(?:^|; )theme=(light|dark)/);
  if (kept && !root.dataset.theme) root.dataset.theme = kept[1];

  for (const form of document.querySelectorAll("form.theme")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      set(current() === "dark" ? "light" : "dark");
    });
  }
}
