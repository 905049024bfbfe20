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
  if (box && card.members.length > 1) box.append(make("span", { class: "badge" }, `×${count(card.members.length)}`));
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
  for (const number of numbers) {
    const button = gallery.querySelector(`[data-card="${number}"]`);
    if (!button) continue;
    button.querySelector(".to").replaceWith(tileNote(number));
    button.toggleAttribute("data-decided", isDecided(number));
  }
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
  if (!current) return;
  current.setAttribute("aria-current", "true");
  current.tabIndex = 0;
  keepInSight();
}

const wide = matchMedia("(min-width: 1101px)"); // the gallery scrolls on its own

// In the next frame, which lays the page out anyway.
function keepInSight() {
  requestAnimationFrame(() => {
    const item = gallery.querySelector("[aria-current]")?.parentElement;
    if (item && wide.matches) bringInSight(item);
  });
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
  const current = gallery.children[place]?.firstChild;
  if (!hadFocus) return;
  current?.focus({ preventScroll: true });
  if (!wide.matches) current?.scrollIntoView({ block: "nearest" });
}

const columns = () => {
  const top = gallery.firstElementChild?.offsetTop;
  return Math.max(1, [...gallery.children].slice(0, 40).filter((item) => item.offsetTop === top).length);
};

byId("more").addEventListener("click", () => addTiles(made + BATCH));
gallery.addEventListener("scroll", () => {
  if (wide.matches && gallery.scrollTop + 2 * gallery.clientHeight > gallery.scrollHeight - 200) addTiles(made + BATCH);
}, { passive: true });

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
