/* The controls of Charts that are more than buttons with data-patch: indicators, share, keys. They
   edit the address and nothing else, and only what a user did counts: these are the browser's own
   events, which a value set by the server does not fire. */
(function () {
  "use strict";
  const mlt = window.mlt;
  const chart = mlt.chart;

  const onCharts = () => mlt.address().path === "/charts";
  const query = () => new URLSearchParams(location.search);

  document.addEventListener("change", (event) => {
    const row = event.target.closest("#indicator-picker .indicator-row");
    if (row) changeIndicator(row);
  });

  /* Which range button is pressed, also after a pan that asked nothing of the server. */
  document.addEventListener("mlt:address", () => {
    const group = document.getElementById("range-buttons");
    if (!group) return;
    const fields = query();
    const window_ = fields.get("start") || fields.get("end");
    const usual = fields.get("interval") ? "" : group.dataset.default;
    const range = window_ ? "" : (fields.get("range") || usual).toUpperCase();
    for (const button of group.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.textContent === range));
    }
  });

  /* The file holds the window that is on screen, also after a pan that asked nothing. */
  document.addEventListener("mlt:address", () => {
    const link = document.getElementById("chart-csv");
    if (!link || !link.hasAttribute("href")) return;
    const file = new URL(link.href);
    for (const name of ["start", "end"]) {
      const moment = query().get(name);
      if (!moment) continue;
      file.searchParams.set(name, moment);
      file.searchParams.delete("range");
    }
    link.href = file.pathname + file.search;
  });

  /* ---- indicators ---- */

  const rows = () => [...document.querySelectorAll("#indicator-picker .indicator-row")];
  const picker = () => document.getElementById("indicator-picker");

  function spec(row) {
    const values = [...row.querySelectorAll("input")].map((input) => input.value.trim());
    return [row.dataset.name, ...values].join(":");
  }

  /* What is wrong with the values of a row, "" when nothing is. */
  function wrong(row) {
    for (const input of row.querySelectorAll("input")) {
      const { min, max } = input;
      const value = Number(input.value);
      const whole = input.step === "1";
      const name = input.closest("label").firstChild.textContent;
      if (!input.value.trim() || !Number.isFinite(value)) return `${name}: a number is needed`;
      if (value < Number(min) || value > Number(max)) return `${name}: ${min} to ${max}`;
      if (whole && !Number.isInteger(value)) return `${name}: a whole number is needed`;
    }
    const [fast, slow] = [...row.querySelectorAll("input")].map((input) => Number(input.value));
    return row.dataset.ordered && fast >= slow ? "fast must be below slow" : "";
  }

  function changeIndicator(row) {
    const problem = wrong(row);
    row.querySelector(".indicator-problem").textContent = problem;
    for (const input of row.querySelectorAll("input")) {
      input.setAttribute("aria-invalid", String(Boolean(problem)));
    }
    if (!problem) mlt.patchQuery({ indicators: rows().map(spec).join(",") });
  }

  document.addEventListener("click", (event) => {
    if (!picker() || !event.target.closest) return;
    const add = event.target.closest("[data-add]");
    const remove = event.target.closest("[data-remove]");
    const present = rows().map(spec);
    if (add && !add.disabled) {
      mlt.patchQuery({ indicators: [...present, add.dataset.add].join(",") });
    } else if (remove) {
      const gone = remove.closest(".indicator-row");
      const kept = rows().filter((row) => row !== gone).map(spec);
      mlt.patchQuery({ indicators: kept.join(",") || null });
    } else if (picker().open && !picker().contains(event.target)) {
      picker().open = false;
    }
  });

  /* ---- share ---- */

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copySelected(text); // no clipboard without a secure address or the right
    }
  }

  function copySelected(text) {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "visually-hidden";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }

  /* The address of exactly what is on screen: its window by dates, not "the last year". */
  function link() {
    const fields = query();
    if (chart.meta()) {
      const { start, end } = chart.window();
      fields.delete("range");
      fields.set("start", start);
      fields.set("end", end);
    }
    const text = [...fields].map(([name, value]) => `${name}=${mlt.encode(value)}`).join("&");
    return `${location.origin}/charts?${text}`;
  }

  document.addEventListener("click", async (event) => {
    if (!event.target.closest || !event.target.closest("#share-link")) return;
    const text = link();
    const done = await copy(text);
    mlt.toast(done ? "Link to exactly this view copied" : `Copy this link: ${text}`);
  });

  /* ---- keys ---- */

  const typing = (element) =>
    element.closest && element.closest("input, textarea, select, [contenteditable], dialog[open]");

  function toggleScale(scale) {
    const now = query().get("scale") || "linear";
    mlt.patchQuery({ scale: now === scale ? null : scale });
  }

  const span = () => {
    const [from, to] = chart.range();
    return to - from;
  };

  const MOVES = {
    ArrowLeft: () => chart.pan(-1),
    ArrowRight: () => chart.pan(1),
    "Ctrl ArrowLeft": () => chart.pan(-span() / 2),
    "Ctrl ArrowRight": () => chart.pan(span() / 2),
    "Ctrl ArrowUp": () => chart.zoom(0.8),
    "Ctrl ArrowDown": () => chart.zoom(1.25),
  };
  const ALT = {
    KeyR: () => chart.reset(),
    KeyL: () => toggleScale("log"),
    KeyP: () => toggleScale("percent"),
  };
  /* The control of a key, where the deployment may leave it out (features.advanced_charts). */
  const NEEDS = { KeyL: "scale-picker", KeyP: "scale-picker" };
  const there = (id) => !id || Boolean(document.getElementById(id));

  function command(event) {
    if (event.altKey) {
      const other = event.ctrlKey || event.shiftKey || !there(NEEDS[event.code]);
      return other ? undefined : ALT[event.code];
    }
    if (event.key === "/" && !event.ctrlKey) return picker() ? openIndicators : undefined;
    return chart.meta() ? MOVES[(event.ctrlKey || event.metaKey ? "Ctrl " : "") + event.key] : undefined;
  }

  function openIndicators() {
    picker().open = true;
    const first = picker().querySelector("button:not(:disabled), input");
    if (first) first.focus();
  }

  document.addEventListener("keydown", (event) => {
    if (!onCharts() || !there("price-chart") || event.defaultPrevented) return;
    if (event.key === "Escape" && picker()?.open) {
      picker().open = false;
      picker().querySelector("summary").focus();
      return;
    }
    if (typing(event.target)) return;
    const run = command(event);
    if (!run) return;
    event.preventDefault();
    run();
  });
})();
