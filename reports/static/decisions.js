// What was decided: one entry for each card, what stands in the file, undo, and the copy that the browser keeps.
//
// entry   { rows: [[decision, code] or null, ..], note, time, first: [decision, code] or null, inherited }
// A row is null while a sample is not decided. An inherited entry is somebody else's: shown, never saved as one's own.
// `elsewhere` holds rows of loaded files about other pages' questions; they are saved again with this page's.

const decided = new Map();
const elsewhere = new Map();
const history = []; // each step: { cards: [[number, entry before, note before], ..], and what else it changed }
const MOST_STEPS = 1000;
const KEEP_AFTER_MS = 300;
const review = { annotator: data.review.annotator, unsaved: 0, asked: false, kept: true };
const notes = new Map(); // as they stand in the field, also before the card is decided
const firstAnswers = new Map(); // of blind cards whose suggestion was shown: they stay, whatever is taken back

const isDecided = (number) => decided.has(number) && decided.get(number).rows.every(Boolean);
const decidedCount = () => [...decided.keys()].filter(isDecided).length;
const snapshot = (number) => [number, decided.get(number), notes.get(number)];
const now = () => new Date().toISOString();

function enter(number, entry) {
  if (entry) decided.set(number, entry);
  else decided.delete(number);
}

// Decide cards in one step that can be undone; rowsOf(card) gives the rows.
function decide(numbers, rowsOf) {
  const step = { cards: numbers.map(snapshot) };
  const time = now();
  for (const [number, before] of step.cards) {
    const rows = rowsOf(cards[number]);
    const first = data.review.blind && cards[number].kind === "label_check" ? before?.first || firstAnswers.get(number) || rows[0] : null;
    enter(number, { rows, note: notes.get(number) ?? before?.note ?? "", time, first });
  }
  remember(step);
}

function remember(step) {
  history.push(step);
  if (history.length > MOST_STEPS) history.shift();
  unsavedAgain();
  changed(step.cards.map(([number]) => number));
}

function unsavedAgain() {
  review.unsaved += 1;
  review.asked = false;
  keepLater();
}

function undo() {
  const step = history.pop();
  if (!step) return tell("Nothing to undo.");
  for (const [number, before, note] of step.cards) {
    enter(number, before);
    if (note === undefined) notes.delete(number);
    else notes.set(number, note);
  }
  if (step.elsewhere) {
    elsewhere.clear();
    step.elsewhere.forEach(([key, row]) => elsewhere.set(key, row));
    review.annotator = step.annotator;
  }
  unsavedAgain();
  changed(step.cards.map(([number]) => number));
  if (step.cards.length !== 1) tell(`${count(step.cards.length)} decisions taken back.`);
  return showAndFocus(step.cards.length ? step.cards[0][0] : state.card);
}

function setNote(number, text) {
  notes.set(number, text);
  const entry = decided.get(number);
  if (entry) decided.set(number, { ...entry, note: text, inherited: false });
  unsavedAgain();
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
    localStorage.setItem(STORE, JSON.stringify({ unsaved: review.unsaved, notes: [...notes], first: [...firstAnswers], document: fileDocument() }));
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
    takeKept(JSON.parse(text));
  } catch {
    review.kept = false;
  }
  sayWhetherKept();
}

function takeKept({ unsaved, notes: kept, first, document: file }) {
  takeDocument(file);
  for (const [number, note] of kept) notes.set(number, note);
  for (const [number, answered] of first) firstAnswers.set(number, answered);
  review.annotator = file.annotator || review.annotator;
  review.unsaved = unsaved;
}

// The same page in another window: what is decided there counts here too.
addEventListener("storage", (event) => {
  if (event.key !== STORE || !event.newValue) return;
  takeKept(JSON.parse(event.newValue));
  changed([...decided.keys()]);
  showCard();
});

addEventListener("pagehide", () => keeping && keepNow());
