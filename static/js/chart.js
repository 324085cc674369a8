/* The price chart in the browser: pan, zoom, and how they meet the address and the answers.

   The x axis holds integer positions (bar 0 to n-1 of the loaded bars); layout.meta, written by
   dashboard/figures/candles.py, says what they stand for. A gesture ends in the address: the
   window's start and end are written into it, silently while the loaded bars suffice, else the
   server is asked. Answers come as {figure, n} in dcc.Store "chart-answer" and are painted only
   while no gesture is going on, and only when nothing newer was asked. */
(function () {
  "use strict";
  const mlt = window.mlt;
  const callbacks = window.dash_clientside.mlt;
  const chart = (mlt.chart = {});

  const SETTLE_MS = 150; // after the last move, before the address follows
  const WHEEL_PAUSE_MS = 130; // without a wheel event: the zoom is over
  const FEWEST_BARS = 8; // closest zoom
  const WIDEST = 3; // of the loaded bars: furthest zoom before coarser ones are asked for
  const WHEEL_SPEED = 0.0022; // of log width for each pixel: a notch of 100 is a quarter
  const DOUBLE_MS = 500;
  const NEAR_EDGE = 0.3; // of the window: less loaded than this beside it asks for more

  const state = {
    asked: 0, // n of the newest address asked
    painted: 0, // n of the address on screen
    moves: 0, // gestures so far
    movesWhenAsked: 0,
    byGesture: false, // the newest question came from a gesture
    down: false, // a pointer is pressed on the chart
    wheelAt: -Infinity,
    settle: 0,
    paintedSpan: Infinity,
  };

  chart.graph = () => document.querySelector("#price-chart .js-plotly-plot");
  chart.meta = () => {
    const gd = chart.graph();
    const meta = gd && gd.layout && gd.layout.meta;
    return meta && meta.ts && meta.ts.length ? meta : null;
  };
  chart.range = () => chart.graph()._fullLayout.xaxis.range.map(Number);
  chart.pressed = () => state.down;

  const onCharts = () => mlt.address().path === "/charts";
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  /* ---- moving ---- */

  let moving = false; // our own relayout is running; its event is not a gesture

  /* An x range kept to where bars are, or could be loaded, and to a width that makes sense: a
     history of one bar is shown as wide as it was drawn. */
  function bounded([from, to]) {
    const meta = chart.meta();
    const low = meta.more_left ? -Infinity : meta.bounds[0];
    const high = meta.more_right ? Infinity : meta.bounds[1];
    const all = meta.bounds[1] - meta.bounds[0];
    const widest = Math.min(high - low, Math.max(all, WIDEST * meta.ts.length));
    const width = clamp(to - from, Math.min(FEWEST_BARS, widest), widest);
    const start = Math.min(Math.max((from + to - width) / 2, low), high - width);
    return [start, start + width];
  }

  function relayout(gd, update) {
    moving = true;
    return window.Plotly.relayout(gd, update).finally(() => {
      moving = false;
    });
  }

  /* Show an x range now; `gesture` says that the user did it, so that the address follows. */
  chart.show = (range, { gesture = true } = {}) => {
    const gd = chart.graph();
    const meta = chart.meta();
    if (!gd || !meta) return;
    const within = bounded(range);
    relayout(gd, { "xaxis.range": within, ...chart.consequences(gd, meta, within) });
    if (chart.moved) chart.moved();
    if (gesture) gestured();
  };

  let wanted = null; // range that the next frame shows

  function soon(range) {
    if (!wanted) {
      requestAnimationFrame(() => {
        const next = wanted;
        wanted = null;
        if (next && chart.meta()) chart.show(next);
      });
    }
    wanted = bounded(range);
  }

  /* Width times `factor` about the position `anchor`, which stays where it is; without one about
     the end of the newest bar on screen, not about the room to the right of it. */
  chart.zoom = (factor, anchor) => {
    const meta = chart.meta();
    if (!meta) return;
    const [from, to] = wanted || chart.range();
    const end = from < meta.ts.length - 1 ? Math.min(to, meta.ts.length - 0.5) : to;
    const about = anchor === undefined ? end : anchor;
    const by = (to - from) * factor < FEWEST_BARS ? Math.min(1, FEWEST_BARS / (to - from)) : factor;
    soon([about - (about - from) * by, about + (to - about) * by]);
  };

  chart.pan = (bars) => {
    if (!chart.meta()) return;
    const [from, to] = wanted || chart.range();
    soon([from + bars, to + bars]);
  };

  chart.reset = () => {
    if (!chart.meta()) return;
    clearTimeout(state.settle);
    wanted = null;
    const changed = mlt.patchQuery({ start: null, end: null }, { replace: true });
    if (!changed && chart.home) chart.show(chart.home, { gesture: false });
  };

  /* ---- the address follows ---- */

  function gestured() {
    state.moves += 1;
    clearTimeout(state.settle);
    state.settle = setTimeout(settle, SETTLE_MS);
  }

  function iso(seconds) {
    const text = new Date(seconds * 1000).toISOString();
    if (seconds % 86400 === 0) return text.slice(0, 10);
    return text.slice(0, seconds % 60 ? 19 : 16) + "Z";
  }

  /* The window on screen as the address writes it: half-open, by the bars that show; beyond the
     loaded ones by their average distance, which the server's answer then puts right. */
  chart.window = () => {
    const meta = chart.meta();
    const { ts } = meta;
    const range = chart.range();
    const [first, last] = chart.visible(meta, range);
    const apart = (ts[ts.length - 1] - ts[0]) / Math.max(ts.length - 1, 1);
    const beyond = (position, index) => ts[index] + Math.round(((position - index) * apart) / 60) * 60;
    const next = last + 1 < ts.length ? ts[last + 1] : Infinity;
    const left = meta.more_left && range[0] < 0;
    const right = meta.more_right && range[1] > ts.length;
    const start = left ? beyond(range[0], 0) : ts[first];
    const end = right ? beyond(range[1], ts.length - 1) : Math.min(ts[last] + meta.seconds, next);
    const ends = left && range[1] < 0 ? beyond(range[1], 0) : end;
    const starts = right && range[0] > ts.length ? beyond(range[0], ts.length - 1) : start;
    return { start: iso(starts), end: iso(Math.max(ends, starts + meta.seconds)) };
  };

  function settle() {
    const meta = chart.meta();
    if (!meta || !onCharts()) return;
    if (busy()) {
      state.settle = setTimeout(settle, SETTLE_MS);
      return;
    }
    if (waiting() && !state.byGesture) return; // another view is on its way
    const range = chart.range();
    const span = range[1] - range[0];
    const [first, last] = chart.visible(meta, range);
    const edge = span * NEAR_EDGE;
    const need =
      (meta.more_left && first < edge) ||
      (meta.more_right && meta.ts.length - 1 - last < edge) ||
      (meta.finer && span < state.paintedSpan * 0.9) ||
      state.mustAsk;
    state.byGesture = Boolean(need);
    state.fromSettle = Boolean(need);
    const window_ = chart.window();
    const changed = mlt.patchQuery(window_, { replace: true, silent: !need });
    if (!changed && state.mustAsk) mlt.ask();
    state.mustAsk = false;
    state.fromSettle = false;
  }

  const waiting = () => state.asked > state.painted && performance.now() - state.askedAt < 10000;
  const busy = () => state.down || performance.now() - state.wheelAt < WHEEL_PAUSE_MS;

  /* ---- Dash: a question went out, an answer came in ---- */

  callbacks.chartAsked = (address) => {
    if (!address || address.path !== "/charts") return;
    state.asked = address.n;
    state.askedAt = performance.now();
    state.movesWhenAsked = state.moves;
    state.byGesture = Boolean(state.fromSettle);
    clearTimeout(state.settle);
  };

  function quiet() {
    return new Promise((resolve) => {
      const look = () => (busy() ? setTimeout(look, 40) : resolve());
      look();
    });
  }

  /* The figure to paint, or no_update for an answer that something newer has overtaken. */
  callbacks.paintChart = async (answer) => {
    const keep = window.dash_clientside.no_update;
    if (!answer || !answer.figure || answer.n < state.asked) return keep;
    await quiet();
    if (answer.n < state.asked || !onCharts()) return keep;
    state.painted = answer.n;
    if (state.byGesture && state.moves !== state.movesWhenAsked) {
      state.mustAsk = true; // moved on meanwhile: that window is asked for next
      clearTimeout(state.settle);
      state.settle = setTimeout(settle, SETTLE_MS);
      return keep;
    }
    clearTimeout(state.settle);
    wanted = null;
    const figure = forWidth(chart.unpacked(answer.figure));
    whenPainted(figure);
    return figure;
  };

  /* The server does not know the width: choose the time labels before the first paint. */
  function forWidth(figure) {
    const { layout } = figure;
    const frame = document.getElementById("price-chart");
    if (frame && layout.meta && layout.meta.ts.length) {
      const width = frame.clientWidth - layout.margin.l - layout.margin.r;
      Object.assign(layout.xaxis, chart.timeTicks(layout.meta, layout.xaxis.range, width));
      for (const mark of layout.annotations) {
        if (mark.name === "simulated") mark.font.size = Math.min(mark.font.size, width / 7);
      }
    }
    return figure;
  }

  function whenPainted(figure) {
    const { uirevision, meta } = figure.layout;
    const look = () => {
      const gd = chart.graph();
      if (!onCharts()) return;
      const there = gd && gd._fullLayout && gd._fullLayout.uirevision === uirevision;
      if (!there) requestAnimationFrame(look);
      else painted(gd, meta);
    };
    requestAnimationFrame(look);
  }

  function painted(gd, meta) {
    document.getElementById("chart-frame").classList.add("is-painted");
    attach(gd);
    state.paintedSpan = meta.ts.length ? chart.range()[1] - chart.range()[0] : Infinity;
    chart.home = meta.ts.length ? chart.range() : null;
    if (meta.symbol) {
      remember(meta.symbol);
      document.title = `${meta.symbol} · Charts · MLTrading`; // several tabs, told apart
    }
    if (chart.moved) chart.moved();
    const milliseconds = performance.now() - state.askedAt;
    document.dispatchEvent(new CustomEvent("mlt:painted", { detail: { milliseconds } }));
  }

  /* The address names the symbol that is shown, and the next visit opens it again. */
  function remember(symbol) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    const kept = encodeURIComponent(symbol);
    document.cookie = `symbol=${kept}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    if (!new URLSearchParams(location.search).get("symbol")) {
      mlt.patchQuery({ symbol }, { replace: true, silent: true });
    }
    mlt.showSymbol(symbol);
  }

  /* ---- listeners, once for each graph element that Dash makes ---- */

  function attach(gd) {
    if (gd.mltAttached) return;
    gd.mltAttached = true;
    gd.on("plotly_relayout", (change) => {
      if (moving || !Object.keys(change).some((key) => key.startsWith("xaxis.range"))) return;
      if (chart.meta()) chart.show(chart.range());
    });
    gd.on("plotly_relayouting", () => chart.moved && chart.moved());
    gd.addEventListener("wheel", onWheel, { capture: true, passive: false });
    gd.addEventListener("pointerdown", onDown, true);
    gd.addEventListener("touchstart", onTouches, { capture: true, passive: false });
    gd.addEventListener("touchmove", onPinch, { capture: true, passive: false });
    new ResizeObserver(onResize).observe(gd);
    if (chart.attached) chart.attached(gd);
  }

  /* A double click by the times at which the presses happened: plotly's own goes by when it got
     round to them, and a busy browser then misses it. */
  let press = { at: -Infinity, x: 0, y: 0 };
  let twice = false;

  function onDown(event) {
    if (event.button !== 0) return;
    state.down = true;
    const near = Math.hypot(event.clientX - press.x, event.clientY - press.y) < 8;
    twice = near && event.timeStamp - press.at < DOUBLE_MS;
    press = { at: twice ? -Infinity : event.timeStamp, x: event.clientX, y: event.clientY };
  }

  addEventListener("pointerup", (event) => {
    if (!twice) return;
    twice = false;
    const still = Math.hypot(event.clientX - press.x, event.clientY - press.y) < 8;
    if (still && onCharts()) setTimeout(chart.reset, 0); // after plotly has seen the release
  });

  for (const name of ["pointerup", "pointercancel", "mouseup", "touchend", "blur"]) {
    addEventListener(name, () => {
      state.down = false;
    }, true);
  }

  addEventListener("pointermove", (event) => {
    if (event.buttons === 0) state.down = false; // released outside the window
  }, true);

  function onWheel(event) {
    const gd = chart.graph();
    if (!chart.meta() || state.down || event.ctrlKey) return;
    event.preventDefault();
    event.stopPropagation();
    state.wheelAt = performance.now();
    const lines = event.deltaMode === 1 ? 33 : event.deltaMode === 2 ? 300 : 1;
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const [from, to] = wanted || chart.range();
      chart.pan((event.deltaX * lines * (to - from)) / gd._fullLayout._size.w);
      return;
    }
    const turn = clamp(event.deltaY * lines, -400, 400);
    chart.zoom(Math.exp(turn * WHEEL_SPEED), positionAt(event.clientX));
  }

  /* Two fingers: plotly knows one only, and must not see them. */
  let pinched = 0; // distance of the fingers in pixels

  const distance = ([a, b]) => Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);

  function onTouches(event) {
    if (event.touches.length !== 2 || !chart.meta()) return;
    event.preventDefault();
    event.stopPropagation();
    pinched = distance(event.touches);
  }

  function onPinch(event) {
    if (event.touches.length !== 2 || !chart.meta() || !pinched) return;
    event.preventDefault();
    event.stopPropagation();
    const [a, b] = event.touches;
    const now = Math.max(distance(event.touches), 1);
    chart.zoom(pinched / now, positionAt((a.clientX + b.clientX) / 2));
    pinched = now;
  }

  /* The x position under a point of the screen. */
  function positionAt(clientX) {
    const gd = chart.graph();
    const { l, w } = gd._fullLayout._size;
    const share = clamp((clientX - gd.getBoundingClientRect().left - l) / w, 0, 1);
    const [from, to] = wanted || chart.range();
    return from + (to - from) * share;
  }

  let resized = 0;
  function onResize() {
    clearTimeout(resized);
    resized = setTimeout(() => {
      if (onCharts() && chart.meta() && !busy()) chart.show(chart.range(), { gesture: false });
    }, SETTLE_MS);
  }
})();
