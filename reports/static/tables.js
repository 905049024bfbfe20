// The tables below: pairs sorted by any column, classes that open to typical pictures.

const typicalOf = new Map(data.typical);

function pairRows(table) {
  for (const row of table.tBodies[0].rows) {
    const number = Number(row.dataset.pair);
    const first = row.cells[0];
    first.replaceChildren(make("button", { type: "button", title: "Show this pair above", onclick: () => {
      choosePair(number);
      byId("look").scrollIntoView({ block: "nearest" });
    } }, ...first.childNodes));
  }
}

function typicalRow(row) {
  const code = Number(row.dataset.code);
  const list = (typicalOf.get(code) || []).map((sample) =>
    withPictures ? make("li", {}, frame(sample, ROOM.typical)) : make("li", { class: "text" }, make("bdi", {}, samples.id[sample])));
  const inside = list.length ? make("ul", {}, ...list) : make("p", { class: "soft" }, "No typical sample: all are flagged.");
  return make("tr", { class: "typical", "data-test": "typical" }, make("td", { colspan: row.cells.length },
    make("span", { class: "small soft" }, "Typical"), inside));
}

function openers(table) {
  for (const row of [...table.tBodies[0].rows]) {
    const head = row.cells[0];
    const button = make("button", { type: "button", class: "opener", "aria-expanded": "false", onclick: () => {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      if (open) row.nextElementSibling.remove();
      else row.after(typicalRow(row));
    } }, head.firstElementChild);
    head.prepend(button);
  }
}

const pairTable = byId("pair-table");
if (pairTable) {
  pairRows(pairTable);
  sortable(pairTable);
}
openers(byId("class-table"));
