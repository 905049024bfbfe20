// The pairs that confuse most: bars, both directions, pictures of the chosen one, advice.

const PAIRS_LISTED = 20;
const pairList = byId("pairs");
let openPair = pairs.length ? 0 : -1;

function side(from, to, list) {
  const heading = make("h3", {}, "labelled ", inline(classes[from]), ", near ", inline(classes[to]));
  const items = list.map((sample) => make("li", {}, withPictures ? frame(sample, ROOM.side) : make("bdi", { class: "id small" }, samples.id[sample])));
  return make("div", {}, heading, items.length ? make("ul", {}, ...items) : make("p", { class: "small soft" }, "none"));
}

function pairEntry(pair, number, largest) {
  const total = pair.counts[0] + pair.counts[1];
  const part = (code, n) => n && make("i", { class: "part", "data-code": code, "data-width": `${((100 * n) / largest).toFixed(1)}%` });
  const entry = make("div", { class: "pair", "data-pair": number },
    make("button", { type: "button", "aria-pressed": "false", onclick: () => choosePair(number) },
      make("span", { class: "pair-names" },
        make("span", { class: "clamp" }, bdi(classes[pair.a]), make("i", {}, " and "), bdi(classes[pair.b])),
        make("em", {}, `${count(total)} mixed up`)),
      make("span", { class: "bar", "aria-hidden": "true" }, part(pair.a, pair.counts[0]), part(pair.b, pair.counts[1])),
      make("span", { class: "small soft" }, pair.direction)));
  return entry;
}

function openDetails() {
  for (const entry of pairList.children) {
    const number = Number(entry.dataset.pair);
    entry.querySelector(".pair-more")?.remove();
    entry.dataset.chosen = String(number === state.pair);
    entry.firstChild.setAttribute("aria-pressed", String(number === state.pair));
    if (number !== openPair) continue;
    const pair = pairs[number];
    const flagged = pair.flagged ? ` ${count(pair.flagged)} flagged.` : "";
    const shown = pair.examples[0].length + pair.examples[1].length > 0;
    entry.append(make("div", { class: "pair-more" },
      shown && make("div", { class: "sides" }, side(pair.a, pair.b, pair.examples[0]), side(pair.b, pair.a, pair.examples[1])),
      make("p", { class: "advice" }, pair.advice, make("span", { class: "soft" }, ` ${pair.share.replace(" ", "\u00a0")} of both.${flagged}`))));
  }
}

function drawPairs() {
  const listed = pairs.slice(0, PAIRS_LISTED);
  if (state.pair >= PAIRS_LISTED) listed.unshift(pairs[state.pair]);
  const largest = Math.max(1, ...listed.map((pair) => pair.counts[0] + pair.counts[1]));
  pairList.replaceChildren(...listed.map((pair) => pairEntry(pair, pairs.indexOf(pair), largest)));
  openDetails();
}

function choosePair(number) {
  const again = state.pair === number;
  openPair = number;
  change({ pair: again ? -1 : number, code: -1 });
}

// First here, so that the parts it makes are coloured with the rest.
listeners.unshift((before) => {
  if (before.pair === state.pair) return;
  if (before.pair >= PAIRS_LISTED || state.pair >= PAIRS_LISTED) drawPairs();
  else openDetails();
});
