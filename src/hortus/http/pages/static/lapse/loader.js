// Loads pictures ahead. One that the server has no time for yet is asked for again.
const AGAIN_MS = 2000;
const MOST_TRIES = 5;
const MOST_KEPT = 60;

export class Loader {
  #known = new Map();
  onFailure = () => {};

  // "failed", or whether it is loaded.
  state(source) {
    return this.want(source).state;
  }

  // Resolves when the picture is there or will never be.
  ready(source) {
    return this.want(source).done;
  }

  want(source) {
    if (!source) return { state: "missing", done: Promise.resolve() };
    const known = this.#known.get(source);
    if (known) return known;
    const entry = { state: "loading", done: null, image: new Image() };
    entry.done = new Promise((resolve) => this.#load(entry, source, 1, resolve));
    this.#known.set(source, entry);
    if (this.#known.size > MOST_KEPT) this.#known.delete(this.#known.keys().next().value);
    return entry;
  }

  #load(entry, source, tries, resolve) {
    entry.image.onload = () => {
      entry.state = "loaded";
      resolve();
    };
    entry.image.onerror = () => {
      if (tries < MOST_TRIES) {
        setTimeout(() => this.#load(entry, source, tries + 1, resolve), AGAIN_MS);
        return;
      }
      entry.state = "failed";
      this.onFailure(source);
      resolve();
    };
    entry.image.src = source;
  }
}
