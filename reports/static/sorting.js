// A table whose heads sort it, by mouse or keyboard.

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  heads.forEach((head, column) => {
    const words = head.textContent;
    const numeric = head.classList.contains("num");
    head.replaceChildren(make("button", { type: "button", onclick: () => {
      const down = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : numeric;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (a, b) => (numeric ? Number(value(a, column)) - Number(value(b, column)) : value(a, column).localeCompare(value(b, column)));
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort((a, b) => (down ? order(b, a) : order(a, b))));
    } }, words));
  });
}
