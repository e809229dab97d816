// The lab's page: choosing a row shows its first seed over time.
import { draw } from "./draw";
import type { Plot } from "./series";

declare const plots: Plot[];

function toggle(row: HTMLTableRowElement) {
  const next = row.nextElementSibling;
  if (next?.className === "plot") {
    next.remove();
    return;
  }
  const line = document.createElement("tr"), cell = document.createElement("td");
  line.className = "plot";
  cell.colSpan = row.cells.length;
  line.append(cell);
  row.after(line);
  draw(cell, plots[+row.dataset.plot!]);
}

const first = document.querySelector<HTMLTableRowElement>("tr.missed[data-plot]");
const wanted = decodeURIComponent(location.hash.slice(1));
for (const row of document.querySelectorAll<HTMLTableRowElement>("tr[data-plot]")) {
  row.addEventListener("click", () => toggle(row));
  row.addEventListener("keydown", (e) => {
    if (e.key === "Enter" || e.key === " ") {
      e.preventDefault();
      toggle(row);
    }
  });
  if (row.cells[1].textContent === wanted) { // a link such as page.html#gprs
    toggle(row);
    row.scrollIntoView();
  }
}
if (!wanted && first) toggle(first); // why it was missed is what one wants to know
