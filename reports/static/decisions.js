// What was decided: one entry for each card, what stands in the file, undo, and the copy that the browser keeps.
//
// entry   { rows: [[decision, code] or null, ..], note, time, first: [decision, code] or null }
// A row is null while a sample is not decided. `elsewhere` holds rows of loaded files about other pages' questions;
// they are saved again with this page's.

const decided = new Map();
const elsewhere = new Map();
const history = []; // each step: [[card number, entry before], ..]
const MOST_STEPS = 1000;
const KEEP_AFTER_MS = 300;
const review = { annotator: data.review.annotator, unsaved: 0, asked: false, kept: true };
const notes = new Map(); // written before the card was decided

const isDecided = (number) => decided.has(number);
const now = () => new Date().toISOString();

function enter(number, entry) {
  if (entry) decided.set(number, entry);
  else decided.delete(number);
}

// Decide cards in one step that can be undone; rowsOf(card) gives the rows.
function decide(numbers, rowsOf) {
  const step = numbers.map((number) => [number, decided.get(number)]);
  const time = now();
  for (const [number, before] of step) {
    const rows = rowsOf(cards[number]);
    const first = data.review.blind && cards[number].kind === "label_check" ? before?.first || rows[0] : null;
    enter(number, { rows, note: notes.get(number) ?? before?.note ?? "", time, first });
  }
  remember(step);
  return step.length;
}

function remember(step) {
  history.push(step);
  if (history.length > MOST_STEPS) history.shift();
  review.unsaved += 1;
  review.asked = false;
  keepLater();
  changed(step.map(([number]) => number));
}

function undo() {
  const step = history.pop();
  if (!step) return tell("Nothing to undo.");
  for (const [number, before] of step) enter(number, before);
  review.unsaved += 1;
  keepLater();
  changed(step.map(([number]) => number));
  if (step.length > 1) tell(`${count(step.length)} decisions taken back.`);
  return showAndFocus(step[0][0]);
}

function setNote(number, text) {
  notes.set(number, text);
  const entry = decided.get(number);
  if (!entry) return;
  entry.note = text;
  review.unsaved += 1;
  review.asked = false;
  keepLater();
}

// Parts that show decisions register here; they get the numbers of the cards that changed.
const decisionListeners = [];
const onDecision = (listener) => decisionListeners.push(listener);
function changed(numbers) {
  for (const listener of decisionListeners) listener(numbers);
}

// The browser keeps a copy so that a reload loses nothing. The saved file is the record: storage may be missing or full.
const STORE = `auditor.decisions/${data.review.fingerprint}/${data.review.page}`;
let keeping = 0;

function keepLater() {
  clearTimeout(keeping);
  keeping = setTimeout(keepNow, KEEP_AFTER_MS);
}

function keepNow() {
  clearTimeout(keeping);
  keeping = 0;
  try {
    localStorage.setItem(STORE, JSON.stringify({ unsaved: review.unsaved, document: fileDocument() }));
    review.kept = true;
  } catch {
    review.kept = false;
  }
  sayWhetherKept();
}

function restore() {
  try {
    const text = localStorage.getItem(STORE);
    if (!text) return;
    const { unsaved, document: kept } = JSON.parse(text);
    takeDocument(kept, true);
    review.annotator = kept.annotator || review.annotator;
    review.unsaved = unsaved;
  } catch {
    review.kept = false;
  }
  sayWhetherKept();
}

addEventListener("pagehide", () => keeping && keepNow());
