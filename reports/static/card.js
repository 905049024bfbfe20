// The question: picture, labels, reason, most alike samples, and the answers.

const cardElement = byId("card");

function original(sample) {
  const path = samples.path[sample] || samples.id[sample];
  const text = make("bdi", { class: "id", title: path }, path);
  if (!data.root) return text;
  const address = data.root + path.split("/").map(encodeURIComponent).join("/");
  return make("a", { href: address, target: "_blank", rel: "noopener" }, text);
}

function labelled(code, extra = "") {
  return make("span", { class: extra }, dot(code), bdi(classes[code]));
}

function onePicture(card) {
  const sample = card.members[0][0];
  const [, , width, height] = samples.picture[sample];
  const tall = height * Math.max(ENLARGE, LEAST_PX / Math.max(width, height));
  return make("figure", { class: "big", style: `--tall:${Math.round(Math.max(120, tall))}px` }, frame(sample, ROOM.big, { now: true }));
}

function allPictures(card, answers) {
  const shown = card.members.slice(0, data.review.membersShown);
  const figures = shown.map(([sample, tie], i) => {
    const place = samples.place[sample];
    const own = answers.find((one) => one.under === i);
    return make("figure", {}, withPictures ? frame(sample, ROOM.member, { now: true }) : "", make("figcaption", {},
      make("b", {}, labelled(samples.label[sample])),
      place || tie === "nearly identical" ? make("span", { class: "soft" }, place ? make("bdi", {}, `in ${place}`) : "", place && tie === "nearly identical" ? ", " : "", tie === "nearly identical" ? "nearly identical" : "") : "",
      make("div", {}, original(sample))),
      own ? answerButton(own) : "");
  });
  if (card.members.length > shown.length) figures.push(make("p", { class: "soft" }, `and ${count(card.members.length - shown.length)} more`));
  return make("div", { class: "big group" }, ...figures);
}

function labelList(card, hidden) {
  const rows = [make("dt", {}, "Labelled"), make("dd", {}, labelled(samples.label[card.members[0][0]], "clamp"))];
  if (card.suggested >= 0 && !hidden) {
    rows.push(make("dt", {}, card.kind === "ambiguous" ? "Or" : "Looks like"), make("dd", { "data-test": "suggested" }, labelled(card.suggested, "clamp")));
  }
  return make("dl", { class: "labels" }, ...rows);
}

function modelLine(card) {
  const parts = [];
  // The reasons of these kinds already name the probabilities.
  if (card.probabilities.length && !["mislabeled", "ambiguous"].includes(card.kind)) {
    parts.push("The model gives ");
    card.probabilities.forEach(([code, p], i) => parts.push(i ? ", " : "", inline(classes[code]), ` ${p.toFixed(2)}`));
    parts.push(". ");
  }
  const score = kindByName.get(card.kind).score;
  if (score) {
    const word = score[0].toUpperCase() + score.slice(1);
    parts.push(term(word, score.replace(" ", "_")), ` ${card.score.toFixed(2)}.`);
  }
  return parts.length ? make("p", { class: "model small soft" }, ...parts) : "";
}

function alike(card) {
  if (!card.near.length) return "";
  const items = card.near.map(([sample, similarity, copies]) => {
    const label = samples.label[sample];
    const caption = make("span", { title: classes[label] }, dot(label), make("bdi", {}, classes[label]));
    if (!withPictures) caption.append(` ${similarity.toFixed(2)} `, make("bdi", { class: "id" }, samples.id[sample]));
    const box = withPictures ? frame(sample, ROOM.near, { now: true, alt: `${describe(sample)}, similarity ${similarity.toFixed(2)}` }) : "";
    if (box && copies > 1) box.append(make("span", { class: "copies", title: `${copies} copies, shown once` }, `×${copies}`));
    return make("li", {}, box, caption);
  });
  return make("div", { class: "alike" },
    make("p", { class: "small soft" }, "Most alike, by ", term("similarity", "similarity")), make("ul", {}, ...items));
}

function answerButton(one) {
  const number = state.card;
  const entry = decided.get(number);
  const chosen = Boolean(entry && one.rows && sameRows(one.rows(cards[number]), entry.rows));
  return make("button", { type: "button", class: "answer", "data-key": one.key, "aria-pressed": one.rows ? String(chosen) : null, "aria-keyshortcuts": one.key || null, onclick: () => give(one) },
    make("span", { class: "answer-words" }, ...one.words), one.key ? make("kbd", {}, one.key) : "");
}

const MANY_ANSWERS = 6; // more of them would hide the picture on a phone

function answerRow(answers) {
  const number = state.card;
  const buttons = answers.filter((one) => one.under === undefined).map(answerButton);
  const text = notes.get(number) ?? decided.get(number)?.note ?? "";
  const note = make("input", { type: "text", class: "note", placeholder: "Add a note", "aria-label": "Note on this question", autocomplete: "off" });
  note.value = text;
  note.addEventListener("input", () => setNote(number, note.value));
  return make("div", { class: answers.length > MANY_ANSWERS ? "answers many" : "answers", "data-slot": "answers" }, make("div", { class: "answer-row", role: "group", "aria-label": "Answers" }, ...buttons, note));
}

// On a blind page, once the first answer is given and the audit thinks otherwise.
function revealLine(number) {
  const entry = decided.get(number);
  if (!entry?.first || state.revealed !== number) return "";
  return make("p", { class: "reveal", "data-test": "reveal" }, "Your answer is kept. Here is what the audit found: answer again if it changes your mind, or go on with ", make("kbd", {}, "Enter"), ".");
}

