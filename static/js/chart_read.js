/* Reading the price chart: the crosshair with its labels on both axes, and the legend that says
   the values of the bar under it, or of the newest visible bar. Text only, never markup. */
(function () {
  "use strict";
  const chart = window.mlt.chart;
  const layer = () => document.getElementById("chart-overlay");

  let at = null; // {x, y} of the pointer inside the graph, or null
  let parts = null; // the crosshair's elements
  let legends = []; // one for each pane
  let legendsOf = null; // the figure they were made for

  function element(tag, className, text) {
    const made = document.createElement(tag);
    made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  /* ---- words ---- */

  const number = (value, places) =>
    value
      .toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places })
      .replace("-", "\u2212");

  /* As shown_decimals of figures/numbers.py. */
  function price(value) {
    const small = value > 0 && value < 10;
    return number(value, small ? Math.min(4 - Math.floor(Math.log10(value)), 8) : 2);
  }

  function shortened(value) {
    for (const [unit, name] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "K"]]) {
      if (Math.abs(value) >= unit) return number(value / unit, 2) + name;
    }
    return String(Math.round(value * 100) / 100).replace("-", "\u2212");
  }

  const clocks = new Map(); // making a formatter costs more than a frame

  function moment(meta, index) {
    const zone = meta.intraday ? meta.tz : "UTC"; // a day is stamped with its session's date
    const key = zone + meta.intraday;
    if (!clocks.has(key)) {
      const day = { weekday: "short", day: "numeric", month: "short", year: "numeric" };
      const time = meta.intraday ? { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } : {};
      clocks.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...day, ...time }));
    }
    return clocks.get(key).format(new Date(meta.ts[index] * 1000)).replaceAll(",", "");
  }

  function priceText(gd, meta, value) {
    if (meta.scale !== "percent") return price(value);
    const base = chart.base(gd, chart.visible(meta, chart.range())[0]);
    return chart.percentText((value / base - 1) * 100);
  }

  /* ---- legend ---- */

  const OHLC = [["O", "open"], ["H", "high"], ["L", "low"], ["C", "close"]];

  function entries(gd, meta, pane) {
    const axis = pane.axis.replace("axis", "");
    const seen = new Set();
    const made = [];
    gd.data.forEach((trace, i) => {
      if (i === 0 || (trace.yaxis || "y") !== axis) return;
      const about = trace.meta || {};
      const label = about.label || trace.name;
      const entry = { trace, about, name: seen.has(label) ? about.line : label };
      seen.add(label);
      entry.colour = trace.type === "scatter" ? trace.line.color : "";
      made.push(entry);
    });
    return made;
  }

  function build(gd, meta) {
    legends = meta.panes.map((pane) => {
      const box = element("div", "legend");
      const values = [];
      if (pane.name === "price") {
        const when = element("span", "legend-when");
        box.append(when);
        const columns = gd.data[0].close ? OHLC : [["C", "y"]];
        const bars = columns.map(([name, key]) => [key, item(box, name, "")]);
        const change = element("span", "legend-change");
        box.append(change);
        values.push((i) => readBar(gd, meta, i, when, bars, change));
      }
      for (const entry of entries(gd, meta, pane)) {
        const value = item(box, entry.name, entry.colour);
        values.push((i) => {
          const y = entry.trace.y[i];
          value.textContent = !Number.isFinite(y) ? "\u2014" : said(entry.about, y);
        });
      }
      return { pane, box, read: (i) => values.forEach((value) => value(i)) };
    });
    layer().querySelectorAll(".legend").forEach((old) => old.remove());
    layer().append(...legends.map((legend) => legend.box));
    legendsOf = gd.data;
  }

  function said(about, y) {
    if (about.short) return shortened(y);
    return about.pane === "price" ? price(y) : number(y, about.decimals ?? 2);
  }

  function item(box, name, colour) {
    const entry = element("span", "legend-item");
    const value = element("span", "legend-value");
    if (colour) value.style.color = colour;
    entry.append(element("span", "legend-name", name), value);
    box.append(entry);
    return value;
  }

  function readBar(gd, meta, i, when, bars, change) {
    const trace = gd.data[0];
    const closes = trace.close || trace.y;
    const before = i > 0 ? closes[i - 1] : trace.open ? trace.open[i] : NaN;
    const rising = trace.open ? closes[i] >= trace.open[i] : !(closes[i] < before);
    const forming = meta.forming && i === meta.ts.length - 1 ? " (forming)" : "";
    when.textContent = moment(meta, i) + forming;
    for (const [key, value] of bars) {
      value.textContent = price(trace[key][i]);
      value.className = `legend-value ${rising ? "up" : "down"}`;
    }
    const percent = i === meta.apart ? NaN : (closes[i] / before - 1) * 100;
    change.textContent = Number.isFinite(percent) ? chart.percentText(percent) : "";
    change.className = `legend-change ${percent < 0 ? "down" : "up"}`;
  }

  function placeLegends(size) {
    for (const { pane, box } of legends) {
      box.style.top = `${size.t + (1 - pane.top) * size.h + 2}px`;
      box.style.left = `${size.l}px`;
      box.style.maxWidth = `${size.w}px`;
    }
  }

  /* ---- crosshair ---- */

  function makeCross() {
    parts = {
      across: element("div", "cross cross-x"),
      down: element("div", "cross cross-y"),
      price: element("div", "cross-label cross-price"),
      time: element("div", "cross-label cross-time"),
    };
    layer().append(...Object.values(parts));
  }

  function hideCross() {
    if (parts) for (const part of Object.values(parts)) part.hidden = true;
  }

  function pointed(gd, meta, size) {
    if (!at || chart.pressed()) return null;
    const share = (at.x - size.l) / size.w;
    const height = (at.y - size.t) / size.h;
    if (share < 0 || share > 1 || height < 0 || height > 1) return null;
    const [from, to] = chart.range();
    const index = Math.round(from + (to - from) * share);
    const pane = meta.panes.find((p) => 1 - height <= p.top && 1 - height >= p.bottom);
    return { index: Math.min(Math.max(index, 0), meta.ts.length - 1), pane, from, to };
  }

  function drawCross(gd, meta, size, { index, pane, from, to }) {
    const x = size.l + ((index - from) / (to - from)) * size.w;
    parts.down.hidden = x < size.l || x > size.l + size.w;
    parts.time.hidden = parts.down.hidden;
    parts.down.style.transform = `translateX(${x}px)`;
    parts.down.style.top = `${size.t}px`;
    parts.down.style.height = `${size.h}px`;
    parts.time.textContent = moment(meta, index);
    const half = parts.time.offsetWidth / 2;
    const left = Math.min(Math.max(x - half, 0), size.l + size.w - 2 * half);
    parts.time.style.transform = `translate(${left}px, ${size.t + size.h + 2}px)`;
    parts.across.hidden = parts.price.hidden = !pane;
    if (!pane) return;
    parts.across.style.transform = `translateY(${at.y}px)`;
    parts.across.style.left = `${size.l}px`;
    parts.across.style.width = `${size.w}px`;
    parts.price.textContent = levelText(gd, meta, pane, size);
    parts.price.style.transform = `translate(${size.l + size.w}px, ${at.y - 9}px)`;
  }

  function levelText(gd, meta, pane, size) {
    const axis = gd._fullLayout[pane.axis];
    const share = (1 - (at.y - size.t) / size.h - pane.bottom) / (pane.top - pane.bottom);
    const linear = axis.range[0] + (axis.range[1] - axis.range[0]) * share;
    if (pane.name === "price") return priceText(gd, meta, pane.fit === "log" ? 10 ** linear : linear);
    return Math.abs(linear) >= 1000 ? shortened(linear) : number(linear, 2);
  }

  /* ---- one refresh a frame ---- */

  let due = false;
  function refresh() {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      const gd = chart.graph();
      if (!layer()) return;
      const meta = chart.meta();
      layer().hidden = !meta;
      if (!meta || !gd._fullLayout) return;
      draw(gd, meta, gd._fullLayout._size);
    });
  }

  function draw(gd, meta, size) {
    if (legendsOf !== gd.data || !layer().contains(legends[0].box)) build(gd, meta);
    if (!parts || !layer().contains(parts.down)) makeCross();
    placeLegends(size);
    const [first, last] = chart.visible(meta, chart.range());
    const point = pointed(gd, meta, size);
    hideCross();
    if (point) drawCross(gd, meta, size, point);
    for (const legend of legends) legend.read(point ? point.index : last);
    const count = document.getElementById("chart-bars");
    if (count) count.textContent = `${last - first + 1} ${last === first ? "bar" : "bars"}`;
  }

  chart.moved = refresh;

  chart.attached = (gd) => {
    const follow = (event) => {
      const box = gd.getBoundingClientRect();
      at = { x: event.clientX - box.left, y: event.clientY - box.top };
      refresh();
    };
    gd.addEventListener("pointermove", follow);
    gd.addEventListener("pointerup", follow);
    gd.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "touch") return; // a tap leaves the crosshair where it was
      at = null;
      refresh();
    });
  };
})();
