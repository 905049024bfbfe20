// The map's points as stamps in an array of pixels: 50,000 take a few milliseconds, with or without a graphics card.
// Bokeh's canvas fills a path for each, a third of a second in all; its WebGL makes code from text, which this page forbids.

const STEPS = 4; // a stamp is made for each quarter of a pixel
const stampsOf = new Map();

// What is kept of one map between two drawings.
function makeSheet() {
  const canvas = document.createElement("canvas");
  return { canvas, brush: canvas.getContext("2d", { willReadFrequently: true }), key: "", ground: null, picture: null };
}
const onlySheet = makeSheet();

// How far outside of a shape a place is, in pixels; inside it is negative.
const shapes = {
  disc: (radius) => (x, y) => Math.hypot(x, y) - radius,
  diamond: (radius) => (x, y) => (1.5 * Math.abs(x) + Math.abs(y) - radius) / Math.hypot(1.5, 1),
};

// The pixels of a shape around each place within a pixel: [column, row, share of the fill, share of the line, ..], shares in 0 to 255.
function stampsFor(shape, size, line) {
  const key = `${shape} ${size} ${line}`;
  if (!stampsOf.has(key)) {
    const outside = shapes[shape](size / 2);
    stampsOf.set(key, Array.from({ length: STEPS * STEPS }, (_, step) =>
      stampAt(outside, Math.ceil((size + line) / 2 + 0.5), line, ((step % STEPS) + 0.5) / STEPS, (Math.floor(step / STEPS) + 0.5) / STEPS)));
  }
  return stampsOf.get(key);
}

function stampAt(outside, reach, line, x, y) {
  const share = (depth) => Math.round(255 * Math.min(1, Math.max(0, depth)));
  const stamp = [];
  for (let row = -reach; row <= reach; row++) {
    for (let column = -reach; column <= reach; column++) {
      const far = outside(column + 0.5 - x, row + 0.5 - y);
      const fill = share(0.5 - far);
      const edge = line ? share(line / 2 + 0.5 - Math.abs(far)) : 0;
      if (fill || edge) stamp.push(column, row, fill, edge);
    }
  }
  return Int16Array.from(stamp);
}

// Lay a colour (0xBBGGRR) that covers a share of a pixel over what is there.
function laidOver(under, colour, cover) {
  const below = under >>> 24;
  if (cover === 255 || below === 0) return ((cover << 24) | colour) >>> 0;
  const all = cover + (below * (255 - cover)) / 255;
  if ((under & 0xffffff) === colour) return ((Math.round(all) << 24) | colour) >>> 0;
  const part = cover / all;
  const mix = (shift) => {
    const old = (under >>> shift) & 255;
    return Math.round(old + (((colour >>> shift) & 255) - old) * part) << shift;
  };
  return ((Math.round(all) << 24) | mix(16) | mix(8) | mix(0)) >>> 0;
}

// 0xRRGGBBAA, as in Bokeh's columns -> 0xBBGGRR
const swapped = (rgba) => (rgba >>> 24) | ((rgba >>> 8) & 0xff00) | ((rgba & 0xff00) << 8);

// Stamp one layer of points: {shape, size, sx, sy, fill, line, lineWidth, rows}.
// `fill` and `line` are columns of colours, or one colour; rows null = all.
function stampLayer({ pixels, width, height, ratio }, layer) {
  const { sx, sy, fill, line, rows } = layer;
  const stamps = stampsFor(layer.shape, layer.size * ratio, line ? layer.lineWidth * ratio : 0);
  const total = rows ? rows.length : sx.length;
  for (let i = 0; i < total; i++) {
    const row = rows ? rows[i] : i;
    // Bokeh's layers stand half a pixel off.
    const x = (sx[row] + 0.5) * ratio;
    const y = (sy[row] + 0.5) * ratio;
    const left = Math.floor(x);
    const top = Math.floor(y);
    const stamp = stamps[Math.floor((y - top) * STEPS) * STEPS + Math.floor((x - left) * STEPS)];
    const inner = swapped(typeof fill === "number" ? fill : fill[row]);
    const outer = line ? swapped(line[row]) : 0;
    for (let k = 0; k < stamp.length; k += 4) {
      const column = left + stamp[k];
      const at = (top + stamp[k + 1]) * width + column;
      if (column < 0 || column >= width || at < 0 || at >= pixels.length) continue;
      if (stamp[k + 2]) pixels[at] = laidOver(pixels[at], inner, stamp[k + 2]);
      if (stamp[k + 3]) pixels[at] = laidOver(pixels[at], outer, stamp[k + 3]);
    }
  }
}

// Put layers on a canvas of Bokeh's. Those of ground() lie below and are stamped again only when `key` has changed.
function paintLayers(brush, key, ground, above, sheet = onlySheet) {
  const { width, height } = brush.canvas;
  if (!width || !height) return;
  const pageOf = (picture) => ({ pixels: new Uint32Array(picture.data.buffer), width, height, ratio: brush.layer.pixel_ratio });
  const whole = `${key} ${width} ${height} ${brush.layer.pixel_ratio}`;
  if (sheet.key !== whole) {
    Object.assign(sheet, { key: whole, ground: new ImageData(width, height), picture: new ImageData(width, height) });
    Object.assign(sheet.canvas, { width, height });
    for (const layer of ground()) stampLayer(pageOf(sheet.ground), layer);
  }
  const page = pageOf(sheet.picture);
  page.pixels.set(pageOf(sheet.ground).pixels);
  for (const layer of above) stampLayer(page, layer);
  sheet.brush.putImageData(sheet.picture, 0, 0);
  brush.save();
  brush.resetTransform();
  brush.drawImage(sheet.canvas, 0, 0);
  brush.restore();
}

// Bokeh places the points of a map, this page draws them: those in front (a list of rows) above the grey ones, the
// diamonds on top, in the layers that `split` makes of them.
function drawPoints(map, split = (diamonds) => [diamonds]) {
  const [dots, diamonds] = ["dots", "diamonds"].map((name) => Bokeh.index.find_one(map.model(name)));
  const layer = ({ glyph, model }, shape) => {
    const { color, line } = model.data_source.data;
    return { shape, size: glyph.model.size.value, sx: glyph.sx, sy: glyph.sy, fill: color, line, lineWidth: glyph.model.line_width.value, rows: null };
  };
  let placed = "";
  dots._paint = () => {};
  diamonds._paint = (brush) => {
    const { frame } = diamonds.plot_view;
    const place = [frame.x_range.start, frame.x_range.end, frame.y_range.start, frame.y_range.end, ...frame.bbox.args].join(" ");
    if (place !== placed) for (const view of [dots, diamonds]) view.map_data();
    placed = place;
    const plain = layer(dots, "disc");
    const front = map.front ? [{ ...plain, size: plain.size + 1, rows: map.front }] : [];
    const ground = () => [map.front ? { ...plain, fill: map.grey } : plain];
    paintLayers(brush, `${place} ${map.front ? map.grey : map.colours}`, ground, [...front, ...split(layer(diamonds, "diamond"))], map.sheet);
  };
  for (const view of [dots, diamonds]) view.model.visible = true;
}
