// Chips by kind, the line that says what is shown, and the tiles.

const BATCH = matchMedia("(max-width: 700px)").matches ? 15 : 60; // tiles made at a time
const FIRST = 18; // tiles whose pictures are made at once, without waiting for the observer
const gallery = byId("gallery");
let made = 0;
let shownList = [];

function drawChips() {
  const here = visibleCards("kind");
  const found = new Map();
  for (const number of here) found.set(cards[number].kind, (found.get(cards[number].kind) || 0) + 1);
  const narrowed = state.pair >= 0 || state.code >= 0 || state.picked !== null;
  const chip = (kind, name, number) => make("button", {
    type: "button", class: number === "0" ? "empty" : null, "aria-pressed": String(state.kind === kind), "data-kind": kind, tabindex: state.kind === kind ? "0" : "-1",
    onclick: () => change({ kind: state.kind === kind ? "" : kind }),
  }, name, make("b", {}, number));
  const total = kinds.reduce((sum, kind) => sum + kind[2], 0);
  const rows = kinds.map(([kind, name, all, shown]) =>
    chip(kind, name, narrowed ? count(found.get(kind) || 0) : shown < all ? `${count(shown)} of ${count(all)}` : count(all)));
  const all = narrowed ? count(here.length) : cards.length < total ? `${count(cards.length)} of ${count(total)}` : count(total);
  const focused = byId("chips").contains(document.activeElement) ? document.activeElement.dataset.kind : null;
  byId("chips").replaceChildren(chip("", "All", all), ...rows);
  byId("chips").hidden = !cards.length;
  if (focused !== null) for (const button of byId("chips").children) if (button.dataset.kind === focused) button.focus();
}

function statusLine() {
  const line = byId("status");
  if (!filtered()) return line.replaceChildren(cards.length ? "The most suspect first in each kind. Arrow keys move." : "");
  const parts = [];
  if (state.pair >= 0) parts.push(inline(classes[pairs[state.pair].a]), " and ", inline(classes[pairs[state.pair].b]));
  if (state.code >= 0) parts.push(parts.length ? ", " : "", inline(classes[state.code]));
  if (state.picked) parts.push(parts.length ? ", " : "", `${count(state.area)} ${state.area === 1 ? "point" : "points"} on the map`);
  if (state.kind) parts.push(parts.length ? ", " : "", kindByName.get(state.kind).name.toLowerCase());
  return line.replaceChildren(make("span", {}, ...parts, `: ${count(visibleCards().length)} of ${count(cards.length)} findings`),
    make("button", { type: "button", onclick: clearAll }, "Show all"));
}

function clearAll() {
  change({ kind: "", pair: -1, code: -1, picked: null, area: 0 });
}

function tile(number, now) {
  const card = cards[number];
  const sample = card.members[0][0];
  const labels = [...new Set(card.members.map(([member]) => samples.label[member]))];
  const from = make("span", {}, dot(labels[0]), make("bdi", {}, labels.map((code) => classes[code]).join(", ")));
  const note = card.suggested >= 0 ? make("span", { class: "to" }, "→ ", make("bdi", {}, classes[card.suggested]))
    : make("span", { class: "to" }, kindByName.get(card.kind).name);
  const id = withPictures ? "" : make("bdi", { class: "id" }, samples.id[sample]);
  const box = withPictures ? frame(sample, ROOM.tile, { now }) : "";
  if (box && card.members.length > 1) box.append(make("span", { class: "badge" }, `${card.members.length + card.more} pictures`));
  const button = make("button", {
    type: "button", class: "tile", "data-card": number, "data-id": samples.id[sample], tabindex: "-1",
    "aria-label": `${card.question} ${samples.id[sample]}`, onclick: () => change({ card: number }),
  }, box, make("span", { class: "words" }, from, note, id));
  return make("li", {}, button);
}

function addTiles(until) {
  const items = [];
  for (; made < Math.min(until, shownList.length); made++) items.push(tile(shownList[made], made < FIRST));
  gallery.append(...items);
  byId("more").hidden = made >= shownList.length;
}

function drawGallery() {
  for (const image of gallery.querySelectorAll("img")) nearScreen.unobserve(image);
  shownList = visibleCards();
  made = 0;
  gallery.replaceChildren();
  addTiles(BATCH);
  markTile();
}

function markTile() {
  const place = shownList.indexOf(state.card);
  if (place >= made) addTiles(place + BATCH);
  for (const button of gallery.querySelectorAll("[aria-current]")) {
    button.removeAttribute("aria-current");
    button.tabIndex = -1;
  }
  const current = gallery.children[place]?.firstChild;
  current?.setAttribute("aria-current", "true");
  if (current) current.tabIndex = 0;
  return current;
}

// Move to the next or previous card and keep it in sight.
function step(by) {
  const place = shownList.indexOf(state.card) + by;
  if (place < 0 || place >= shownList.length) return;
  const hadFocus = gallery.contains(document.activeElement);
  change({ card: shownList[place] });
  const current = gallery.children[place]?.firstChild;
  if (hadFocus) current?.focus({ preventScroll: true });
  if (hadFocus || matchMedia("(min-width: 1101px)").matches) current?.scrollIntoView({ block: "nearest" });
}

const columns = () => {
  const top = gallery.firstElementChild?.offsetTop;
  return Math.max(1, [...gallery.children].slice(0, 40).filter((item) => item.offsetTop === top).length);
};

byId("more").addEventListener("click", () => addTiles(made + BATCH));
new IntersectionObserver((entries) => {
  if (entries[0].isIntersecting && matchMedia("(min-width: 1101px)").matches) addTiles(made + BATCH);
}, { rootMargin: "400px" }).observe(byId("more"));

onChange((before) => {
  const kept = before.kind === state.kind && before.pair === state.pair && before.code === state.code && before.picked === state.picked;
  if (kept) return markTile();
  drawChips();
  statusLine();
  return drawGallery();
});
