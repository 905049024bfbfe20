// Chips by kind, the line that says what is shown, and the tiles.

const BATCH = matchMedia("(max-width: 700px)").matches ? 15 : 36; // tiles made at a time
const MOST = 500; // more tiles than this are not kept when the question changes
const LEAD = 4; // rows made before the question in sight
const FIRST = 18; // tiles whose pictures are made at once, without waiting for the observer
const gallery = byId("gallery");
const earlier = make("button", { type: "button", class: "more", hidden: true, onclick: addEarlier }, "Show earlier ones");
gallery.before(earlier);
let shownList = [];
let first = 0; // the tiles are those of shownList from here
let made = 0; // to here

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
  const parts = [];
  if (state.pair >= 0) parts.push(inline(classes[pairs[state.pair].a]), " and ", inline(classes[pairs[state.pair].b]));
  if (state.code >= 0) parts.push(parts.length ? ", " : "", inline(classes[state.code]));
  if (state.picked) parts.push(parts.length ? ", " : "", `${count(state.area)} ${state.area === 1 ? "point" : "points"} on the map`);
  if (state.kind) parts.push(parts.length ? ", " : "", kindByName.get(state.kind).name.toLowerCase());
  const list = visibleCards();
  const words = filtered() ? make("span", {}, ...parts, `: ${count(list.length)} of ${count(cards.length)}`) : "";
  byId("status").replaceChildren(words, filtered() ? make("button", { type: "button", onclick: clearAll }, "Show all") : "");
  const open = list.filter((number) => !isDecided(number)).length;
  byId("bulk-open").hidden = !filtered() || open < 2;
  byId("bulk-open").textContent = `Decide these ${count(open)} at once`;
  byId("view-line").hidden = !cards.length;
}

function clearAll() {
  change({ kind: "", pair: -1, code: -1, picked: null, area: 0 });
}

function tile(number, now) {
  const card = cards[number];
  const sample = card.members[0][0];
  const labels = [...new Set(card.members.map(([member]) => samples.label[member]))];
  const from = make("span", {}, dot(labels[0]), make("bdi", {}, labels.map((code) => classes[code]).join(", ")));
  const id = withPictures ? "" : make("bdi", { class: "id" }, samples.id[sample]);
  const box = withPictures ? frame(sample, ROOM.tile, { now }) : "";
  if (box && isGroup(card)) box.append(make("span", { class: "badge" }, `×${count(card.members.length)}`));
  const button = make("button", {
    type: "button", class: "tile", "data-card": number, "data-id": samples.id[sample], tabindex: "-1",
    "aria-label": `${card.question} ${samples.id[sample]}`, onclick: () => change({ card: number }),
  }, box, make("span", { class: "words" }, from, tileNote(number), id));
  if (isDecided(number)) button.dataset.decided = "true";
  return make("li", {}, button);
}

// What the audit thinks, or what was decided.
function tileNote(number) {
  const card = cards[number];
  if (isDecided(number)) return make("span", { class: "to decided" }, "✓ ", ...decisionWords(number));
  if (card.suggested >= 0 && !isHidden(number)) return make("span", { class: "to" }, "→ ", make("bdi", {}, classes[card.suggested]));
  return make("span", { class: "to" }, kindByName.get(card.kind).name);
}

function refreshTiles(numbers) {
  const changed = new Set(numbers);
  for (const button of gallery.querySelectorAll(".tile")) {
    const number = Number(button.dataset.card);
    if (!changed.has(number)) continue;
    button.querySelector(".to").replaceWith(tileNote(number));
    button.toggleAttribute("data-decided", isDecided(number));
  }
}

const tilesOf = (from, to, near) => shownList.slice(from, to).map((number, i) => tile(number, Math.abs(from + i - near) < FIRST));

function addTiles(until, near = -FIRST) {
  const to = Math.min(until, shownList.length);
  gallery.append(...tilesOf(made, to, near));
  made = to;
  byId("more").hidden = made >= shownList.length;
}

