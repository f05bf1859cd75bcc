"use strict";
(() => {
  // The filters of the leaderboard: what can be chosen is what its rows have.
  const { all, make } = page;
  const form = document.getElementById("filters");
  if (!form) return;
  const field = (name) => form.elements.namedItem(name);
  const boards = all("details.board").map((board) => ({
    board, datasets: JSON.parse(board.dataset.datasets), rows: all("tbody tr", board), none: board.querySelector(".none"),
  }));
  const rows = boards.flatMap((one) => one.rows);
  const distinct = (values) => [...new Set(values)].filter((value) => value !== undefined && value !== "");

  function offer(name, values, say) {
    const select = field(name);
    for (const value of values) select.append(make("option", say(value), { value }));
    select.closest("label").hidden = values.length < 2;
  }
  const rising = (a, b) => Number(a) - Number(b);
  offer("dataset", distinct(boards.flatMap((one) => one.datasets)), (name) => name);
  offer("family", distinct(rows.map((row) => row.dataset.family)).sort(), (name) => name);
  offer("year", distinct(rows.map((row) => row.dataset.year)).sort(rising), (year) => year);
  offer("passes", distinct(rows.map((row) => row.dataset.passes)).sort(rising), (most) => `at most ${Number(most)} passes`);
  field("told").closest("label").hidden = !rows.some((row) => row.dataset.told);

  function fits(row, words) {
    const { year, family, passes, told } = row.dataset;
    const wanted = (name) => field(name).value;
    if (wanted("family") && family !== wanted("family")) return false;
    if (wanted("year") && !(Number(year) >= Number(wanted("year")))) return false;
    if (wanted("passes") && !(Number(passes) <= Number(wanted("passes")))) return false;
    if (wanted("told") === "told" ? told === "told" : wanted("told") && told) return false;
    const text = row.textContent.toLowerCase();
    return words.every((word) => text.includes(word));
  }
  function filter() {
    const words = field("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    let most = 0;
    for (const { board, datasets, rows: mine, none } of boards) {
      board.hidden = field("dataset").value !== "" && !datasets.includes(field("dataset").value);
      let left = 0;
      for (const row of mine) {
        row.hidden = !fits(row, words);
        left += !row.hidden;
      }
      none.hidden = left > 0;
      shown += board.hidden ? 0 : left;
      most += mine.length;
    }
    document.getElementById("count").textContent = shown < most ? `${shown} of ${most} rows` : "";
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  form.hidden = false;
})();
