// The t-SNE map: Bokeh draws, this file colours, selects and listens. No code is made from text anywhere.

const map = { ready: false, plot: null, sources: {}, place: new Map() };
const mapElement = byId("map");

// The first pictures do not wait for the map.
async function firstPictures() {
  const shown = document.querySelectorAll("#card img[src], #gallery img[src]");
  await Promise.allSettled([...shown].map((image) => image.decode()));
  await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
}

async function startMap() {
  await firstPictures();
  const document_ = await readBlock("map-data");
  if (!document_) {
    mapElement.append(make("p", { class: "nothing" }, "There is no map: no sample could be embedded."));
    return;
  }
  runBokeh();
  const root = document_.roots[0].id;
  await Bokeh.embed.embed_items({ map: document_ }, [{ docid: "map", roots: { [root]: "map" }, root_ids: [root] }]);
  const bokeh = Bokeh.documents[Bokeh.documents.length - 1];
  map.plot = bokeh.get_model_by_name("map");
  for (const name of ["plain", "flagged", "focus", "links"]) map.sources[name] = bokeh.get_model_by_name(name);
  map.model = (name) => bokeh.get_model_by_name(name);
  map.start = ["x_range", "y_range"].map((axis) => [map.plot[axis].start, map.plot[axis].end]);
  for (const name of ["plain", "flagged"]) data.points[name].forEach((id, row) => map.place.set(id, [name, row]));
  map.ready = true;
  for (const { data: columns } of [map.sources.plain, map.sources.flagged]) columns.color = new Uint32Array(columns.code.length);
  map.sources.flagged.data.line = new Uint32Array(map.sources.flagged.data.code.length);
  drawPoints(map);
  listenToMap();
  paintMap();
  markFocus();
}

function paintMap() {
  if (!map.ready) return;
  const hues = currentHues();
  const alone = hues !== data.hues;
  const grey = rgba(cssColour(alone ? "--faint" : "--grey"));
  const palette = Array.from({ length: 8 }, (_, hue) => rgba(cssColour(`--hue-${hue}`)));
  const colours = hues.map((hue) => (hue >= 0 ? palette[hue] : grey));
  const { plain, flagged } = map.sources;
  const shown = new Set(visibleCards());
  const [ink, quiet, faint] = ["--ink", "--grey", "--line"].map((name) => rgba(cssColour(name)));
  const line = Uint32Array.from(data.points.cards, (list, row) => {
    if (filtered() && !list.some((card) => shown.has(card))) return faint;
    return hues[flagged.data.code[row]] >= 0 ? ink : quiet;
  });
  // In place: new columns would make Bokeh index all points again.
  for (const { code, color } of [plain.data, flagged.data]) {
    for (let row = 0; row < code.length; row++) color[row] = colours[code[row]];
  }
  flagged.data.line.set(line);
  Object.assign(map, { grey, colours });
  map.front = alone ? colouredRows(plain.data.code, hues) : null;
  map.model("dots").change.emit();
  map.model("ring").glyph.line_color = cssColour("--ink");
  map.model("lines").glyph.line_color = cssColour("--soft");
  drawLegend(hues);
}

// The rows of the coloured classes, so that they are drawn above the grey ones.
function colouredRows(codes, hues) {
  const rows = [];
  for (let row = 0; row < codes.length; row++) if (hues[codes[row]] >= 0) rows.push(row);
  return rows;
}

function pointOf(sample) {
  const place = map.place.get(samples.id[sample]);
  if (!place) return null;
  const { x, y } = map.sources[place[0]].data;
  return [x[place[1]], y[place[1]]];
}

// A ring around the sample in question and a line to each of its most alike samples.
function markFocus() {
  if (!map.ready) return;
  const card = state.card >= 0 && visibleCards().length ? cards[state.card] : null;
  const members = card ? card.members.map(([sample]) => pointOf(sample)).filter(Boolean) : [];
  const near = members.length && !isHidden(state.card) ? card.near.map(([sample]) => pointOf(sample)).filter(Boolean) : [];
  map.sources.focus.data = { x: members.map((p) => p[0]), y: members.map((p) => p[1]) };
  map.sources.links.data = {
    x0: near.map(() => members[0][0]), y0: near.map(() => members[0][1]), x1: near.map((p) => p[0]), y1: near.map((p) => p[1]),
  };
}

function drawLegend(hues) {
  const codes = hues.map((hue, code) => [hue, code]).filter(([hue]) => hue >= 0).sort((a, b) => a[0] - b[0]);
  const items = codes.map(([, code]) => make("li", {}, dot(code),
    make("button", { type: "button", title: classes[code], onclick: () => change({ code: state.code === code ? -1 : code, pair: -1 }) }, make("bdi", {}, classes[code]))));
  if (codes.length < classes.length) items.push(make("li", {}, make("i", { class: "dot" }), "other classes"));
  if (data.points.flagged.length) items.push(make("li", {}, make("i", { class: "dot flag" }), data.review.blind ? "asked about" : "flagged"));
  byId("legend").replaceChildren(...items);
}

