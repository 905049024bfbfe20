// The page's data and what is chosen: classes and samples that stay lit on every map while the rest is grey.

const data = await readBlock("page-data");
const { classes, samples, panels } = data;
const describeSample = (sample) => {
  const label = classes[samples.label[sample]];
  return label === undefined ? samples.id[sample] : `${samples.id[sample]}, labelled ${label}`;
};

// null, or {key, classes: Set of codes, samples: Set of the page's numbers, words: what the line under the maps says}
let choice = null;
const listeners = [];
const onChoice = (listener) => listeners.push(listener);

// Choosing the same thing again takes the choice back.
function choose(next) {
  choice = next && choice && choice.key === next.key ? null : next;
  for (const listener of listeners) listener();
}

const isLit = (sample, code) => !choice || choice.classes.has(code) || choice.samples.has(sample);

// The classes that a choice is about: those it names, else those of its samples.
function chosenClasses() {
  const codes = choice.classes.size ? [...choice.classes] : [...choice.samples].map((sample) => samples.label[sample]);
  return [...new Set(codes)].filter((code) => code < classes.length).slice(0, 8);
}

// One hue for each class, -1 = grey; chosen classes that have none get one while they are chosen.
function currentHues() {
  const hues = [...data.hues];
  if (!choice) return hues;
  const codes = chosenClasses();
  if (codes.every((code) => hues[code] >= 0)) return hues;
  hues.fill(-1);
  codes.forEach((code, place) => { hues[code] = place; });
  return hues;
}

const dot = (hue) => make("i", { class: "dot", style: hueStyle(hue) });

const numbersIn = (text) => (text ? text.split(",").map(Number) : []);
