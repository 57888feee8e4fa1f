// Comforts of every page: Go to, dialogs, copy buttons, toasts. Without them, all is links and forms.
"use strict";

(() => {
  const TOAST_MS = 10000;
  const goTo = document.getElementById("go-to");

  function open(dialog) {
    if (dialog.open) return;
    for (const menu of document.querySelectorAll("details.menu[open]")) menu.removeAttribute("open");
    dialog.showModal();
    const field = dialog.querySelector("input");
    field?.select();
    if (dialog === goTo) htmx.trigger(field, "suggest");
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
    if (opener && plain) {
      const dialog = document.getElementById(opener.dataset.opens);
      if (dialog) {
        event.preventDefault();
        open(dialog);
      }
    }
    // A click on the backdrop is a click on the dialog itself.
    if (event.target instanceof HTMLDialogElement) event.target.close();
    if (event.target.closest("[data-closes]")) event.target.closest("dialog").close();
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.removeAttribute("open");
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
      event.preventDefault();
      // The page of the search itself has no dialog for it.
      if (goTo) open(goTo);
      else document.getElementById("q").select();
    }
    const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
    if (menu) {
      menu.removeAttribute("open");
      menu.querySelector("summary").focus();
    }
  });

  for (const keys of document.querySelectorAll("[data-shortcut-keys]")) {
    keys.textContent = /Mac|iPhone|iPad/.test(navigator.platform) ? "⌘ K" : "Ctrl K";
    keys.hidden = false;
  }

  // Browsers refuse the clipboard without HTTPS, which is common on a LAN: then the text is selected instead.
  async function copy(button) {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = button.dataset.done;
    } catch {
      getSelection().selectAllChildren(code);
      button.textContent = button.dataset.byHand;
    }
  }
  for (const button of document.querySelectorAll("[data-copies]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }

  for (const toast of document.querySelectorAll("[data-toast]")) {
    let timer = null;
    const wait = () => (timer = setTimeout(() => toast.remove(), TOAST_MS));
    const stay = () => clearTimeout(timer);
    for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, stay);
    for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, wait);
    wait();
  }

  // What was said once is not said again after a reload.
  const address = new URL(location.href);
  if (address.searchParams.has("said")) {
    address.searchParams.delete("said");
    history.replaceState(history.state, "", address);
  }

  document.querySelector("[data-takes-focus]")?.focus();
  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
})();
