// The pictures of a kit: what became of a lost file is said in its place, and a form is sent once.
"use strict";

(() => {
  function tell(image) {
    const words = document.createElement("span");
    words.className = "no-picture";
    words.textContent = image.dataset.missing;
    image.replaceWith(words);
  }
  for (const image of document.querySelectorAll("img[data-missing]")) {
    if (image.complete && image.naturalWidth === 0 && image.currentSrc) tell(image);
    else image.addEventListener("error", () => tell(image), { once: true });
  }

  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
    // Back from the next page, it may be sent again.
    addEventListener("pageshow", () => delete form.dataset.sent);
  }
})();
