// One picture large in a dialog; arrows go on to the next of its group.

const ENLARGED = 520; // px of the longer side at most
const enlargeBox = byId("enlarge");
const large = { numbers: [], words: [], place: 0 };

function enlarge(numbers, words, place) {
  const shown = numbers.map((_, i) => i).filter((i) => hasPicture(numbers[i]));
  Object.assign(large, { numbers: shown.map((i) => numbers[i]), words: shown.map((i) => words[i]), place: shown.indexOf(place) });
  showLarge();
  enlargeBox.showModal();
}

function showLarge() {
  const sample = large.numbers[large.place];
  const [, , width, height] = samples.picture[sample];
  const times = Math.min(ENLARGED / Math.max(width, height), Math.max(ENLARGE, LEAST_PX / Math.max(width, height)));
  const image = make("img", { src: pictureUrl(sample), alt: describeSample(sample), class: times > 1.5 ? "pixels" : null });
  image.style.width = `${Math.round(width * times)}px`;
  byId("enlarge-picture").replaceChildren(image);
  byId("enlarge-title").replaceChildren(make("bdi", { class: "name" }, classes[samples.label[sample]] ?? "No label"));
  byId("enlarge-words").replaceChildren(...large.words[large.place].filter(Boolean).map((line) => make("bdi", { class: "large-line" }, line)), make("bdi", { class: "id small" }, samples.id[sample]));
  byId("enlarge-place").textContent = large.numbers.length > 1 ? `${count(large.place + 1)} of ${count(large.numbers.length)}` : "";
  byId("enlarge-back").disabled = large.place === 0;
  byId("enlarge-on").disabled = large.place === large.numbers.length - 1;
}

function stepLarge(by) {
  const place = large.place + by;
  if (place < 0 || place >= large.numbers.length) return;
  large.place = place;
  showLarge();
}

byId("enlarge-back").addEventListener("click", () => stepLarge(-1));
byId("enlarge-on").addEventListener("click", () => stepLarge(1));
enlargeBox.querySelector("[data-close]").addEventListener("click", () => enlargeBox.close());
enlargeBox.addEventListener("click", (event) => { if (event.target === enlargeBox) enlargeBox.close(); });
enlargeBox.addEventListener("keydown", (event) => {
  if (event.key === "ArrowRight") stepLarge(1);
  else if (event.key === "ArrowLeft") stepLarge(-1);
  else return;
  event.preventDefault();
});
