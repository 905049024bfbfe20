// Put the parts together and listen to keys.

const finder = byId("find-class");
byId("class-list").append(...classes.map((name) => make("option", { value: name })));

function findClass() {
  const text = finder.value;
  const code = classNamed(text);
  finder.setAttribute("aria-invalid", String(Boolean(text.trim()) && code < 0));
  if (code !== state.code) change({ code, pair: -1 });
}
finder.addEventListener("input", findClass);
onChange(() => { if (state.code < 0 && document.activeElement !== finder) finder.value = ""; });

const inTextField = (element) => element.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;

function moveInChips(by) {
  const chips = [...byId("chips").children];
  const place = chips.indexOf(document.activeElement) + by;
  chips[(place + chips.length) % chips.length].focus();
}

// Letters and digits answer the card in sight; returns whether the key meant something.
function answerKey(key) {
  if (state.card < 0 || !visibleCards().length) return false;
  const one = answersOf(state.card).find((candidate) => candidate.key === key.toUpperCase());
  if (one) give(one);
  return Boolean(one);
}

function commandKey(key) {
  if (key === "?") openHelp();
  else if (key.toUpperCase() === "Z") undo();
  else if (key === "Enter" && state.revealed === state.card && document.activeElement === cardElement) goOn();
  else return false;
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || inTextField(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key.length === 1 || event.key === "Enter") {
    if (commandKey(event.key) || (event.key.length === 1 && answerKey(event.key))) event.preventDefault();
    return;
  }
  // After a click with the mouse the arrows still move through the cards.
  const inChips = byId("chips").contains(event.target) && event.target.matches(":focus-visible");
  const inGallery = gallery.contains(event.target);
  const inTable = event.target.closest(".scroll, footer") !== null;
  if (event.key === "Escape") {
    if (document.activeElement?.classList.contains("term")) document.activeElement.blur();
    else if (filtered()) clearAll();
  } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    if (inTable) return;
    const by = event.key === "ArrowRight" ? 1 : -1;
    if (inChips) moveInChips(by);
    else step(by);
  } else if (inGallery && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    step(event.key === "ArrowDown" ? columns() : -columns());
  } else return;
  event.preventDefault();
});

addEventListener("beforeprint", () => document.querySelectorAll("img[data-sample]:not([src])").forEach(load));

takeDocument({ decisions: data.review.decisions }, !data.review.annotator);
restore();
if (state.card >= 0) state.card = orders.alike.find((number) => !isDecided(number)) ?? 0;
drawProgress();
showCard();
drawChips();
statusLine();
drawGallery();
drawPairs();
change({});
startMap();
