"use strict";
// The page is whole without this script. It adds: the theme toggle, sorting, quick tooltips, copying,
// and the same trial lit up in all figures and the table.
(() => {
  const root = document.documentElement;

  // ---- theme: #theme=dark or ?theme=dark in the address, else what was chosen before, else the system's
  const asked = /[?#&]theme=(light|dark)\b/.exec(location.search + location.hash);
  const remembered = (write) => {
    try {
      if (write) localStorage.setItem("tintype-theme", write);
      return localStorage.getItem("tintype-theme");
    } catch { return null; }                       // a page opened as a file may have no storage
  };
  const theme = asked ? asked[1] : remembered();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  const toggle = document.getElementById("theme");
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remembered(root.dataset.theme);
  });

  // ---- sorting: a button in every head of a .sortable table
  const keyOf = (cell) => {
    const written = cell.dataset.value ?? cell.textContent.trim();
    const value = parseFloat(written.replace(/,/g, ""));
    return written === "" || written === "–" ? null : Number.isNaN(value) ? written.toLowerCase() : value;
  };
  const compare = (a, b) => {
    if (a === null || b === null) return (a === null) - (b === null);       // what is not known comes last
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  };
  const sort = (table, column, head) => {
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [keyOf(row.cells[column]), row]);
    rows.sort(([a], [b]) => (a === null || b === null ? compare(a, b) : down ? compare(b, a) : compare(a, b)));
    body.append(...rows.map(([, row]) => row));
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if ("fixed" in head.dataset) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(table, column, head));
    });
  }

  // ---- tooltips: the <title> of a mark, at once and beside the pointer
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  const lit = (trial, on) => {
    for (const one of document.querySelectorAll(`[data-trial="${CSS.escape(trial)}"]`)) one.classList.toggle("lit", on);
  };
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest("svg *");
    const title = mark?.querySelector(":scope > title");
    if (title) { mark.dataset.tip = title.textContent; title.remove(); }
    const words = mark?.dataset.tip;
    tip.hidden = !words;
    if (words) tip.textContent = words;
    const trial = event.target.closest("[data-trial]");
    if (trial) lit(trial.dataset.trial, true);
  });
  document.addEventListener("pointerout", (event) => {
    const trial = event.target.closest("[data-trial]");
    if (trial) lit(trial.dataset.trial, false);
  });
  document.addEventListener("pointermove", (event) => {
    if (tip.hidden) return;
    const right = event.clientX + 14 + tip.offsetWidth > innerWidth;
    tip.style.left = `${Math.max(4, right ? event.clientX - 14 - tip.offsetWidth : event.clientX + 14)}px`;
    tip.style.top = `${Math.max(4, event.clientY - tip.offsetHeight - 12)}px`;
  });

  // ---- copying
  for (const block of document.querySelectorAll(".code")) {
    if (!navigator.clipboard) break;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.append(button);
  }
})();
