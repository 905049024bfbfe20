// Small helpers of all pages: read a data block, build elements, find a class by its name.
// Text from the dataset reaches the page through textContent only.

async function readBlock(id) {
  const block = document.getElementById(id);
  if (!block) return null;
  if (block.dataset.encoding !== "gzip") return JSON.parse(block.textContent);
  const text = atob(block.textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const byId = (id) => document.getElementById(id);
const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");

// make("p", {class: "soft"}, "text", otherElement, ...)
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value == null) continue;
    if (key === "onclick") element.addEventListener("click", value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child || child === "0"));
  return element;
}

const bdi = (text, extra = "") => make("bdi", { class: `name ${extra}`.trim(), title: text }, text);

// A class name inside a sentence: a long one is cut at the end, whole on hover.
const inline = (name) => make("bdi", name.length > 24 ? { class: "inline", title: name } : {}, name);

// A technical word that explains itself on focus, tap or hover.
function term(word, key) {
  return make("span", { class: "term", tabindex: "0" }, word, make("span", { class: "tip", role: "tooltip" }, data.terms[key]));
}

const hueStyle = (hue) => (hue >= 0 ? `--hue:var(--hue-${hue})` : null);

// The code of the class that a text means, -1 when none: its name, else the first that starts with it or holds it.
function classNamed(text) {
  const low = text.trim().toLowerCase();
  const exact = classes.indexOf(text);
  if (exact >= 0 || !low) return exact;
  const names = classes.map((name) => name.toLowerCase());
  const tries = [(name) => name === low, (name) => name.startsWith(low), (name) => name.includes(low)];
  return tries.map((fits) => names.findIndex(fits)).find((code) => code >= 0) ?? -1;
}