// Rows before those that are there; what is in sight stays where it is.
function addEarlier() {
  const from = Math.max(0, first - LEAD * columns());
  const { scrollTop, scrollHeight } = gallery;
  gallery.prepend(...tilesOf(from, first, -FIRST));
  first = from;
  gallery.scrollTop = scrollTop + gallery.scrollHeight - scrollHeight;
  earlier.hidden = first === 0;
}

// The tiles around a place in the list, from its start when that is near.
function makeTiles(place) {
  for (const image of gallery.querySelectorAll("img")) nearScreen.unobserve(image);
  const across = place < BATCH ? 1 : columns();
  first = place < BATCH ? 0 : Math.max(0, place - (place % across) - LEAD * across);
  made = first;
  gallery.replaceChildren();
  addTiles(place + BATCH, place);
  earlier.hidden = first === 0;
}

function drawGallery() {
  shownList = visibleCards();
  makeTiles(Math.max(0, shownList.indexOf(state.card)));
  markTile();
}

function markTile() {
  const place = shownList.indexOf(state.card);
  const hadFocus = gallery.contains(document.activeElement);
  if (place >= 0 && (place < first || place >= made || made - first > MOST)) makeTiles(place);
  for (const button of gallery.querySelectorAll("[aria-current]")) {
    button.removeAttribute("aria-current");
    button.tabIndex = -1;
  }
  const current = gallery.children[place - first]?.firstChild;
  if (!current) return;
  current.setAttribute("aria-current", "true");
  current.tabIndex = 0;
  if (hadFocus && !gallery.contains(document.activeElement)) current.focus({ preventScroll: true });
  keepInSight();
}

const wide = matchMedia("(min-width: 1101px)"); // the gallery scrolls on its own

// In the next frame, which lays the page out anyway.
function keepInSight() {
  requestAnimationFrame(() => {
    if (!wide.matches) return;
    const item = gallery.querySelector("[aria-current]")?.parentElement;
    if (item) bringInSight(item);
    fill();
  });
}

// More tiles at the end that is nearly reached, also where the window is taller than what is there.
function fill() {
  const below = () => gallery.scrollHeight - gallery.scrollTop - gallery.clientHeight;
  for (let round = 0; round < 8 && made < shownList.length && below() < 200; round++) addTiles(made + BATCH);
  if (gallery.scrollTop < 60 && first > 0) addEarlier();
}

function bringInSight(item) {
  const top = item.offsetTop - gallery.scrollTop;
  if (top < 0 || top + item.offsetHeight > gallery.clientHeight) gallery.scrollTop = item.offsetTop - 2;
}

// Move to the next or previous card and keep it in sight.
function step(by) {
  const place = shownList.indexOf(state.card) + by;
  if (place < 0 || place >= shownList.length) return;
  const hadFocus = gallery.contains(document.activeElement);
  change({ card: shownList[place] });
  const current = gallery.children[place - first]?.firstChild;
  if (!hadFocus) return;
  current?.focus({ preventScroll: true });
  if (!wide.matches) current?.scrollIntoView({ block: "nearest" });
}

const columns = () => {
  const top = gallery.firstElementChild?.offsetTop;
  return Math.max(1, [...gallery.children].slice(0, 40).filter((item) => item.offsetTop === top).length);
};

byId("more").addEventListener("click", () => addTiles(made + BATCH));
gallery.addEventListener("scroll", () => wide.matches && fill(), { passive: true });

byId("todo").addEventListener("change", (event) => change({ todo: event.target.checked }));
byId("order")?.addEventListener("change", (event) => change({ order: event.target.value }));
byId("bulk-open").addEventListener("click", openBulk);

onDecision((numbers) => {
  if (state.todo) drawGallery();
  else refreshTiles(numbers);
  statusLine();
});

onChange((before) => {
  const kept = ["kind", "pair", "code", "picked", "todo", "order"].every((name) => before[name] === state[name]);
  if (kept && !(state.todo && before.card !== state.card)) return markTile();
  drawChips();
  statusLine();
  return drawGallery();
});
