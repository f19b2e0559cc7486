"use strict";
// Sorting: a header's button orders its table's rows by value, the larger first where they are numbers.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const header = button.parentElement, table = header.closest("table"), column = header.cellIndex;
    const body = table.tBodies[0], rows = [...body.rows];
    const numeric = rows.some(row => row.cells[column].dataset.value !== undefined);
    const before = header.getAttribute("aria-sort");
    const down = before === null ? numeric : before === "ascending";
    const key = row => {
      const cell = row.cells[column];
      return numeric ? (cell.dataset.value === undefined ? NaN : Number(cell.dataset.value)) : cell.textContent;
    };
    rows.sort((a, b) => {
      const x = key(a), y = key(b);
      if (numeric && (isNaN(x) || isNaN(y))) return isNaN(x) - isNaN(y);  // what has no value stays last
      const order = numeric ? x - y : x.localeCompare(y, "en", { numeric: true });
      return down ? -order : order;
    });
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  });
}

// A click on a picture enlarges it; arrow keys and buttons go to its neighbours.
const dialog = document.querySelector("dialog"), view = dialog.querySelector(".view");
const panels = [...document.querySelectorAll(".panel")];
let current = 0;
function show(index) {
  current = (index + panels.length) % panels.length;
  view.replaceChildren(panels[current].querySelector("svg").cloneNode(true));
  dialog.querySelector(".words").textContent = panels[current].getAttribute("aria-label");
  if (!dialog.open) dialog.showModal();
}
panels.forEach((panel, index) => panel.addEventListener("click", () => show(index)));
dialog.querySelector(".previous").addEventListener("click", () => show(current - 1));
dialog.querySelector(".next").addEventListener("click", () => show(current + 1));
dialog.querySelector(".outlines").addEventListener("click", event => {
  const bare = dialog.classList.toggle("bare");
  event.target.setAttribute("aria-pressed", String(!bare));
});
dialog.addEventListener("keydown", event => {
  if (event.key === "ArrowLeft") show(current - 1);
  if (event.key === "ArrowRight") show(current + 1);
});
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => panels[current].focus());

// Paper shows what is folded away.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(each => { each.open = true; }));
