// Decide everything that is chosen at once: an area of the map, a pair, a class, a kind.

const bulkBox = byId("bulk");

const openChoice = () => visibleCards().filter((number) => !isDecided(number));

function bulkAnswers(list) {
  const pick = (test) => list.filter((number) => test(cards[number], number));
  const single = pick((card) => !GROUP_KINDS.has(card.kind));
  const labels = pick((card) => LABEL_KINDS.has(card.kind));
  const suggested = labels.filter((number) => cards[number].suggested >= 0 && !isHidden(number));
  const copies = pick((card) => card.kind === "duplicate");
  return [
    ["Keep as they are", list, forAll("keep")],
    ["Relabel each to its suggestion", suggested, (card) => relabelTo(card.suggested)(card)],
    ["Relabel all to one class", labels, null],
    ["Keep one of each set of copies", copies, keepSome((sample, place) => place === 0, ["drop", -1])],
    ["Drop", single, forAll("drop")],
    ["Unsure", pick((card) => card.kind !== "unreadable" && card.kind !== "duplicate"), forAll("unsure")],
  ].filter(([, numbers]) => numbers.length);
}

function openBulk() {
  const list = openChoice();
  byId("bulk-title").textContent = `Decide ${count(list.length)} open questions at once`;
  byId("bulk-answers").replaceChildren(...bulkAnswers(list).map(([words, numbers, rowsOf]) =>
    make("button", { type: "button", onclick: () => decideBulk(numbers, rowsOf) }, words, make("b", {}, count(numbers.length)))));
  bulkBox.showModal();
}

function decideBulk(numbers, rowsOf) {
  bulkBox.close();
  if (!rowsOf) return openPicker((code) => decideBulk(numbers, relabelTo(code)));
  decide(numbers, rowsOf);
  goOn();
  return tell(`${several(numbers.length, "question")} decided. Z takes it back.`);
}
