// Put the parts together and listen to keys.

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || enlargeBox.open) return;
  if (document.activeElement?.classList.contains("term")) document.activeElement.blur();
  else if (choice) choose(null);
});
addEventListener("beforeprint", () => document.querySelectorAll("img[data-sample]:not([src])").forEach(load));

startFinder();
drawLegend();
startTables();
startGroups();
startMaps();
