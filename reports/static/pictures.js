// Pictures lie in one long text and are cut out of it when they come near the screen.

const pictureText = byId("pictures").textContent;
const ENLARGE = 2; // how often a small picture may be enlarged
const LEAST_PX = 112; // except that tiny ones may always reach this
const ROOM = { big: 224, member: 140, tile: 90, near: 52, side: 58, typical: 96 }; // px of each kind of frame

// A data URL: the browser's other processes need not hear of it, as of a Blob's, which takes 5 ms for the pictures of a card.
function pictureUrl(sample) {
  const [start, length] = samples.picture[sample];
  return `data:image/webp;base64,${pictureText.slice(start, start + length)}`;
}

function load(image) {
  image.src = pictureUrl(Number(image.dataset.sample));
  nearScreen.unobserve(image);
}

const nearScreen = new IntersectionObserver(
  (entries) => entries.forEach((entry) => entry.isIntersecting && load(entry.target)),
  { rootMargin: "300px" },
);

const describe = (sample) => `${samples.id[sample]}, labelled ${classes[samples.label[sample]]}`;

// A frame around the whole picture, or a plain word where there is none.
function frame(sample, room, { now = false, alt = describe(sample) } = {}) {
  const spot = samples.picture[sample];
  if (!spot) return make("span", { class: "frame" }, make("span", { class: "absent" }, data.hasImages ? "no picture" : ""));
  const [, , width, height] = spot;
  const image = make("img", { alt, "data-sample": sample, width, height, draggable: "false" });
  const longer = Math.max(width, height);
  const times = Math.max(ENLARGE, LEAST_PX / longer);
  image.style.width = `${Math.round(width * times)}px`;
  image.style.height = `${Math.round(height * times)}px`;
  if (longer < room) image.classList.add("pixels");
  if (now) load(image);
  else nearScreen.observe(image);
  return make("span", { class: "frame" }, image);
}

const hasPicture = (sample) => Boolean(samples.picture[sample]);
const withPictures = document.body.classList.contains("with-pictures");
