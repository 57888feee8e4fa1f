// Comforts of the page of commands: a dialog instead of a page that asks, and no second send by a double click.
// The key in each form is what really keeps a command from being sent twice.
"use strict";

(() => {
  const dialog = document.getElementById("confirm");
  const status = document.getElementById("status");

  // After the browser has collected the fields, or the pressed button would be missing among them.
  function holdBack(form) {
    setTimeout(() => {
      for (const button of form.querySelectorAll("button")) button.disabled = true;
      const button = form.querySelector(".primary");
      if (button) button.textContent = form.dataset.sending;
    });
  }

  async function ask(form, button) {
    const fields = new URLSearchParams(new FormData(form, button));
    let answer = null;
    try {
      answer = await fetch(form.action, { method: "POST", body: fields, redirect: "manual" });
    } catch {
      // The browser says what is wrong when it sends the form itself.
    }
    const page = answer?.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
    const question = page?.getElementById("confirmation");
    if (!question) return false;
    dialog.replaceChildren(...question.childNodes);
    dialog.showModal();
    return true;
  }

  document.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-sends]");
    if (!form) return;
    const button = event.submitter;
    if (form.dataset.sent) {
      event.preventDefault();
    } else if (button?.hasAttribute("data-sends-to-kit") && "asks" in form.dataset) {
      event.preventDefault();
      if (form.dataset.asking) return;
      form.dataset.asking = "yes";
      ask(form, button).then((asked) => {
        delete form.dataset.asking;
        if (!asked) form.submit();
      });
    } else if (!button?.value?.includes(":")) {
      form.dataset.sent = "yes";
      holdBack(form);
    }
  });

  // Back from another page, the browser shows the form as it was left.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("#confirm [data-closes]")) event.preventDefault();
  });

  // The server wrote it for the moment at which the page was made.
  const busy = document.getElementById("busy");
  function showWhetherBusy() {
    const list = status.querySelector("[data-busy-devices]");
    const sends = document.querySelector("[data-sends-to-kit]");
    if (!busy || !sends || sends.closest("form").dataset.sent) return;
    const isBusy = list !== null && JSON.parse(list.dataset.busyDevices).includes(busy.dataset.device);
    busy.hidden = !isBusy;
    sends.disabled = isBusy;
  }

  // A button that is gone takes the focus with it: its row gets it instead.
  let row = "";
  document.body.addEventListener("htmx:beforeSwap", () => {
    row = status.contains(document.activeElement) ? document.activeElement.closest("li")?.id ?? "" : "";
  });
  document.body.addEventListener("htmx:afterSettle", () => {
    if (row && document.activeElement === document.body) document.getElementById(row)?.focus();
    row = "";
    showWhetherBusy();
  });
})();
