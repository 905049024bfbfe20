// What can be answered on each card. An answer turns a card into one row for each of its samples:
// [decision, class code or -1], in the order of the card's members.

const LABEL_KINDS = new Set(["mislabeled", "ambiguous", "label_check"]);
const GROUP_KINDS = new Set(["conflicting_duplicate", "leak", "duplicate"]);
const FEW_CLASSES = 6; // up to so many, a blind card lists all of them
const OTHERS_LISTED = 2; // probable classes beside the suggestion

// Several pictures side by side. Labels to check always show one: control samples have one too.
const isGroup = (card) => card.members.length > 1 && card.kind !== "label_check";

const labelOf = (sample) => samples.label[sample];
const given = (card) => labelOf(card.members[0][0]);

// A blind page hides what the audit thinks of a label until the first answer.
const isHidden = (number) => data.review.blind && cards[number].kind === "label_check" && !decided.has(number);

const forAll = (decision) => (card) => card.members.map(() => [decision, -1]);
const relabelTo = (code) => (card) => card.members.map(([sample]) => (labelOf(sample) === code ? ["keep", -1] : ["relabel", code]));
// Members that `stays` takes are kept, the others get `rest`.
const keepSome = (stays, rest) => (card) => card.members.map(([sample], place) => (stays(sample, place) ? ["keep", -1] : rest));

const answer = (key, words, rows, more = {}) => ({ key, words, rows, ...more });
const unsure = answer("U", ["Unsure"], forAll("unsure"));

function listedClasses(number) {
  const card = cards[number];
  const own = given(card);
  if (isHidden(number)) return classes.length <= FEW_CLASSES ? [...classes.keys()].filter((code) => code !== own) : [];
  return card.probabilities.map(([code]) => code).filter((code) => code !== own && code !== card.suggested).slice(0, OTHERS_LISTED);
}

function labelAnswers(number) {
  const card = cards[number];
  const list = [answer("K", ["Keep ", inline(classes[given(card)])], forAll("keep"))];
  if (card.suggested >= 0 && !isHidden(number)) list.push(answer("R", ["It is ", inline(classes[card.suggested])], relabelTo(card.suggested)));
  listedClasses(number).forEach((code, i) => list.push(answer(String(i + 1), ["It is ", inline(classes[code])], relabelTo(code))));
  list.push(answer("/", ["Another class"], null, { opens: "picker" }));
  return [...list, answer("X", ["Drop"], forAll("drop")), unsure];
}

function conflictAnswers(card) {
  const codes = [...new Set(card.members.map(([sample]) => labelOf(sample)))];
  const two = card.members.length === 2;
  const others = two ? "other" : "others";
  const list = [];
  codes.slice(0, 4).forEach((code, i) => {
    const name = () => inline(classes[code]);
    const right = (sample) => labelOf(sample) === code;
    list.push(answer(String(2 * i + 1), ["It is ", name(), `: drop the ${others}`], keepSome(right, ["drop", -1])));
    list.push(answer(String(2 * i + 2), ["It is ", name(), `: relabel the ${others}`], keepSome(right, ["relabel", code])));
  });
  return [...list, answer("/", ["Another class"], null, { opens: "picker" }),
    answer("K", [two ? "Both are right" : "All are right"], forAll("keep")), answer("X", [two ? "Drop both" : "Drop all"], forAll("drop")), unsure];
}

function leakAnswers(card) {
  const places = [...new Set(card.members.map(([sample]) => samples.place[sample]))];
  const list = places.length > 1
    ? places.slice(0, 9).map((place, i) => answer(String(i + 1), ["Only in ", make("bdi", {}, place || "no split")], keepSome((sample) => samples.place[sample] === place, ["drop", -1])))
    : onlyThis(card);
  return [...list, answer("K", ["Keep all"], forAll("keep")), unsure];
}

// One answer under each picture.
function onlyThis(card) {
  return card.members.slice(0, data.review.membersShown).map((member, i) =>
    answer(i < 9 ? String(i + 1) : "", ["Keep only this"], keepSome((sample, place) => place === i, ["drop", -1]), { under: i }));
}

function answersOf(number) {
  const card = cards[number];
  if (LABEL_KINDS.has(card.kind)) return labelAnswers(number);
  if (card.kind === "conflicting_duplicate") return conflictAnswers(card);
  if (card.kind === "leak") return leakAnswers(card);
  if (card.kind === "duplicate") return [...onlyThis(card), answer("K", ["Keep all"], forAll("keep"))];
  if (card.kind === "unreadable") return [answer("X", ["Drop"], forAll("drop")), answer("K", ["Will be repaired"], forAll("keep"))];
  return [answer("K", ["Keep"], forAll("keep")), answer("X", ["Drop"], forAll("drop")), unsure];
}

const sameRows = (a, b) => a.length === b.length && a.every((row, i) => row && b[i] && row[0] === b[i][0] && row[1] === b[i][1]);

// What was decided, in a few words: "keep", "→ rose", "keep 1 of 3".
function decisionWords(number) {
  const rows = decided.get(number).rows.filter(Boolean);
  const [decision, code] = rows[0] || ["", -1];
  const same = rows.every((row) => row[0] === decision && row[1] === code);
  if (same && decision === "relabel") return ["→ ", inline(classes[code])];
  if (same) return [rows.length > 1 && decision !== "unsure" ? `${decision} all` : decision];
  const kept = rows.filter((row) => row[0] === "keep").length;
  return [`keep ${kept} of ${rows.length}`];
}
