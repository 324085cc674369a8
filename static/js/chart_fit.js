/* What an x range of the price chart entails: y fitted to the visible bars of each pane, percent
   labels from the first visible close, time labels that the width holds. As figures/panes.py and
   figures/ticks.py do it for the first paint. */
(function () {
  "use strict";
  const chart = window.mlt.chart;

  const LABEL_WIDTH = 74; // pixels that a time label needs
  const ROOM_ABOVE = 0.1; // of the values' span
  const ROOM_BELOW = 0.04;
  const MOST_BESIDE = 0.4; // of the price's span: how far lines over it may widen the range

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  /* First and last bar inside an x range. */
  chart.visible = (meta, range) => {
    const last = meta.ts.length - 1;
    const from = clamp(Math.ceil(range[0]), 0, last);
    return [from, clamp(Math.floor(range[1]), from, last)];
  };

  /* ---- y follows the visible bars, each pane in its own way ---- */

  /* Known values on screen: of the pane's traces for which `wanted(index)` holds. */
  function values(gd, pane, [first, last], wanted) {
    const axis = pane.axis.replace("axis", "");
    let seen = [];
    gd.data.forEach((trace, index) => {
      if ((trace.yaxis || "y") !== axis || !wanted(index)) return;
      for (const key of ["low", "high", "y"]) {
        if (trace[key]) seen = seen.concat(trace[key].slice(first, last + 1));
      }
    });
    seen = seen.filter((value) => Number.isFinite(value));
    if (pane.fit === "log") seen = seen.filter((value) => value > 0).map(Math.log10);
    if (!seen.length) return null;
    return [seen.reduce((a, b) => Math.min(a, b)), seen.reduce((a, b) => Math.max(a, b))];
  }

  function fitted(gd, pane, bars) {
    if (pane.fit === "percent") return [0, 100];
    const price = pane.name === "price"; // the first trace; what lies over it counts only so far
    const main = values(gd, pane, bars, (index) => !price || index === 0);
    if (!main) return null;
    let [low, high] = main;
    if (pane.fit === "zero") return [0, high * 1.12 || 1];
    let span = high - low || Math.abs(high) * 0.02 || 1;
    const beside = price && values(gd, pane, bars, (index) => index > 0);
    if (beside) {
      low = Math.min(low, Math.max(beside[0], low - span * MOST_BESIDE));
      high = Math.max(high, Math.min(beside[1], high + span * MOST_BESIDE));
      span = high - low || span;
    }
    return [low - span * ROOM_BELOW, high + span * ROOM_ABOVE];
  }

  function roundStep(rough) {
    const unit = 10 ** Math.floor(Math.log10(rough));
    return unit * [1, 2, 5, 10].find((factor) => unit * factor >= rough * (1 - 1e-9));
  }

  chart.percentText = (percent, places = 2) => {
    const text = Math.abs(percent).toFixed(places);
    return (Number(text) === 0 ? "" : percent > 0 ? "+" : "\u2212") + text + "%";
  };

  /* Close of the first visible bar: 0 % of the percent scale. */
  chart.base = (gd, first) => (gd.data[0].close || gd.data[0].y)[first];

  function percentTicks([low, high], base) {
    if (!(base > 0) || !(high > low)) return { tickvals: [], ticktext: [] };
    const from = (low / base - 1) * 100;
    const to = (high / base - 1) * 100;
    const step = roundStep((to - from) / 6);
    const places = Math.max(0, -Math.floor(Math.log10(step)));
    const percents = [];
    for (let n = Math.ceil(from / step); n <= Math.floor(to / step); n++) percents.push(n * step);
    return {
      tickvals: percents.map((percent) => base * (1 + percent / 100)),
      ticktext: percents.map((percent) => chart.percentText(percent, places)),
    };
  }

  /* ---- time labels: the finest level that the width holds, none over another ---- */

  chart.timeTicks = (meta, range, width) => {
    const levels = meta.ticks || [];
    const inside = (level) => level.positions.filter((p) => p >= range[0] && p <= range[1]).length;
    const most = Math.max(2, Math.floor(width / LABEL_WIDTH));
    let chosen = 0;
    levels.forEach((level, i) => {
      if (inside(level) <= most) chosen = i;
    });
    if (!levels.length) return { tickvals: [], ticktext: [] };
    const [first, last] = chart.visible(meta, range);
    if (range[1] - range[0] <= most && inside(levels[chosen]) < last - first) {
      return eachBar(meta, first, last);
    }
    const major = new Set(chosen ? levels[chosen - 1].positions : []);
    const apart = (LABEL_WIDTH * 0.62 * (range[1] - range[0])) / width;
    const kept = [];
    levels[chosen].positions.forEach((position, i) => {
      const before = kept[kept.length - 1];
      if (before && position - before.position < apart) {
        if (!major.has(position) || major.has(before.position)) return;
        kept.pop();
      }
      kept.push({ position, label: levels[chosen].labels[i] });
    });
    nameMonth(meta, kept.find((tick) => tick.position >= range[0]));
    return { tickvals: kept.map((t) => t.position), ticktext: kept.map((t) => t.label) };
  };

  /* So few bars that each can have its label, those beside the window for a drag too: the server's
     where it has one. */
  function eachBar(meta, first, last) {
    const said = new Map();
    for (const { positions, labels } of meta.ticks) {
      positions.forEach((position, i) => said.set(position, labels[i]));
    }
    const beside = last - first + 1;
    const end = Math.min(last + beside, meta.ts.length - 1);
    const kept = [];
    for (let position = Math.max(first - beside, 0); position <= end; position++) {
      kept.push({ position, label: said.get(position) || plainLabel(meta, position) });
    }
    nameMonth(meta, kept.find((tick) => tick.position === first));
    return { tickvals: kept.map((t) => t.position), ticktext: kept.map((t) => t.label) };
  }

  const clocks = new Map(); // by time zone; making a formatter costs more than a frame

  function plainLabel(meta, position) {
    const when = new Date(meta.ts[position] * 1000);
    if (!meta.intraday) {
      const day = String(when.getUTCDate());
      return meta.seconds > 86400 ? `${day} ${MONTHS[when.getUTCMonth()]}` : day;
    }
    if (!clocks.has(meta.tz)) {
      const time = { timeZone: meta.tz, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
      clocks.set(meta.tz, new Intl.DateTimeFormat("en-GB", time));
    }
    return clocks.get(meta.tz).format(when);
  }

  const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

  /* The first label on screen says the month too where it is only a day. */
  function nameMonth(meta, tick) {
    if (!tick || meta.intraday || !/^\d\d?$/.test(tick.label)) return;
    tick.label += " " + MONTHS[new Date(meta.ts[tick.position] * 1000).getUTCMonth()];
  }

  function plotWidth(gd) {
    const size = gd._fullLayout && gd._fullLayout._size;
    return size ? size.w : gd.clientWidth - 80;
  }

  /* Everything that an x range entails, as one update for Plotly.relayout. */
  chart.consequences = (gd, meta, range) => {
    const [first, last] = chart.visible(meta, range);
    const update = {};
    const ticks = chart.timeTicks(meta, range, plotWidth(gd));
    update["xaxis.tickvals"] = ticks.tickvals;
    update["xaxis.ticktext"] = ticks.ticktext;
    for (const pane of meta.panes) {
      const fit = fitted(gd, pane, [first, last]);
      if (fit) update[`${pane.axis}.range`] = fit;
    }
    if (meta.scale === "percent" && update["yaxis.range"]) {
      const base = chart.base(gd, first);
      const percents = percentTicks(update["yaxis.range"], base);
      update["yaxis.tickvals"] = percents.tickvals;
      update["yaxis.ticktext"] = percents.ticktext;
      const label = (gd.layout.annotations || []).findIndex((a) => a.name === "last");
      if (label >= 0) {
        const price = gd.layout.annotations[label].y;
        update[`annotations[${label}].text`] = chart.percentText((price / base - 1) * 100);
      }
    }
    return update;
  };
})();