function voteList(card) {
  if (!card.votes.length) return "";
  return make("ul", { class: "votes", "data-test": "votes" }, ...card.votes.map(([who, said]) => make("li", {}, make("bdi", {}, who), ": ", make("bdi", {}, said))));
}

function wordsOf(card, hidden, group) {
  if (hidden) return make("div", { class: "card-words" }, labelList(card, true), make("p", { class: "why soft" }, "Answer from the picture alone; what the audit thinks is shown afterwards."), definition(card));
  return make("div", { class: "card-words" }, group && card.suggested < 0 ? "" : labelList(card, false),
    voteList(card), make("p", { class: "why" }, card.reason), modelLine(card), alike(card), definition(card),
    group ? "" : make("p", { class: "file" }, original(card.members[0][0])));
}

// The lines of classes.csv for the classes in question.
function definition(card) {
  const codes = LABEL_KINDS.has(card.kind) || card.kind === "conflicting_duplicate" ? [...classesOf(cards.indexOf(card))] : [];
  const lines = codes.filter((code) => data.definitions[code]).map((code) => make("p", {}, make("b", {}, inline(classes[code])), ` ${data.definitions[code]}`));
  return lines.length ? make("div", { class: "definitions small soft" }, ...lines) : "";
}

function stepButton(sign, words, by) {
  // The card is made anew: the focus stays on the button that moved it.
  const move = () => { step(by); cardElement.querySelector(`.step[title="${words}"]`)?.focus({ preventScroll: true }); };
  return make("button", { type: "button", class: "step", "aria-label": words, title: words, onclick: move }, sign);
}

function showNothing() {
  const words = !cards.length ? "Nothing was found that needs a decision." : "No question fits this choice.";
  cardElement.replaceChildren(make("p", { class: "nothing" }, words));
  delete cardElement.dataset.finding;
}

function showCard() {
  const list = visibleCards();
  if (!list.length) return showNothing();
  const card = cards[state.card];
  const hidden = isHidden(state.card);
  const answers = answersOf(state.card);
  const group = isGroup(card);
  const words = wordsOf(card, hidden, group);
  const picture = group ? allPictures(card, answers) : hasPicture(card.members[0][0]) ? onePicture(card) : "";
  const body = make("div", { class: picture ? "card-body" : "card-body plain" }, picture, words);
  if (group) words.style.gridColumn = "1 / -1";
  const place = `${count(list.indexOf(state.card) + 1)} of ${count(list.length)} · ${kindByName.get(card.kind).name}`;
  cardElement.replaceChildren(
    make("div", { class: "card-head" }, make("h2", { id: "question", "data-test": "question", title: card.question }, card.question),
      make("span", { class: "card-place" }, place, stepButton("‹", "Previous question", -1), stepButton("›", "Next question", 1))),
    body, revealLine(state.card), answerRow(answers));
  cardElement.dataset.finding = card.finding;
  cardElement.toggleAttribute("data-decided", isDecided(state.card));
  byId("say").textContent = hidden ? card.question : `${card.question} ${card.reason}`;
}

// Give an answer to the card in sight and go on to the next open one.
function give(one) {
  if (one.opens === "picker") return openPicker((code) => settle(relabelTo(code)));
  return settle(one.rows);
}

function settle(rowsOf) {
  const number = state.card;
  const blind = isHidden(number);
  decide([number], rowsOf);
  if (blind && disagrees(number)) {
    state.revealed = number;
    firstAnswers.set(number, decided.get(number).first);
    showCard();
    return cardElement.focus({ preventScroll: true });
  }
  return goOn();
}

// Whether the audit's most probable class is another one than the annotator's; dropped ones are not discussed.
function disagrees(number) {
  const card = cards[number];
  const [decision, code] = decided.get(number).rows[0];
  if (decision === "drop" || !card.probabilities.length) return false;
  return decision === "unsure" || (decision === "keep" ? given(card) : code) !== card.probabilities[0][0];
}

// The next open question after this one in what is shown, else the first open one.
function nextOpen() {
  const list = visibleCards();
  const place = list.indexOf(state.card);
  return [...list.slice(place + 1), ...list.slice(0, place)].find((number) => !isDecided(number));
}

function goOn(move = true) {
  state.revealed = -1;
  const next = move ? nextOpen() : undefined;
  if (next !== undefined) return showAndFocus(next);
  showCard();
  if (move) tell(decidedCount() === cards.length ? "All questions are decided. Save your decisions and send the file back." : "Every question shown here is decided.");
  return cardElement.focus({ preventScroll: true });
}

// Show a card, also when a filter hides it, and put the focus on it.
function showAndFocus(number) {
  const away = !visibleCards().includes(number);
  change(away ? { kind: "", pair: -1, code: -1, picked: null, area: 0, card: number } : { card: number });
  showCard();
  cardElement.focus({ preventScroll: true });
  const { top } = cardElement.getBoundingClientRect();
  if (top < 0 || (!wide.matches && top > innerHeight / 3)) cardElement.scrollIntoView({ block: "start" });
}

onChange((before) => {
  const same = before.card === state.card && cardElement.dataset.finding;
  if (!same || ["pair", "code", "kind", "picked", "todo", "order"].some((name) => before[name] !== state[name])) showCard();
});
