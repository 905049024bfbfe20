// Explanations stand by their word, inside the window.
function placeTip(event) {
  const word = event.target.closest?.(".term");
  if (!word || innerWidth < 700) return;
  const tip = word.querySelector(".tip");
  const box = word.getBoundingClientRect();
  tip.classList.add("placed");
  tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - tip.offsetWidth - 8))}px`;
  const below = box.bottom + 6;
  tip.style.top = `${below + tip.offsetHeight > innerHeight ? box.top - tip.offsetHeight - 6 : below}px`;
}
document.addEventListener("focusin", placeTip);
document.addEventListener("pointerover", placeTip);
