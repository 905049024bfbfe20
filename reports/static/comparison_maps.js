// The maps: Bokeh places the points on axes that all maps share, this file draws and colours them.

const SOURCES = ["plain", "flagged"];
const MANY_RINGS = 40; // more chosen samples than this are lit, not ringed
const LARGE_RINGS = 6; // up to here rings are large
const maps = []; // {panel, model(name), sources, element, sheet, front, grey, place: sample -> [x, y]}

async function startMaps() {
  const document_ = await readBlock("map-data");
  if (!document_) return;
  await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
  runBokeh();
  const ids = document_.roots.map((root) => root.id);
  const places = Object.fromEntries(ids.map((id, number) => [id, `map-${number}`]));
  await Bokeh.embed.embed_items({ maps: document_ }, [{ docid: "maps", roots: places, root_ids: ids }]);
  const bokeh = Bokeh.documents[Bokeh.documents.length - 1];
  panels.forEach((panel, number) => maps.push(openMap(bokeh, panel, number)));
  for (const map of maps) drawPoints(map, (all) => diamondLayers(map, all));
  paintMaps();
  listenToMaps();
}

function openMap(bokeh, panel, number) {
  const model = (name) => bokeh.get_model_by_name(`${name}-${number}`);
  const map = { panel, model, sources: {}, element: byId(`map-${number}`), sheet: makeSheet(), front: null, grey: 0, colours: [], place: new Map() };
  for (const name of SOURCES) {
    const source = model(name);
    map.sources[name] = source;
    source.data.color = new Uint32Array(source.data.code.length);
    panel[name].forEach((sample, row) => map.place.set(sample, [source.data.x[row], source.data.y[row]]));
  }
  map.sources.flagged.data.line = new Uint32Array(panel.flagged.length);
  return map;
}

// The grey diamonds first, so that none of them lies over a lit one.
function diamondLayers(map, all) {
  if (!choice) return [all];
  const rows = [...map.panel.flagged.keys()];
  const lit = (row) => isLit(map.panel.flagged[row], map.sources.flagged.data.code[row]);
  return [{ ...all, rows: rows.filter((row) => !lit(row)) }, { ...all, rows: rows.filter(lit) }];
}

function paintMaps() {
  const hues = currentHues();
  const grey = rgba(cssColour("--grey"));
  const faint = rgba(cssColour("--faint"));
  const palette = Array.from({ length: 8 }, (_, hue) => rgba(cssColour(`--hue-${hue}`)));
  const colours = [...hues, -1].map((hue) => (hue >= 0 ? palette[hue] : grey));
  const [ink, line] = ["--ink", "--line"].map((name) => rgba(cssColour(name)));
  for (const map of maps) {
    map.front = choice ? [] : null;
    for (const name of SOURCES) {
      const { code, color } = map.sources[name].data;
      // In place: new columns would make Bokeh index all points again.
      for (let row = 0; row < code.length; row++) {
        const lit = isLit(map.panel[name][row], code[row]);
        color[row] = lit ? colours[code[row]] : faint;
        if (name === "flagged") map.sources.flagged.data.line[row] = lit ? ink : line;
        else if (lit && choice) map.front.push(row);
      }
    }
    Object.assign(map, { grey: choice ? faint : grey, colours });
    map.model("ring").glyph.line_color = cssColour("--ink");
    map.model("dots").change.emit();
  }
  ringChosen();
}

// A ring around these samples on every map that has them.
function ringSamples(list) {
  const look = list.length > LARGE_RINGS ? { size: 14, line_width: 1.3 } : { size: 22, line_width: 2.5 };
  for (const map of maps) {
    map.model("ring").glyph.setv(look);
    const places = list.map((sample) => map.place.get(sample)).filter(Boolean);
    map.model("focus").data = { x: places.map((p) => p[0]), y: places.map((p) => p[1]) };
  }
}

function ringChosen() {
  const few = choice && choice.samples.size <= MANY_RINGS;
  ringSamples(few ? [...choice.samples] : []);
}

// Bokeh's canvases keep their size on paper: pictures of them take their place there.
function printMaps() {
  document.querySelectorAll(".print-map").forEach((picture) => picture.remove());
  for (const map of maps) {
    const { primary, overlays } = Bokeh.index.find_one(map.model("map")).canvas_view;
    const sheet = make("canvas", { width: primary.canvas.width, height: primary.canvas.height });
    for (const layer of [primary, overlays]) sheet.getContext("2d").drawImage(layer.canvas, 0, 0);
    map.element.after(make("img", { class: "print-map", alt: map.element.getAttribute("aria-label"), src: sheet.toDataURL() }));
  }
}
addEventListener("beforeprint", printMaps);
addEventListener("afterprint", () => document.querySelectorAll(".print-map").forEach((picture) => picture.remove()));

onChoice(() => maps.length && paintMaps());
