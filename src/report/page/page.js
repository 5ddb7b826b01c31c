// Adds to a page that can be read without it: sorting, filters, curves to zoom into, ranges on parallel axes.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const trials = data.curves.trials;
  const axes = data.axes ? data.axes.list : [];
  const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#a07040"];
  // Trials that are highlighted to begin with.
  const FIRST = 5;
  const SVG = "http://www.w3.org/2000/svg";
  const byId = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("#trials tbody tr")];
  const rowOf = new Map(rows.map((row) => [Number(row.dataset.trial), row]));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  document.documentElement.classList.add("js");

  // What is highlighted (trial to its color) and what the filters let through.
  const colors = new Map();
  let passing = new Set(trials.keys());
  const ranges = axes.map(() => [0, 1]);

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      if ("fixed" in head.dataset) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const ascending = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
        sort(table.tBodies[0], column, ascending ? 1 : -1);
      });
    });
  }

  function sort(body, column, sign) {
    const key = (row) => {
      const cell = row.cells[column];
      const text = cell.dataset.value ?? cell.textContent.trim();
      return { text, number: text === "" ? NaN : Number(text) };
    };
    const keyed = [...body.rows].map((row) => [key(row), row]);
    keyed.sort(([a], [b]) => {
      // What has no value stays at the end, whichever the direction.
      if ((a.text === "") !== (b.text === "")) return a.text === "" ? 1 : -1;
      const both = !Number.isNaN(a.number) && !Number.isNaN(b.number);
      return sign * (both ? a.number - b.number : a.text.localeCompare(b.text, "en", { numeric: true }));
    });
    body.append(...keyed.map(([, row]) => row));
  }

  function swatch(color) {
    const svg = document.createElementNS(SVG, "svg");
    const rect = document.createElementNS(SVG, "rect");
    for (const [name, value] of [["width", "100%"], ["height", "100%"], ["rx", 2], ["fill", color]]) rect.setAttribute(name, value);
    svg.setAttribute("aria-hidden", "true");
    svg.append(rect);
    return svg;
  }

  function highlight(trial, on) {
    if (on && !colors.has(trial)) {
      // As in the charts: one color a trial.
      colors.set(trial, COLORS[trial % COLORS.length]);
    } else if (!on) {
      colors.delete(trial);
    }
    const row = rowOf.get(trial);
    const box = row.querySelector("input");
    box.checked = on;
    row.querySelector("svg")?.remove();
    if (on) box.after(swatch(colors.get(trial)));
    for (const line of linesOf(trial)) {
      line.classList.toggle("chosen", on);
      line.style.stroke = on ? colors.get(trial) : "";
      if (on) line.parentNode.append(line);
    }
  }

  // One in each drawing of the parallel axes.
  function linesOf(trial) {
    return document.querySelectorAll(`.coordinates [data-trial="${trial}"]`);
  }

  function filter() {
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const within = (trial) => axes.every(({ at }, i) => {
      const [low, high] = ranges[i];
      if (low <= 0 && high >= 1) return true;
      return at[trial] !== null && at[trial] >= low - 1e-3 && at[trial] <= high + 1e-3;
    });
    // `key=value` looks at one column.
    const heads = [...byId("trials").tHead.rows[0].cells].map((head) => head.textContent.trim().toLowerCase());
    const matches = (row, word) => {
      const [, name, value] = /^([^=]+)=(.*)$/.exec(word) ?? [];
      const columns = heads.flatMap((head, i) => (name && (head === name || head.endsWith(`.${name}`)) ? [i] : []));
      if (columns.length) return columns.some((i) => row.cells[i].textContent.trim().toLowerCase() === value || value === "");
      return row.textContent.toLowerCase().includes(word);
    };
    passing = new Set();
    for (const [trial, row] of rowOf) {
      const shown = within(trial) && words.every((word) => matches(row, word));
      if (shown) passing.add(trial);
      row.hidden = !shown;
      linesOf(trial).forEach((line) => line.toggleAttribute("hidden", !shown));
    }
    byId("count").textContent = `${passing.size} of ${rows.length} trials`;
    draw();
  }

  // Ranges on the parallel axes: by dragging, or by two sliders for each.

  function reading(axis, share) {
    const { ends: [low, high], log, words } = axis;
    if (words) return words[Math.round(low + share * (high - low))];
    const value = log ? low * (high / low) ** share : low + share * (high - low);
    return String(Number(value.toPrecision(3)));
  }

  const sliders = [];

  function setRange(i, low, high) {
    ranges[i] = low <= high ? [low, high] : [high, low];
    const [from, to] = ranges[i];
    const whole = from <= 0 && to >= 1;
    for (const { id, upright, ends: [start, end] } of data.axes.layouts) {
      const brush = byId(id).querySelector(`[data-axis="${i}"] .brush`);
      const places = [from, to].map((share) => start + share * (end - start));
      brush.setAttribute(upright ? "y" : "x", Math.min(...places));
      brush.setAttribute(upright ? "height" : "width", whole ? 0 : Math.max(Math.abs(places[1] - places[0]), 1));
    }
    sliders[i].forEach((slider, end) => {
      slider.value = Math.round(1000 * ranges[i][end]);
      slider.setAttribute("aria-valuetext", reading(axes[i], ranges[i][end]));
      slider.title = reading(axes[i], ranges[i][end]);
    });
    sliders[i].told.textContent = whole ? "all" : `${reading(axes[i], from)} to ${reading(axes[i], to)}`;
  }

  function axisTools(axis, i) {
    const group = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = `${axis.name}: `;
    const told = document.createElement("output");
    legend.append(told);
    group.append(legend);
    sliders[i] = ["from", "to"].map((end, place) => {
      const slider = document.createElement("input");
      Object.assign(slider, { type: "range", min: 0, max: 1000, value: place * 1000 });
      slider.setAttribute("aria-label", `${axis.name}, ${end}`);
      slider.addEventListener("input", () => {
        setRange(i, sliders[i][0].value / 1000, sliders[i][1].value / 1000);
        filter();
      });
      group.append(slider);
      return slider;
    });
    sliders[i].told = told;
    byId("ranges").append(group);

    data.axes.layouts.forEach((layout) => dragging(layout, i));
    setRange(i, 0, 1);
  }

  function dragging({ id, upright, ends: [first, last] }, i) {
    const svg = byId(id);
    const reach = svg.querySelector(`[data-axis="${i}"] .reach`);
    const shareAt = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      return Math.min(1, Math.max(0, ((upright ? point.y : point.x) - first) / (last - first)));
    };
    let start = null;
    reach.addEventListener("pointerdown", (event) => {
      start = shareAt(event);
      reach.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    reach.addEventListener("pointermove", (event) => {
      if (start === null) return;
      setRange(i, start, shareAt(event));
      filter();
    });
    reach.addEventListener("pointerup", (event) => {
      // A click alone lets go.
      if (start !== null && Math.abs(shareAt(event) - start) < 0.01) {
        setRange(i, 0, 1);
        filter();
      }
      start = null;
    });
    // The page scrolls instead.
    reach.addEventListener("pointercancel", () => { start = null; });
  }

  // Curves.

  let plot = null;
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const shown = (value) => (value == null ? "" : value.toFixed(4));

  function joined(logX) {
    const visible = [...passing].filter((trial) => trials[trial].step.length > 0);
    const front = visible.filter((trial) => colors.has(trial));
    const back = byId("others").checked ? visible.filter((trial) => !colors.has(trial)) : [];
    // The best is drawn last, on top.
    const order = [...back, ...front].sort((a, b) => colors.has(a) - colors.has(b) || b - a);
    const tables = [];
    const series = [{}];
    const bands = [];
    for (const trial of order) {
      const { name, step, mean, low, high } = trials[trial];
      const from = logX ? step.findIndex((value) => value > 0) : 0;
      if (from < 0) continue;
      const cut = (values) => values.slice(from);
      const color = colors.get(trial);
      const table = [cut(step), cut(mean)];
      const pen = { stroke: color ?? style("--behind"), width: color ? 2 : 1 };
      series.push({ label: name, trial, ...pen, spanGaps: true, points: { show: step.length === 1 } });
      if (color && low) {
        table.push(cut(high), cut(low));
        const at = series.length;
        series.push(...[0, 1].map(() => ({ stroke: "transparent", width: 0, spanGaps: true, points: { show: false } })));
        bands.push({ series: [at, at + 1], fill: `${color}2e` });
      }
      tables.push(table);
    }
    return { values: tables.length ? uPlot.join(tables) : [[], []], series: tables.length ? series : [{}, {}], bands };
  }

  function draw() {
    const place = byId("plot");
    if (!place) return;
    const logX = byId("log-x").checked;
    const logY = byId("log-y").checked;
    const { values, series, bands } = joined(logX);
    const positive = values.slice(1).every((line) => line.every((value) => value == null || value > 0));
    const whole = () => byId("from").value === "" && byId("to").value === "";
    const padded = (low, high) => [low - 0.05 * (high - low || 1), high + 0.05 * (high - low || 1)];
    const rule = { stroke: style("--rule"), width: 1 };
    const axis = { stroke: style("--muted"), grid: rule, ticks: rule };
    const nll = `validation NLL (nats)${logY && !positive ? ", asinh" : ""}`;
    const label = { labelFont: "13px system-ui, sans-serif", labelSize: 22 };
    plot?.destroy();
    plot = new uPlot({
      width: place.clientWidth,
      height: 420,
      series,
      bands,
      legend: { show: false },
      cursor: { drag: { x: true, y: true, uni: 24 } },
      scales: {
        x: { time: false, distr: logX ? 3 : 1 },
        y: logY ? { distr: positive ? 3 : 4 } : { range: (_, low, high) => (whole() ? data.curves.limits : padded(low, high)) },
      },
      axes: [{ ...axis, ...label, label: "step" }, { ...axis, ...label, label: nll, size: 64 }],
      hooks: {
        setCursor: [(chart) => {
          chart.series.forEach((line, i) => {
            const told = byId("legend").querySelector(`[data-trial="${line.trial}"] output`);
            if (told) told.textContent = chart.cursor.idx == null ? "" : shown(nearest(chart.data[i], chart.cursor.idx));
          });
        }],
      },
    }, values, place);
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", `Validation NLL over steps of ${passing.size} trials`);
    if (!whole()) zoom();
    legend();
  }

  // Curves need not have been evaluated at the same steps.
  function nearest(line, at) {
    for (let i = at; i >= 0; i -= 1) if (line[i] != null) return line[i];
    return null;
  }

  function zoom() {
    const steps = plot.data[0];
    if (steps.length === 0) return;
    const given = (id, otherwise) => (byId(id).value === "" ? otherwise : Number(byId(id).value));
    const [min, max] = [given("from", steps[0]), given("to", steps[steps.length - 1])];
    if (min < max) plot.setScale("x", { min, max });
  }

  function legend() {
    byId("legend").replaceChildren(...[...colors.keys()].sort((a, b) => a - b).map((trial) => {
      const item = document.createElement("li");
      item.dataset.trial = trial;
      item.append(swatch(colors.get(trial)), trials[trial].name, document.createElement("output"));
      return item;
    }));
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  rows.forEach((row) => row.querySelector("input").addEventListener("change", (event) => {
    highlight(Number(row.dataset.trial), event.target.checked);
    draw();
  }));
  rows.slice(0, FIRST).forEach((row) => highlight(Number(row.dataset.trial), true));
  axes.forEach(axisTools);
  byId("filter").addEventListener("input", filter);
  if (byId("plot")) {
    for (const id of ["log-x", "log-y", "others"]) byId(id).addEventListener("change", draw);
    for (const id of ["from", "to"]) byId(id).addEventListener("change", draw);
    byId("whole").addEventListener("click", () => {
      byId("from").value = byId("to").value = "";
      draw();
    });
    let width = 0;
    new ResizeObserver(([entry]) => {
      if (Math.abs(entry.contentRect.width - width) < 1) return;
      width = entry.contentRect.width;
      plot?.setSize({ width, height: 420 });
    }).observe(byId("plot"));
    dark.addEventListener("change", draw);
  }
  filter();
})();
