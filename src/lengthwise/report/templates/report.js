"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, i) => {
    const cell = row.cells[i];
    return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent;
  };
  heads.forEach((head, i) => head.firstElementChild.addEventListener("click", () => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    const rows = [...body.rows].sort((x, y) => {
      const a = value(x, i), b = value(y, i);
      if (typeof a === "string") return sign * a.localeCompare(b);
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return sign * (a < b ? -1 : a > b ? 1 : 0);
    });
    body.append(...rows);
  }));
  const section = table.closest("section");
  const filters = [...section.querySelectorAll("select[data-filter]")];
  const search = section.querySelector("input[data-search]");
  const filter = () => {
    const text = search ? search.value.trim().toLowerCase() : "";
    for (const row of body.rows)
      row.hidden = filters.some((f) => f.value && row.dataset[f.dataset.filter] !== f.value)
        || !row.textContent.toLowerCase().includes(text);
  };
  filters.forEach((f) => f.addEventListener("change", filter));
  if (search) search.addEventListener("input", filter);
  filter();
}
