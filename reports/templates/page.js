"use strict";
// What every page has: light and dark, tables that sort and filter, dialogs of runs. Further scripts use `page`.
const page = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  data.runs = (({ values, keys, runs }) => {
    const unpack = (part, places) => Object.fromEntries(
      keys[part].map((key, i) => [key, places[i]]).filter(([, place]) => place >= 0).map(([key, place]) => [key, values[place]]),
    );
    return runs.map((run) => ({ ...run, ...Object.fromEntries(Object.keys(keys).map((part) => [part, unpack(part, run[part])])) }));
  })(data.packed);
  const status = document.getElementById("status");
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  function make(tag, text, properties = {}) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    return Object.assign(element, properties);
  }

  let timer;
  function say(text) {
    status.textContent = text;
    clearTimeout(timer);
    timer = setTimeout(() => { status.textContent = ""; }, 2500);
  }

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Where a page read from a file may not use the clipboard: the old way, by a selection.
      const area = make("textarea", text, { readOnly: true });
      (document.querySelector("dialog[open]") || document.body).append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    say(`${what} copied`);
  }

  // Light and dark: the system's choice until the reader makes one.
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const kept = (() => {
    try {
      return window.localStorage;
    } catch {
      return null; // a browser may keep nothing for a page read from a file
    }
  })();
  const follow = () => {
    root.dataset.theme = kept?.getItem("theme") || (dark.matches ? "dark" : "light");
    dispatchEvent(new Event("themechange"));
  };
  follow();
  dark.addEventListener("change", follow);
  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const other = root.dataset.theme === "dark" ? "light" : "dark";
    kept?.setItem("theme", other);
    root.dataset.theme = other;
    dispatchEvent(new Event("themechange"));
  });

  document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

  // What is folded, all at once; and what a link leads to, if it is inside.
  const folded = all("details.folded, details.board");
  const fold = document.getElementById("fold");
  fold.hidden = folded.length < 2;
  fold.addEventListener("click", () => {
    const open = folded.some((one) => !one.open);
    for (const one of folded) one.open = open;
    fold.textContent = open ? "Close all" : "Open all";
  });
  const unfold = () => {
    const aim = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let one = aim && aim.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
    if (aim) aim.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();

  // Sorting: numbers by value, words by their letters, cells without a value last.
  const key = (row, column) => {
    const value = row.cells[column].dataset.value;
    if (value === undefined) return null;
    return value !== "" && Number.isFinite(Number(value)) ? Number(value) : value;
  };
  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }
  function sort(header) {
    const body = header.closest("table").tBodies[0];
    const column = header.cellIndex;
    const first = header.matches(".number:not(.rising)") ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = header.getAttribute("aria-sort") === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...body.rows].map((row) => [key(row, column), row]);
    rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b)));
    for (const one of header.parentElement.cells) one.setAttribute("aria-sort", one === header ? order : "none");
    body.append(...rows.map(([, row]) => row));
  }

  function filter(section, text) {
    const parts = text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of section.querySelector("tbody").rows) {
      const words = row.textContent.toLowerCase();
      row.hidden = !parts.every((part) => words.includes(part));
      shown += !row.hidden;
    }
    section.querySelector(".none").hidden = shown > 0;
  }

  for (const button of all("button.sort")) button.addEventListener("click", () => sort(button.closest("th")));
  for (const section of all("section.table")) {
    const search = section.querySelector('input[type="search"]');
    search.addEventListener("input", () => filter(section, search.value));
    for (const button of all("button[data-copy]", section)) {
      const form = button.dataset.copy;
      const name = form === "latex" ? "LaTeX" : "Markdown";
      button.addEventListener("click", () => copy(data.texts[section.dataset.table][form], name));
    }
  }

  // The dialog: runs of one configuration share a specification but for the seed.
  const dialog = document.getElementById("runs-dialog");
  const pretty = (value) => JSON.stringify(value, null, 2);
  const share = (value) => (typeof value === "number" ? (100 * value).toFixed(2) + "%" : "–");

  function configurations(runs) {
    const groups = new Map();
    for (const run of runs) {
      const { seed, ...rest } = run.spec;
      const name = pretty(rest);
      groups.set(name, [...(groups.get(name) || []), run]);
    }
    return [...groups.values()];
  }

  function describe(runs) {
    const { seed, ...rest } = runs[0].spec;
    const spec = pretty({ ...rest, seed: runs.length === 1 ? seed : runs.map((run) => run.seed) });
    const rules = [...new Set(runs.flatMap((run) => run.results["test accuracy"].map(([rule]) => rule)))];
    const table = make("table");
    const head = table.createTHead().insertRow();
    for (const label of ["seed", ...rules, "record"]) head.append(make("th", label, { scope: "col" }));
    const body = table.createTBody();
    for (const run of runs) {
      const accuracy = new Map(run.results["test accuracy"]);
      const row = body.insertRow();
      row.append(make("td", String(run.seed)), ...rules.map((rule) => make("td", share(accuracy.get(rule)), { className: "number" })));
      row.insertCell().append(make("code", run.address.slice(0, 16), { title: run.address }));
    }
    const list = make("div", undefined, { className: "scroll", tabIndex: 0 });
    list.append(table);
    const more = make("details");
    more.append(make("summary", "Results and execution of each run"));
    for (const run of runs) more.append(make("pre", pretty({ address: run.address, ...run.results, execution: run.execution })));
    const button = make("button", "Copy specification", { type: "button" });
    button.addEventListener("click", () => copy(spec, "Specification"));
    const commands = runs.map((run) => run.command).filter(Boolean).map((line) => make("pre", line, { className: "command" }));
    return [make("h3", runs[0].label.replace(/, seed \d+$/, "")), list, make("pre", spec, { className: "spec" }), button, ...commands, more];
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.runs");
    if (!button) return;
    const runs = button.dataset.runs.split(" ").filter(Boolean).map((number) => data.runs[Number(number)]);
    document.getElementById("dialog-title").textContent = button.textContent;
    document.getElementById("dialog-body").replaceChildren(...configurations(runs).flatMap(describe));
    dialog.showModal();
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  for (const figure of all("figure[data-figure]")) {
    figure.querySelector(".save")?.addEventListener("click", () => {
      let text = figure.querySelector("svg").outerHTML;
      for (const [live, fixed] of Object.entries(data.colors)) text = text.replaceAll(live, fixed);
      const link = make("a", "", { download: `${figure.dataset.figure}.svg` });
      link.href = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
      link.click();
      URL.revokeObjectURL(link.href);
    });
  }

  addEventListener("beforeprint", () => { for (const one of folded) one.open = true; });
  return { all, data, make };
})();
