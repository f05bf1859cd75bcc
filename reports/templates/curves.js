"use strict";
(() => {
  // The curves of one quantity in one setting, of the methods that the reader chooses.
  const { rows, panels } = page.data.curves;
  const { all, make } = page;
  const find = (name) => document.getElementById(name);
  const chart = find("chart");
  const shown = rows.map((row) => row.shown);
  const HEIGHT = 360;
  let plot;
  let panel;

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const number = (value) => value.toFixed(2);

  // Of each line three series: mean, upper and lower end of its interval, with a band between the ends.
  const at = (line, part) => 1 + 3 * line + part;
  function series(row, part) {
    const { color, dash } = rows[row];
    return part === 0
      ? { stroke: color, dash, width: 1.7, spanGaps: true, show: shown[row], points: { show: false } }
      : { stroke: "transparent", width: 0, spanGaps: true, show: shown[row], points: { show: false } };
  }
  function options(lines) {
    const axis = (label, size) => ({
      label, size, labelSize: 20, labelGap: 0, labelFont: "13px system-ui, sans-serif", font: "12px system-ui, sans-serif", stroke: () => style("--soft"),
      grid: { stroke: () => style("--grid"), width: 1 }, ticks: { stroke: () => style("--grid"), width: 1 },
    });
    return {
      width: chart.clientWidth, height: HEIGHT, legend: { show: false }, scales: { x: { time: false } },
      axes: [{ ...axis("epoch", 32), incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }, axis(panel.quantity, 44)],
      series: [{}, ...lines.flatMap(([row]) => [0, 1, 2].map((part) => series(row, part)))],
      bands: lines.map(([row], line) => ({ series: [at(line, 1), at(line, 2)], fill: `${rows[row].color}2e` })),
      cursor: {
        y: false,
        points: { size: 7, show: (u, i) => (i % 3 === 1 ? make("div", undefined) : null), fill: (u, i) => rows[lines[Math.floor((i - 1) / 3)][0]].color },
      },
      hooks: { setCursor: [read] },
    };
  }
  function draw() {
    plot?.destroy();
    const { lines } = panel;
    plot = new uPlot(options(lines), [panel.epochs, ...lines.flatMap(([, mean, low, high]) => [mean, high, low])], chart);
    list();
    read(plot);
  }

  // The values at the epoch under the pointer, beside the methods' names; of the nearest line with its interval.
  function read(u) {
    const { idx, top } = u.cursor;
    const inside = idx !== null && idx !== undefined;
    let nearest = null;
    panel.lines.forEach(([row, mean, low, high], line) => {
      const value = inside ? mean[idx] : null;
      find(`value-${row}`).textContent = value === null || value === undefined ? "" : number(value);
      if (!shown[row] || value === null || value === undefined) return;
      const away = Math.abs(u.valToPos(value, "y") - (top < 0 ? 0 : top));
      if (nearest === null || away < nearest.away) nearest = { away, row, value, low: low[idx], high: high[idx] };
    });
    for (const item of all("#curves-rows li")) item.classList.toggle("nearest", nearest !== null && item.dataset.row === String(nearest.row));
    const interval = nearest && nearest.low !== null ? `, 95% interval ${number(nearest.low)} to ${number(nearest.high)}` : "";
    find("reading").textContent = nearest ? `epoch ${panel.epochs[idx]}: ${rows[nearest.row].title} ${number(nearest.value)}${interval}` : "";
  }
  function show(row, on) {
    shown[row] = on;
    const line = panel.lines.findIndex(([one]) => one === row);
    if (line >= 0) for (const part of [0, 1, 2]) plot.setSeries(at(line, part), { show: on });
  }
  function list() {
    find("curves-rows").replaceChildren(...panel.lines.map(([row]) => {
      const item = make("li");
      item.dataset.row = row;
      const label = make("label");
      const box = make("input", undefined, { type: "checkbox", checked: shown[row] });
      box.addEventListener("change", () => show(row, box.checked));
      const swatch = make("span", undefined, { className: "swatch" });
      const { color, dash } = rows[row];
      swatch.style.borderTop = `3px ${dash.length === 0 ? "solid" : dash[0] < 4 ? "dotted" : "dashed"} ${color}`;
      label.append(box, swatch, make("span", rows[row].title), make("output", "", { id: `value-${row}` }));
      item.append(label);
      return item;
    }));
  }

  function fill(select, values) {
    const before = select.value;
    select.replaceChildren(...values.map((value) => make("option", value, { value })));
    if (values.includes(before)) select.value = before;
    select.closest("label").hidden = values.length < 2;
  }
  function choose() {
    const what = find("curves-quantity").value;
    const fitting = panels.filter((one) => one.quantity === what);
    fill(find("curves-place"), fitting.map((one) => one.place));
    panel = fitting.find((one) => one.place === find("curves-place").value);
    draw();
  }
  for (const button of all("button[data-choose]")) {
    button.addEventListener("click", () => {
      const wanted = { all: () => true, none: () => false, first: (row) => rows[row].shown }[button.dataset.choose];
      for (const box of all("#curves-rows li")) {
        const row = Number(box.dataset.row);
        box.querySelector("input").checked = wanted(row);
        show(row, wanted(row));
      }
    });
  }
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = Math.min(Math.max((plot.cursor.idx ?? -1) + step, 0), panel.epochs.length - 1);
    plot.setCursor({ left: plot.valToPos(panel.epochs[next], "x"), top: Math.max(plot.cursor.top, 0) });
  });
  for (const name of ["curves-quantity", "curves-place"]) find(name).addEventListener("change", choose);
  find("curves-body").hidden = false;
  fill(find("curves-quantity"), [...new Set(panels.map((one) => one.quantity))]);
  choose();
  new ResizeObserver(() => { if (chart.clientWidth && chart.clientWidth !== plot.width) plot.setSize({ width: chart.clientWidth, height: HEIGHT }); }).observe(chart);
  addEventListener("themechange", () => plot.redraw());
})();
