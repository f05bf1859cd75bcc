"use strict";
(() => {
  const { data, make } = page;

  // Two runs' configurations, key by key.
  function flat(value, prefix = "", into = {}) {
    if (value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length) {
      for (const [name, part] of Object.entries(value)) flat(part, prefix ? `${prefix}.${name}` : name, into);
    } else {
      into[prefix] = JSON.stringify(value);
    }
    return into;
  }
  const first = document.getElementById("diff-first");
  const second = document.getElementById("diff-second");
  const equalToo = document.getElementById("diff-all");
  for (const select of [first, second]) {
    const suites = new Map();
    data.runs.forEach((run, position) => {
      if (!suites.has(run.suite)) suites.set(run.suite, make("optgroup", undefined, { label: run.suite }));
      suites.get(run.suite).append(make("option", run.label, { value: String(position) }));
    });
    select.append(...suites.values());
    select.addEventListener("change", difference);
  }
  equalToo.addEventListener("change", difference);
  function difference() {
    const body = document.querySelector("#diff-table tbody");
    body.replaceChildren();
    if (!data.runs.length) return;
    const [a, b] = [first, second].map((select) => flat(data.runs[Number(select.value)].spec));
    const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
    let count = 0;
    for (const name of names) {
      const differs = a[name] !== b[name];
      count += differs;
      if (!differs && !equalToo.checked) continue;
      const row = make("tr");
      row.append(make("th", name, { scope: "row" }), make("td", a[name] ?? "–"), make("td", b[name] ?? "–"));
      body.append(row);
    }
    document.getElementById("diff-none").hidden = count > 0;
  }
  if (data.runs.length > 1) second.value = "1";
  difference();
})();
