// The data check: counts renew themselves without disturbing anybody, and discarding asks in a dialog.
"use strict";

(() => {
  const dialog = document.getElementById("discard-one");
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-discards]");
    if (!link || !dialog || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    dialog.querySelector("[name=message]").value = link.dataset.discards;
    dialog.showModal();
  });

  document.body.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.id === "counts" && document.visibilityState === "hidden") event.preventDefault();
  });
  // Nothing that has focus or was opened is replaced.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const counts = document.getElementById("counts");
    if (event.target !== counts) return;
    if (counts.contains(document.activeElement) || counts.querySelector("details[open]")) event.detail.shouldSwap = false;
  });

  // What was said once is not said again after a reload.
  const address = new URL(location.href);
  if (address.searchParams.has("tried")) {
    address.searchParams.delete("tried");
    history.replaceState(history.state, "", address);
  }
})();
