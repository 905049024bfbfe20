// Decisions as a file and back: JSON is the record, CSV its twin for spreadsheets.

const DECISIONS = ["keep", "relabel", "drop", "unsure"];
const FILE_FIELDS = ["report_id", "dataset_fingerprint", "annotator", "exported_at"];
const ROW_FIELDS = ["id", "digest", "kind", "decision", "from", "to", "note", "t", "rank", "first_decision", "first_to"];
const FORMULA = /^'*[=+\-@\t\r]/; // a spreadsheet would run a cell that starts so

const nameOf = (code) => (code >= 0 ? classes[code] : "");

function rowsOfCard(number) {
  const card = cards[number];
  const { rows, note, time, first } = decided.get(number);
  return card.members.flatMap(([sample], place) => {
    if (!rows[place]) return [];
    const [decision, to] = rows[place];
    const row = { id: samples.id[sample], digest: samples.digest[sample] || "", kind: card.kind, decision, from: classes[labelOf(sample)], to: nameOf(to), note, t: time, rank: card.rank };
    return [{ ...row, first_decision: first ? first[0] : "", first_to: first ? nameOf(first[1]) : "" }];
  });
}

function fileDocument() {
  const own = [...decided.keys()].filter((number) => !decided.get(number).inherited);
  const rows = own.sort((a, b) => a - b).flatMap(rowsOfCard);
  const decisions = [...rows, ...elsewhere.values()];
  const counts = Object.fromEntries(DECISIONS.map((name) => [name, decisions.filter((row) => row.decision === name).length]));
  return { schema: data.review.schema, report_id: data.review.report, dataset_fingerprint: data.review.fingerprint, annotator: review.annotator, exported_at: now(), counts, decisions };
}

function toCsv(file) {
  const cell = (value) => {
    const text = FORMULA.test(String(value)) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const about = FILE_FIELDS.map((name) => file[name]);
  const lines = file.decisions.map((row) => [...about, ...ROW_FIELDS.map((name) => row[name])].map(cell).join(","));
  return `${[[...FILE_FIELDS, ...ROW_FIELDS].join(","), ...lines].join("\n")}\n`;
}

// What divides the cells: spreadsheets save with semicolons or tabs too.
function delimiterOf(text) {
  const head = text.slice(0, text.search(/\r|\n|$/));
  const pieces = (mark) => head.split(mark).length;
  return [",", ";", "\t"].reduce((best, mark) => (pieces(mark) > pieces(best) ? mark : best));
}

// Rows of cells; quotes double inside quotes, line breaks may stand inside them. Empty rows are left out.
function parseCsv(text) {
  const delimiter = delimiterOf(text);
  const rows = [[]];
  let cell = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') { cell += c; i++; } else quoted = false;
    } else if (c === '"' && cell === "") quoted = true;
    else if (c === delimiter) { rows.at(-1).push(cell); cell = ""; }
    else if (c === "\n") { rows.at(-1).push(cell.replace(/\r$/, "")); rows.push([]); cell = ""; }
    else cell += c;
  }
  if (quoted) throw new Error("it is cut off");
  if (cell || rows.at(-1).length) rows.at(-1).push(cell);
  return rows.filter((row) => row.some(Boolean));
}

function fromCsv(text) {
  const [head, ...lines] = parseCsv(text);
  if (!head || !ROW_FIELDS.slice(0, 6).every((name) => head.includes(name))) throw new Error("its columns are not those of a decisions file");
  const column = new Map(head.map((name, place) => [name, place]));
  const value = (line, name) => (line[column.get(name)] ?? "").replace(/^'('*[=+\-@\t\r])/, "$1");
  if (lines.some((line) => line.length !== head.length)) throw new Error("it is cut off");
  const decisions = lines.map((line) => ({ ...Object.fromEntries(ROW_FIELDS.map((name) => [name, value(line, name)])), rank: Number(value(line, "rank")) || 0 }));
  const first = lines[0] || [];
  const about = Object.fromEntries(FILE_FIELDS.map((name) => [name, value(first, name)]));
  return { schema: data.review.schema, ...about, dataset_fingerprint: lines.length ? about.dataset_fingerprint : data.review.fingerprint, decisions };
}

