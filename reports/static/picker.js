// Search a class by name and choose it; thousands of classes, one list.

const pickerBox = byId("picker");
const pickerText = byId("picker-text");
const pickerList = byId("picker-list");
const PICKER_SHOWN = 60;
const lowNames = classes.map((name) => name.toLowerCase());
const picker = { codes: [], at: 0, take: null };

// Names that start with the text first, then those that hold it.
function matchingClasses(text) {
  const low = text.trim().toLowerCase();
  if (!low) return [...classes.keys()];
  const starts = [];
  const holds = [];
  lowNames.forEach((name, code) => {
    const place = name.indexOf(low);
    if (place === 0) starts.push(code);
    else if (place > 0) holds.push(code);
  });
  return [...starts, ...holds];
}

function drawPicker() {
  picker.codes = matchingClasses(pickerText.value);
  picker.at = Math.max(0, Math.min(picker.at, picker.codes.length - 1));
  const items = picker.codes.slice(0, PICKER_SHOWN).map((code, place) =>
    make("li", { role: "option", id: `pick-${code}`, "aria-selected": String(place === picker.at), "data-code": code, onclick: () => choosePicked(code) }, bdi(classes[code])));
  pickerList.replaceChildren(...items);
  byId("picker-more").textContent = picker.codes.length > PICKER_SHOWN ? `and ${count(picker.codes.length - PICKER_SHOWN)} more: type to find one` : picker.codes.length ? "" : "No class has this in its name.";
  const current = pickerList.children[picker.at];
  if (current) pickerText.setAttribute("aria-activedescendant", current.id);
  else pickerText.removeAttribute("aria-activedescendant");
  current?.scrollIntoView({ block: "nearest" });
}

function openPicker(take) {
  picker.take = take;
  picker.at = 0;
  pickerText.value = "";
  drawPicker();
  pickerBox.showModal();
  pickerText.focus();
}

function choosePicked(code) {
  pickerBox.close();
  if (code !== undefined) picker.take(code);
}

pickerText.addEventListener("input", () => { picker.at = 0; drawPicker(); });
pickerText.addEventListener("keydown", (event) => {
  const last = Math.min(picker.codes.length, PICKER_SHOWN) - 1;
  if (event.key === "ArrowDown") picker.at = Math.min(last, picker.at + 1);
  else if (event.key === "ArrowUp") picker.at = Math.max(0, picker.at - 1);
  else if (event.key === "Enter") {
    event.preventDefault();
    if (picker.codes.length) choosePicked(picker.codes[picker.at]);
    return;
  } else return;
  event.preventDefault();
  drawPicker();
});
