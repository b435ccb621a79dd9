// Buttons that copy a text: their own `data-copy`, or that of the element it names with `#id`.

async function copy(button) {
  const wanted = button.dataset.copy;
  const text = wanted.startsWith("#") ? document.querySelector(wanted)?.textContent : wanted;
  try {
    await navigator.clipboard.writeText(text ?? "");
  } catch {
    return; // Without permission there is nothing to say: the text is there to select.
  }
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1600);
}

export function startCopying() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
  });
}
