// Comforts of the form with a kit's details: the browser's time zone, and the position of the device.
"use strict";

(() => {
  const zone = document.querySelector("[data-browser-zone]");
  if (zone?.dataset.browserZone && !zone.value) {
    const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    // Only one that the server knows too.
    if (zone.list && Array.from(zone.list.options).some((option) => option.value === own)) zone.value = own;
  }

  const button = document.querySelector("[data-locates]");
  // Browsers give no position without HTTPS.
  if (!button || !window.isSecureContext || !navigator.geolocation) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        document.getElementById("latitude").value = coords.latitude.toFixed(4);
        document.getElementById("longitude").value = coords.longitude.toFixed(4);
      },
      () => {
        button.textContent = button.dataset.failed;
      },
    );
  });
})();
