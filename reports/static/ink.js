// Colours of the style sheet for the maps, and the start of BokehJS.

const cssColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// "#1f6feb" -> 0x1f6febaa as Bokeh wants colours in a column
function rgba(hex, alpha = 255) {
  const full = hex.length === 4 ? `#${[...hex.slice(1)].map((c) => c + c).join("")}` : hex;
  return ((parseInt(full.slice(1, 7), 16) << 8) | alpha) >>> 0;
}

// BokehJS stands in the page as text; the page's policy lets this very text run and no other.
function runBokeh() {
  document.head.append(make("script", {}, byId("bokeh").textContent));
}
