// Sorts a table by the column whose title is clicked: numbers downwards first, words upwards; no value stays last.
for (const button of document.querySelectorAll("table.sortable th button")) {
  button.onclick = () => {
    const head = button.parentNode, body = head.closest("table").tBodies[0];
    const numbers = head.classList.contains("number"), was = head.getAttribute("aria-sort");
    const upwards = was ? was === "descending" : !numbers;
    const key = row => row.cells[head.cellIndex].dataset.value;
    const compare = (a, b) => (numbers ? a - b : a.localeCompare(b, undefined, {numeric: true})) * (upwards ? 1 : -1);
    const order = (a, b) => key(a) === "" ? 1 : key(b) === "" ? -1 : compare(key(a), key(b));
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
    body.append(...[...body.rows].sort(order));
  };
}

// Says so in words under what scrolls sideways.
function hint() {
  for (const place of document.querySelectorAll(".scroll")) {
    const told = place.nextElementSibling?.classList.contains("hint") ? place.nextElementSibling : null;
    const scrolls = place.scrollWidth > place.clientWidth + 1;
    if (scrolls && !told) place.insertAdjacentHTML("afterend", '<p class="hint">Scroll sideways to see the rest.</p>');
    if (!scrolls && told) told.remove();
  }
}
hint();
addEventListener("resize", hint);

// Folded figures are measured when they open, and are on paper too.
for (const folded of document.querySelectorAll("details")) folded.addEventListener("toggle", hint);
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details.more")) folded.open = true;
});
