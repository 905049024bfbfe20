// Legend, class finder, tables and galleries: what chooses on the maps, and the pictures of what is chosen.

const STRIP = 60; // pictures of a choice that are shown
const SHOT_ROOM = 150; // px of a picture's frame
const finder = byId("find-class");

const classChoice = (code) => ({ key: `class ${code}`, classes: new Set([code]), samples: new Set(), words: make("bdi", { class: "name" }, classes[code]) });

function drawLegend() {
  const legend = byId("legend");
  if (!legend) return;
  const hues = currentHues();
  const codes = hues.map((hue, code) => [hue, code]).filter(([hue]) => hue >= 0).sort((a, b) => a[0] - b[0]).map(([, code]) => code);
  const items = codes.map((code) => make("li", {}, dot(hues[code]), make("button", {
    type: "button", title: classes[code], "aria-pressed": String(choice?.key === `class ${code}`), onclick: () => choose(classChoice(code)),
  }, make("bdi", {}, classes[code]))));
  if (codes.length < classes.length) items.push(make("li", {}, dot(-1), "other classes"));
  const focused = legend.contains(document.activeElement) ? document.activeElement.title : null;
  legend.replaceChildren(...items, ...legend.querySelectorAll(".mark"));
  if (focused !== null) [...legend.querySelectorAll("button")].find((button) => button.title === focused)?.focus();
}

function findClass() {
  const code = classNamed(finder.value);
  finder.setAttribute("aria-invalid", String(Boolean(finder.value.trim()) && code < 0));
  const key = code < 0 ? null : `class ${code}`;
  if (key !== (choice?.key ?? null)) choose(code < 0 ? null : classChoice(code));
}

function startFinder() {
  if (!finder) return;
  byId("class-list").append(...classes.map((name) => make("option", { value: name })));
  finder.addEventListener("input", findClass);
  onChoice(() => { if (document.activeElement !== finder) finder.value = ""; });
}

// A picture as a button that enlarges it, or a plain frame that says there is none.
function shot(sample, open) {
  const box = frame(sample, SHOT_ROOM, { alt: "" });
  if (!hasPicture(sample)) return withPictures ? box : "";
  const button = make("button", { type: "button", class: "shot", "aria-label": describeSample(sample), onclick: open }, box);
  const here = () => ringSamples([sample]);
  for (const [event, act] of [["pointerenter", here], ["focus", here], ["pointerleave", ringChosen], ["blur", ringChosen]]) button.addEventListener(event, act);
  return button;
}

function startGroups() {
  for (const groups of document.querySelectorAll(".groups")) {
    const later = [...groups.children].filter((group) => group.hidden);
    if (later.length) groups.after(moreButton(later, later.length === 1 ? "more group" : "more groups"));
  }
  for (const group of document.querySelectorAll(".group")) {
    const items = [...group.querySelectorAll("[data-shot]")];
    const numbers = items.map((item) => Number(item.dataset.shot));
    const words = items.map((item) => [...item.querySelectorAll(".shot-words > bdi:not(.id)")].map((part) => part.textContent));
    items.forEach((item, place) => item.prepend(shot(numbers[place], () => enlarge(numbers, words, place))));
    const later = items.filter((item) => item.hidden);
    if (later.length) group.append(moreButton(later, "more"));
    const codes = numbersIn(group.dataset.classes);
    if (maps.length || panels.length) lightable(group.querySelector("h3"), { classes: codes, samples: numbers, strip: false });
  }
}

function moreButton(later, noun) {
  const button = make("button", { type: "button", class: "more" }, `Show ${count(later.length)} ${noun}`);
  button.addEventListener("click", () => {
    for (const item of later) item.hidden = false;
    button.remove();
    later[0].querySelector("button")?.focus();
  });
  return button;
}

let lightables = 0;
// Make a heading a button that lights its classes and samples on the maps.
function lightable(element, { classes: codes, samples: list, strip }) {
  if (!codes.length && !list.length) return;
  const key = `part ${++lightables}`;
  const words = element.textContent.trim();
  const button = make("button", { type: "button", class: "lights", "aria-pressed": "false", title: "Show on the maps" }, ...element.childNodes);
  button.addEventListener("click", () => {
    choose({ key, classes: new Set(codes), samples: new Set(list), strip, words: make("bdi", { class: "name" }, words) });
    if (choice) byId("maps").scrollIntoView({ block: "nearest" });
  });
  onChoice(() => button.setAttribute("aria-pressed", String(choice?.key === key)));
  element.replaceChildren(button);
}

function startTables() {
  for (const table of document.querySelectorAll("table.data")) {
    for (const row of table.tBodies[0].rows) {
      if (!panels.length) break;
      lightable(row.cells[0], { classes: numbersIn(row.dataset.classes), samples: numbersIn(row.dataset.samples), strip: true });
    }
    sortable(table);
  }
}

function drawChosen() {
  const line = byId("chosen");
  if (!line) return;
  line.replaceChildren(...(choice ? [make("span", {}, choice.words), make("button", { type: "button", class: "quiet", onclick: () => choose(null) }, "Show all")] : []));
  drawStrip();
}

function drawStrip() {
  const strip = byId("strip");
  const list = choice && choice.strip !== false ? [...choice.samples] : [];
  // Those with a picture first: a strip of names would say little.
  const shown = [...list.filter(hasPicture), ...list.filter((sample) => !hasPicture(sample))].slice(0, STRIP);
  const none = shown.map(() => []);
  const items = shown.map((sample, place) => make("li", {}, shot(sample, () => enlarge(shown, none, place)),
    make("span", { class: "shot-words" }, make("bdi", {}, classes[samples.label[sample]] ?? ""), !hasPicture(sample) && make("bdi", { class: "id" }, samples.id[sample]))));
  if (list.length > shown.length) items.push(make("li", { class: "soft" }, `and ${count(list.length - shown.length)} more`));
  strip.replaceChildren(...items);
  strip.hidden = !items.length;
}

onChoice(drawLegend);
onChoice(drawChosen);