// Chosen points -> the gallery shows the findings among them; a tap on one flagged point opens it.
function takeSelection() {
  const rows = map.sources.flagged.selected.indices;
  const plainRows = map.sources.plain.selected.indices;
  const picked = new Set(rows.flatMap((row) => data.points.cards[row]));
  const note = byId("map-note");
  note.hidden = true;
  if (!rows.length && !plainRows.length) return state.picked !== null && change({ picked: null, area: 0 });
  if (!picked.size && plainRows.length === 1) return describePoint("plain", plainRows[0]);
  if (map.model("tap").active && rows.length === 1 && picked.size) return openFromMap([...picked][0]);
  change({ picked, area: rows.length + plainRows.length });
}

function openFromMap(card) {
  clearMapSelection();
  const away = !visibleCards().includes(card);
  change(away ? { kind: "", pair: -1, code: -1, picked: null, card } : { card });
}

function describePoint(name, row) {
  const id = data.points[name][row];
  const code = map.sources[name].data.code[row];
  byId("map-note").replaceChildren(dot(code), make("span", {}, bdi(classes[code]), " ", make("bdi", { class: "id" }, id), ", not flagged"));
  byId("map-note").hidden = false;
}

function clearMapSelection() {
  if (!map.ready) return;
  map.quiet = true;
  for (const name of ["plain", "flagged"]) map.sources[name].selected.indices = [];
  map.quiet = false;
}

function listenToMap() {
  let waiting = false;
  // Both sources report one gesture; look once both have.
  const later = () => {
    if (map.quiet || waiting) return;
    waiting = true;
    queueMicrotask(() => { waiting = false; takeSelection(); });
  };
  for (const name of ["plain", "flagged"]) {
    map.sources[name].selected.properties.indices.change.connect(later);
    map.sources[name].inspect.connect(() => showTip(name));
  }
  mapElement.addEventListener("mousemove", (event) => { map.mouse = [event.clientX, event.clientY]; });
  mapElement.addEventListener("mouseleave", () => { byId("map-tip").hidden = true; });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paintMap);
  document.querySelectorAll("[data-drag]").forEach((button) => button.addEventListener("click", () => setDrag(button.dataset.drag)));
  document.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () => zoom(button.dataset.zoom)));
  setDrag(matchMedia("(pointer: coarse)").matches ? "" : "lasso");
  map.model("wheel").active = false;
  mapElement.addEventListener("wheel", (event) => { map.model("wheel").active = event.ctrlKey; }, { capture: true, passive: true });
}

function setDrag(name) {
  for (const tool of ["pan", "lasso"]) map.model(tool).active = tool === name;
  document.querySelectorAll("[data-drag]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.drag === name)));
}

function zoom(way) {
  ["x_range", "y_range"].forEach((axis, i) => {
    const range = map.plot[axis];
    if (way === "reset") return range.setv({ start: map.start[i][0], end: map.start[i][1] });
    const middle = (range.start + range.end) / 2;
    const half = ((range.end - range.start) / 2) * (way === "in" ? 0.7 : 1 / 0.7);
    return range.setv({ start: middle - half, end: middle + half });
  });
}

function showTip(name) {
  const tip = byId("map-tip");
  const row = map.sources[name].inspected.indices[0];
  if (row === undefined) {
    if (tip.dataset.source === name) tip.hidden = true;
    return;
  }
  const id = data.points[name][row];
  const code = map.sources[name].data.code[row];
  const sample = sampleNumber.get(id);
  const picture = sample !== undefined && hasPicture(sample) ? make("img", { src: pictureUrl(sample), alt: "" }) : null;
  tip.replaceChildren(...[picture, make("span", { class: "clamp" }, dot(code), bdi(classes[code])), make("bdi", { class: "id" }, id)].filter(Boolean));
  tip.dataset.source = name;
  tip.hidden = false;
  const [x, y] = map.mouse || [0, 0];
  tip.style.left = `${Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${Math.max(4, Math.min(y + 14, innerHeight - tip.offsetHeight - 8))}px`;
}

const sampleNumber = new Map(samples.id.map((id, number) => [id, number]));

// Colours and outlines change with the choice; with many classes also with the card.
function paintNeeded(before) {
  const choice = ["kind", "pair", "code", "picked", "todo"].some((name) => before[name] !== state[name]);
  return choice || (classes.length > 8 && state.pair < 0 && state.code < 0);
}

onChange((before) => {
  if (before.picked !== null && state.picked === null) clearMapSelection();
  if (paintNeeded(before)) paintMap();
  markFocus();
});
