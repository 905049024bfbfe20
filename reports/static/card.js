// The question: picture, labels, reason, most alike samples, and a place for the answers.

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

function allPictures(card) {
  const figures = card.members.map(([sample, tie]) => {
    const place = samples.place[sample];
    return make("figure", {}, withPictures ? frame(sample, ROOM.member, { now: true }) : "", make("figcaption", {},
      make("b", {}, labelled(samples.label[sample])),
      place ? make("span", { class: "soft" }, " in ", make("bdi", {}, place)) : "",
      tie === "nearly identical" ? make("span", { class: "soft" }, ", nearly identical") : "",
      make("div", {}, original(sample))));
  });
  if (card.more) figures.push(make("p", { class: "soft" }, `and ${count(card.more)} more`));
  return make("div", { class: "big group" }, ...figures);
}

function labelList(card) {
  const rows = [make("dt", {}, "Labelled"), make("dd", {}, labelled(samples.label[card.members[0][0]], "clamp"))];
  if (card.suggested >= 0) {
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

function showCard() {
  const list = visibleCards();
  if (!list.length) {
    const words = cards.length ? "No finding fits this choice." : "Nothing was found that needs a decision.";
    cardElement.replaceChildren(make("p", { class: "nothing" }, words));
    return;
  }
  const card = cards[state.card];
  const kind = kindByName.get(card.kind).name;
  const group = card.members.length > 1;
  const words = make("div", { class: "card-words" }, group && card.suggested < 0 ? "" : labelList(card),
    make("p", { class: "why" }, card.reason), modelLine(card), alike(card),
    group ? "" : make("p", { class: "file" }, original(card.members[0][0])),
    make("div", { class: "answers", "data-slot": "answers" }));
  const picture = group ? allPictures(card) : hasPicture(card.members[0][0]) ? onePicture(card) : "";
  const body = make("div", { class: picture ? "card-body" : "card-body plain" }, picture, words);
  if (group) words.style.gridColumn = "1 / -1";
  cardElement.replaceChildren(
    make("div", { class: "card-head" }, make("h2", { "data-test": "question", title: card.question }, card.question),
      make("span", { class: "card-place" }, `${count(list.indexOf(state.card) + 1)} of ${count(list.length)} · ${kind}`)),
    body);
  cardElement.dataset.finding = card.finding;
  byId("say").textContent = `${card.question} ${card.reason}`;
}

onChange((before) => {
  const same = before.card === state.card && cardElement.dataset.finding;
  if (!same || before.pair !== state.pair || before.code !== state.code || before.kind !== state.kind || before.picked !== state.picked) showCard();
});
