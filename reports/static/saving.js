// The head of the page: progress, save, load, what is unsaved, and the dialogs.

const nameBox = byId("name-box");

function drawProgress() {
  const done = decidedCount();
  byId("done").textContent = count(done);
  byId("track").style.width = `${cards.length ? (100 * done) / cards.length : 0}%`;
  byId("plan-next").textContent = planSentence();
  byId("plan-line").hidden = !byId("plan-next").textContent;
  const open = review.unsaved > 0;
  byId("save").classList.toggle("waiting", open);
  byId("undo").disabled = !history.length;
}

const PLAN_STEP = 20;
const ENOUGH_DECIDED = 10; // from so many on, what was found so far stands beside what may come

// "so far 9 of 12 were": the wrong labels among the decided ones; unsure ones tell nothing.
function foundSoFar() {
  const rows = [...decided].filter(([number]) => cards[number].kind === "mislabeled").map(([, entry]) => entry.rows[0]).filter((row) => row && row[0] !== "unsure");
  if (rows.length < ENOUGH_DECIDED) return "";
  const wrong = rows.filter((row) => row[0] === "relabel").length;
  return `; so far ${count(wrong)} of ${count(rows.length)} ${wrong === 1 ? "was" : "were"}`;
}

// "The next 20 may hold up to 15 errors": the suggestions' probabilities of the wrong labels that come next.
function planSentence() {
  if (data.review.blind) return "";
  const next = orders[state.order].filter((number) => cards[number].kind === "mislabeled" && !isDecided(number)).slice(0, PLAN_STEP);
  if (!next.length) return "";
  const chance = (card) => (card.probabilities.find(([code]) => code === card.suggested) || [0, 0])[1];
  const errors = Math.round(next.reduce((sum, number) => sum + chance(cards[number]), 0));
  const words = next.length === 1 ? "The next label may be an error" : `The next ${next.length} may hold up to ${errors} ${errors === 1 ? "error" : "errors"}`;
  return `${words}${foundSoFar()}, `;
}

let tellingOff = 0;
function tell(words, ...more) {
  clearTimeout(tellingOff);
  byId("told").replaceChildren(words, ...more);
  byId("told").hidden = false;
  tellingOff = setTimeout(() => { if (!byId("told").contains(document.activeElement)) byId("told").hidden = true; }, more.length ? 20000 : 6000);
}

function sayWhetherKept() {
  byId("not-kept").hidden = review.kept;
}

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = make("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const safeName = (text) => text.replace(/[^\p{L}\p{N}-]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 40) || "annotator";
const fileName = (ending) => `decisions-${safeName(review.annotator)}.${ending}`;

// The JSON is the record. The table is a click of its own: browsers ask before they let a page save two files at once.
function save() {
  if (!review.annotator) return askName(save, "Save decisions");
  const file = fileDocument();
  download(fileName("json"), "application/json", JSON.stringify(file, null, 1));
  review.unsaved = 0;
  keepNow();
  drawProgress();
  return tell(`Saved ${several(file.decisions.length, "decision")} as ${fileName("json")}. Send this file back.`,
    make("button", { type: "button", id: "save-table", onclick: saveTable }, "Save as a table too (CSV)"));
}

function askName(then, words) {
  byId("name-text").value = review.annotator;
  byId("name-done").textContent = words;
  nameBox.then = then;
  nameBox.showModal();
}

function openHelp() {
  byId("whose").textContent = review.annotator ? `Your decisions are saved as “${review.annotator}”.` : "Your name is asked when you save.";
  byId("start-over").hidden = !decided.size;
  byId("help").showModal();
}

// Somebody else decides on the same computer: all answers go, in one step that can be undone.
function startOver() {
  byId("help").close();
  const step = { cards: [...decided.keys()].map(snapshot), elsewhere: [...elsewhere], annotator: review.annotator };
  decided.clear();
  elsewhere.clear();
  notes.clear();
  review.annotator = "";
  remember(step);
  showAndFocus(orders.alike[0]);
  tell(`${several(step.cards.length, "decision")} taken back. Z brings them back.`);
}

function saveTable() {
  download(fileName("csv"), "text/csv", toCsv(fileDocument()));
  tell(`Saved the table as ${fileName("csv")}.`);
}

// "1 decision", "12 decisions"
const several = (n, noun) => `${count(n)} ${noun}${n === 1 ? "" : "s"}`;

async function loadFile(chosen) {
  let file;
  try {
    file = readFile(chosen.name, await chosen.text());
  } catch (error) {
    return tell(`${chosen.name} cannot be loaded: ${error.message}. Nothing was changed.`);
  }
  const by = String(file.annotator ?? "");
  const foreign = Boolean(review.annotator && by !== review.annotator);
  const { taken, older, other, step } = takeDocument(file, foreign);
  if (!review.annotator) review.annotator = by;
  if (taken || (other && !foreign)) remember(step);
  goOn(false);
  const parts = [`Loaded ${several(taken, "decision")} from ${chosen.name}.`];
  if (older) parts.push(`${several(older, "answer")} in it ${older === 1 ? "is" : "are"} older than what stands here.`);
  if (foreign) parts.push(`They are ${by || "somebody"}’s and not in the file that you save.`);
  else if (other) parts.push(`${several(other, "answer")} to questions of another page ${other === 1 ? "stays" : "stay"} in the file that you save.`);
  return tell(parts.join(" "));
}

byId("save").addEventListener("click", save);
byId("undo").addEventListener("click", undo);
byId("load").addEventListener("click", () => byId("load-file").click());
byId("load-file").addEventListener("change", async (event) => {
  const [chosen] = event.target.files;
  event.target.value = "";
  if (chosen) await loadFile(chosen);
});
byId("name-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = byId("name-text").value.trim();
  if (!name) return;
  review.annotator = name;
  keepLater();
  nameBox.close();
  nameBox.then();
});
byId("help-open").addEventListener("click", openHelp);
byId("start-over").addEventListener("click", startOver);
byId("change-name").addEventListener("click", () => { byId("help").close(); askName(() => tell(`Your decisions are saved as “${review.annotator}”.`), "Take this name"); });
for (const button of document.querySelectorAll("dialog [data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
// A click beside a dialog closes it.
for (const box of document.querySelectorAll("dialog")) box.addEventListener("click", (event) => { if (event.target === box) box.close(); });

addEventListener("beforeunload", (event) => {
  if (!review.unsaved || review.asked) return;
  review.asked = true; // once; asked again only after further decisions
  event.preventDefault();
});

onDecision(drawProgress);
onChange((before) => { if (before.order !== state.order) drawProgress(); });