// Read a file's text; throws an Error whose message ends the sentence "NAME cannot be loaded: ..".
function readFile(name, text) {
  const clean = text.replace(/^\uFEFF/, "");
  let file;
  if (/^\s*[{[]/.test(clean)) {
    try {
      file = JSON.parse(clean);
    } catch {
      throw new Error("it is cut off or no decisions file");
    }
  } else file = fromCsv(clean);
  checkFile(file);
  return file;
}

function checkFile(file) {
  if (Array.isArray(file) && file[0]?.data) throw new Error("it looks like an export of Label Studio, which auditor clean reads, not this page");
  if (!file || file.schema !== data.review.schema || !Array.isArray(file.decisions)) throw new Error("it is no decisions file");
  if (file.dataset_fingerprint !== data.review.fingerprint) throw new Error("it was made for another dataset, or for an earlier version of this one");
  file.decisions.forEach((row, place) => {
    const fault = faultOf(row);
    if (fault) throw new Error(`decision ${place + 1} ${fault}`);
  });
}

const classCode = new Map(classes.map((name, code) => [name, code]));

function faultOf(row) {
  if (!row || typeof row !== "object" || typeof row.id !== "string" || !row.id) return "names no picture";
  if (!DECISIONS.includes(row.decision)) return `says “${row.decision}”`;
  if (!classCode.has(row.from)) return `speaks of the class “${row.from}”, which is not in this dataset`;
  if (row.decision === "relabel" && !classCode.has(row.to)) return `relabels to “${row.to}”, which is no class of this dataset`;
  const sample = sampleNumber.get(row.id);
  if (sample !== undefined && samples.digest[sample] && (samples.digest[sample] !== row.digest || classes[labelOf(sample)] !== row.from)) return `does not fit the picture ${row.id}`;
  return "";
}

// The three questions about a label are one: a blind page asks them under a name of its own.
const questionKey = (kind, id) => JSON.stringify([LABEL_KINDS.has(kind) ? "label" : kind, id]);
const cardOfQuestion = new Map();
cards.forEach((card, number) => card.members.forEach(([sample], place) => cardOfQuestion.set(questionKey(card.kind, samples.id[sample]), [number, place])));

// The entries of a file by card number, and its rows about questions of other pages.
function entriesOf(file, inherited) {
  const found = new Map();
  const other = [];
  for (const row of file.decisions) {
    const key = questionKey(row.kind, row.id);
    const spot = cardOfQuestion.get(key);
    if (!spot) {
      other.push([key, row]);
      continue;
    }
    const [number, place] = spot;
    if (!found.has(number)) found.set(number, { rows: cards[number].members.map(() => null), note: "", time: "", first: null, inherited });
    const entry = found.get(number);
    entry.rows[place] = [row.decision, row.decision === "relabel" ? classCode.get(row.to) : -1];
    entry.note = String(row.note ?? "");
    if (String(row.t ?? "") > entry.time) entry.time = String(row.t);
    if (row.first_decision) entry.first = [row.first_decision, row.first_decision === "relabel" ? classCode.get(row.first_to) ?? -1 : -1];
  }
  return { found, other };
}

// Take over the decisions of a checked file; of two about one card the later one stays. Somebody else's are shown, but
// stay theirs. Returns what happened, and what was there before.
function takeDocument(file, inherited = false) {
  const { found, other } = entriesOf(file, inherited);
  const newer = [...found].filter(([number, entry]) => !decided.has(number) || decided.get(number).time <= entry.time);
  const step = { cards: newer.map(([number]) => snapshot(number)), elsewhere: [...elsewhere], annotator: review.annotator };
  for (const [number, entry] of newer) {
    enter(number, entry);
    notes.set(number, entry.note);
  }
  if (!inherited) for (const [key, row] of other) elsewhere.set(key, row);
  return { taken: newer.length, older: found.size - newer.length, other: other.length, step };
}
