// The page's data and the state that all parts share.

const data = await readBlock("page-data");
const { classes, cards, pairs, samples, kinds } = data;
const kindByName = new Map(kinds.map((kind) => [kind[0], { name: kind[1], found: kind[2], shown: kind[3], score: kind[4] }]));

// What is chosen. kind "" = all; pair, code -1 = none; picked null = no area on the map, else a set of card numbers;
// todo = open questions only; order is a key of `orders`.
const state = { kind: "", pair: -1, code: -1, picked: null, todo: false, order: "alike", revealed: -1, card: cards.length ? 0 : -1, area: 0 };

// Card numbers in the page's order, similar questions together, and the most suspect of each kind first.
const kindPlace = new Map(kinds.map((kind, place) => [kind[0], place]));
const orders = {
  alike: [...cards.keys()],
  suspect: [...cards.keys()].sort((a, b) => kindPlace.get(cards[a].kind) - kindPlace.get(cards[b].kind) || cards[a].rank - cards[b].rank || a - b),
};
const listeners = [];

// Parts register here and redraw themselves when the state changes.
const onChange = (listener) => listeners.push(listener);

function change(changes) {
  const before = { ...state };
  Object.assign(state, changes);
  const list = visibleCards();
  if (list.length && !list.includes(state.card)) state.card = list[0];
  for (const listener of listeners) listener(before);
}

const labelsOf = cards.map((card) => new Set(card.members.map(([sample]) => samples.label[sample])));

// Classes a card is about: the labels of its members and, unless it is hidden, the suggestion.
function classesOf(number) {
  const { suggested } = cards[number];
  return suggested >= 0 && !isHidden(number) ? new Set([...labelsOf[number], suggested]) : labelsOf[number];
}

const BETWEEN_TWO = new Set(["mislabeled", "ambiguous", "conflicting_duplicate", "label_check"]);

// The findings that the audit counts as flagged between two classes; a hidden one belongs to its label alone.
function isBetween(number, pair) {
  if (!BETWEEN_TWO.has(cards[number].kind)) return false;
  const codes = classesOf(number);
  return isHidden(number) ? codes.has(pair.a) || codes.has(pair.b) : codes.has(pair.a) && codes.has(pair.b);
}

function visibleCards(except = "") {
  const pair = state.pair >= 0 ? pairs[state.pair] : null;
  return orders[state.order].filter((number) =>
    (!state.kind || except === "kind" || cards[number].kind === state.kind)
    && (!pair || isBetween(number, pair))
    && (state.code < 0 || classesOf(number).has(state.code))
    && (!state.picked || state.picked.has(number))
    && (!state.todo || number === state.card || !isDecided(number)));
}

// Whether what is shown is a choice that the map should tell from the rest.
const filtered = () => state.kind !== "" || state.pair >= 0 || state.code >= 0 || state.picked !== null;

// Which hue each class has now: one number for each code, -1 = grey. A chosen pair or class stands alone.
function currentHues() {
  const chosen = state.pair >= 0 ? [pairs[state.pair].a, pairs[state.pair].b] : state.code >= 0 ? [state.code] : null;
  if (!chosen) return classes.length > 8 && state.card >= 0 ? cardHues() : data.hues;
  const hues = new Array(classes.length).fill(-1);
  const own = chosen.every((code) => data.hues[code] >= 0);
  chosen.forEach((code, place) => { hues[code] = own ? data.hues[code] : place; });
  return hues;
}

// With more classes than hues the map shows those of the question: the given label, then the suggestion.
function cardHues() {
  const hues = new Array(classes.length).fill(-1);
  [...classesOf(state.card)].slice(0, 8).forEach((code, place) => { hues[code] = place; });
  return hues;
}

const dot = (code) => make("i", { class: "dot", style: hueStyle(currentHues()[code]), "data-code": code });

// Dots keep their colour in step with the map.
onChange(() => {
  const hues = currentHues();
  for (const element of document.querySelectorAll("[data-code].dot, [data-code].part")) {
    const style = hueStyle(hues[Number(element.dataset.code)]);
    if (style) element.setAttribute("style", style + (element.dataset.width ? `;width:${element.dataset.width}` : ""));
    else element.setAttribute("style", element.dataset.width ? `width:${element.dataset.width}` : "");
  }
});
