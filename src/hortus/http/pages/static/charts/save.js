// Pictures of the panels, and links to them.
import { DASHES, palette } from "./plot.js";
import { dated, now, root, view } from "./view.js";
import { filled, words } from "./words.js";

const ENLARGED = 2;
const WIDTH = 900, HEIGHT = 220, MARGIN = 24, HEAD = 64, TITLE = 44, FOOT = 32;

export async function savePicture(panels) {
  const colours = lightColours();
  const canvas = document.createElement("canvas");
  const height = HEAD + panels.length * (HEIGHT + TITLE) + FOOT;
  canvas.width = (WIDTH + 2 * MARGIN) * ENLARGED;
  canvas.height = height * ENLARGED;
  const ctx = canvas.getContext("2d");
  ctx.scale(ENLARGED, ENLARGED);
  ctx.fillStyle = colours.card;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  write(ctx, root.dataset.name, MARGIN, 30, colours.ink, "650 20px");
  write(ctx, inZone(filled(words.range, { start: dated(view.from), end: dated(view.to) })), MARGIN, 50, colours.soft, "14px");
  let top = HEAD;
  for (const panel of panels) {
    drawTitle(ctx, panel, top + 24, colours);
    ctx.drawImage(await enlarged(panel, colours), MARGIN, top + TITLE - 8, WIDTH, HEIGHT);
    top += HEIGHT + TITLE;
  }
  write(ctx, inZone(filled(words.asOf, { time: dated(now()) })), MARGIN, height - 12, colours.soft, "12px");
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${root.dataset.file} ${new Date(view.to * 1000).toISOString().slice(0, 10)}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function inZone(times) {
  return filled(words.inZone, { times, zone: root.dataset.zone });
}

// The first rule of the tokens holds the light colours, also while the page is dark.
function lightColours() {
  const rules = Array.from(document.styleSheets).flatMap((sheet) => Array.from(sheet.cssRules));
  return palette(rules.find((rule) => rule.selectorText === ":root").style);
}

function drawTitle(ctx, panel, y, colours) {
  const title = panel.figure.querySelector("h2").textContent.trim().replace(/\s+/g, " ");
  write(ctx, title, MARGIN, y, colours.ink, "600 15px");
  let x = MARGIN + ctx.measureText(title).width + 24;
  panel.legend.forEach((item, index) => {
    ctx.strokeStyle = colours[`s${index + 1}`];
    ctx.lineWidth = 2;
    ctx.setLineDash(DASHES[index]);
    ctx.beginPath();
    ctx.moveTo(x, y - 5);
    ctx.lineTo(x + 20, y - 5);
    ctx.stroke();
    write(ctx, item.textContent.trim(), x + 26, y, colours.soft, "13px");
    x += 26 + ctx.measureText(item.textContent.trim()).width + 20;
  });
  const band = panel.figure.querySelector(".target-label")?.textContent ?? "";
  write(ctx, band, x, y, colours.soft, "13px");
}

function write(ctx, text, x, y, colour, font) {
  ctx.font = `${font} system-ui, sans-serif`;
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
}

// The panel drawn anew, larger, as uPlot always draws for this screen.
async function enlarged(panel, colours) {
  const k = ENLARGED / uPlot.pxRatio;
  const place = document.createElement("div");
  const plot = new uPlot(panel.options(WIDTH * k, HEIGHT * k, k, colours), panel.data(), place);
  plot.setScale("x", { min: view.from, max: view.to });
  await new Promise((done) => setTimeout(done));
  const picture = plot.ctx.canvas;
  plot.destroy();
  return picture;
}

// Copies an address; where the browser forbids it (without HTTPS), shows it selected.
export async function copyLink(address, where) {
  const link = new URL(address, location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    where.textContent = words.copied;
  } catch {
    const field = Object.assign(document.createElement("input"), { value: link, readOnly: true, className: "copied-link", ariaLabel: words.linkToCopy });
    where.replaceChildren(`${words.copyThis} `, field);
    field.select();
  }
}
