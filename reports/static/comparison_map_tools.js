// What is done on a map: move, zoom, choose an area, look at one point. All maps follow.

let quiet = false; // while the page itself changes a selection
let areas = 0;
const KEY_STEP = 0.15; // part of the map that an arrow key moves

function listenToMaps() {
  for (const map of maps) {
    const later = gathered(() => takeSelection(map));
    for (const name of SOURCES) {
      map.sources[name].selected.properties.indices.change.connect(later);
      map.sources[name].inspect.connect(() => showTip(map, name));
    }
    map.element.addEventListener("mousemove", (event) => { map.mouse = [event.clientX, event.clientY]; });
    map.element.addEventListener("mouseleave", hideTip);
    map.element.addEventListener("wheel", (event) => { map.model("wheel").active = event.ctrlKey; }, { capture: true, passive: true });
    map.element.addEventListener("keydown", (event) => moveByKey(event));
    map.model("wheel").active = false;
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintMaps);
  document.querySelectorAll("[data-drag]").forEach((button) => button.addEventListener("click", () => setDrag(button.dataset.drag)));
  document.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () => zoom(button.dataset.zoom)));
  setDrag(matchMedia("(pointer: coarse)").matches ? "" : "lasso");
  axes = ["x_range", "y_range"].map((axis) => maps[0].model("map")[axis]);
  whole = axes.map(({ start, end }) => [start, end]);
}

let axes = []; // Bokeh's two ranges, shared by all maps
let whole = [];

// Both sources of a map report one gesture; look once both have.
function gathered(look) {
  let waiting = false;
  return () => {
    if (quiet || waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; look(); });
  };
}

function takeSelection(map) {
  const chosen = new Set(SOURCES.flatMap((name) => map.sources[name].selected.indices.map((row) => map.panel[name][row])));
  hideTip();
  if (!chosen.size) return choice && choose(null);
  return choose({ key: `area ${++areas}`, classes: new Set(), samples: chosen, words: chosen.size === 1 ? "1 sample on the maps" : `${count(chosen.size)} samples on the maps` });
}

// Bokeh's own selection has done its work once the samples are known.
onChoice(() => {
  quiet = true;
  for (const map of maps) for (const name of SOURCES) map.sources[name].selected.indices = [];
  quiet = false;
});

function setDrag(name) {
  for (const map of maps) for (const tool of ["pan", "lasso"]) map.model(tool).active = tool === name;
  document.querySelectorAll("[data-drag]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.drag === name)));
}

function zoom(way) {
  axes.forEach((range, i) => {
    if (way === "reset") return range.setv({ start: whole[i][0], end: whole[i][1] });
    const middle = (range.start + range.end) / 2;
    const half = ((range.end - range.start) / 2) * (way === "in" ? 0.7 : 1 / 0.7);
    return range.setv({ start: middle - half, end: middle + half });
  });
}

const KEY_MOVES = new Map([["ArrowLeft", [-1, 0]], ["ArrowRight", [1, 0]], ["ArrowUp", [0, 1]], ["ArrowDown", [0, -1]]]);
const KEY_ZOOMS = new Map([["+", "in"], ["=", "in"], ["-", "out"], ["0", "reset"]]);

function moveByKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const by = KEY_MOVES.get(event.key);
  const way = KEY_ZOOMS.get(event.key);
  if (way) zoom(way);
  else if (by) {
    axes.forEach((range, i) => {
      const step = by[i] * KEY_STEP * (range.end - range.start);
      range.setv({ start: range.start + step, end: range.end + step });
    });
  } else return;
  event.preventDefault();
}

function hideTip() {
  if (byId("map-tip").hidden) return;
  byId("map-tip").hidden = true;
  ringChosen();
}

// The sample under the pointer: named here, ringed on every map.
function showTip(map, name) {
  const tip = byId("map-tip");
  const row = map.sources[name].inspected.indices[0];
  const own = `${maps.indexOf(map)} ${name}`;
  if (row === undefined) return tip.dataset.source === own && hideTip();
  const sample = map.panel[name][row];
  const code = map.sources[name].data.code[row];
  tip.replaceChildren(...tipParts(sample, code).filter(Boolean));
  tip.dataset.source = own;
  tip.hidden = false;
  const [x, y] = map.mouse || [0, 0];
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - tip.offsetHeight - 8))}px`;
  return ringSamples([sample]);
}

function tipParts(sample, code) {
  const picture = hasPicture(sample) && make("img", { src: pictureUrl(sample), alt: "" });
  const named = classes[code] !== undefined && make("span", { class: "clamp" }, dot(currentHues()[code]), bdi(classes[code]));
  return [picture, named, make("bdi", { class: "id" }, samples.id[sample])];
}
