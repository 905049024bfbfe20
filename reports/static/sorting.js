// A table whose heads sort it, by mouse or keyboard.

// Rows as numbers where the column holds numbers or says what sorts it, else as text; what has no number comes last.
function sortedRows(rows, column, down, numeric) {
  const cells = new Map(rows.map((row) => [row, row.cells[column]]));
  const asNumbers = numeric || rows.every((row) => cells.get(row).dataset.value !== undefined);
  if (!asNumbers) {
    const text = (row) => cells.get(row).textContent.trim();
    return rows.sort((a, b) => (down ? text(b).localeCompare(text(a)) : text(a).localeCompare(text(b))));
  }
  const value = (row) => Number(cells.get(row).dataset.value ?? cells.get(row).textContent.trim());
  const known = rows.filter((row) => !Number.isNaN(value(row)));
  const unknown = rows.filter((row) => Number.isNaN(value(row)));
  return [...known.sort((a, b) => (down ? value(b) - value(a) : value(a) - value(b))), ...unknown];
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const words = head.textContent;
    const numeric = head.classList.contains("num");
    head.replaceChildren(make("button", { type: "button", onclick: () => {
      const down = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : numeric;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      table.tBodies[0].append(...sortedRows([...table.tBodies[0].rows], column, down, numeric));
    } }, words || "Name"));
  });
}
