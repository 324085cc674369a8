/* The sections of the Ops page ask anew while somebody looks: an element with data-refresh names the
   dcc.Store that a new number goes into, every data-every seconds. Nobody looks where the tab is
   hidden, or where nothing was touched for long: else a forgotten tab would keep its session alive. */
(function () {
  "use strict";
  const mlt = window.mlt;
  const callbacks = window.dash_clientside.mlt;
  const REST_MS = 15 * 60 * 1000;
  const LOOK_MS = 250;
  let asked = 0;
  let last = Date.now(); // when the page was asked for
  let touched = Date.now();

  const root = () => document.querySelector("[data-refresh]");

  function busy() {
    const selection = getSelection();
    return Boolean(selection && !selection.isCollapsed); // to be copied: it must not go away
  }

  function refresh() {
    const page = root();
    if (!page || document.visibilityState === "hidden" || busy()) return;
    const now = Date.now();
    if (now - last < 1000 * Number(page.dataset.every) || now - touched > REST_MS) return;
    last = now;
    asked += 1;
    mlt.set(page.dataset.refresh, { data: asked });
  }

  // Not pointermove: what is drawn anew under a resting pointer moves it, to the browser.
  for (const name of ["pointerdown", "keydown", "wheel", "touchstart"]) {
    addEventListener(name, () => (touched = Date.now()), { passive: true, capture: true });
  }
  document.addEventListener("mlt:address", () => (last = Date.now()));
  document.addEventListener("visibilitychange", refresh);
  setInterval(refresh, LOOK_MS);

  /* Draw the parts that changed. What scrolls stays where it was, what was opened stays open. */
  const drawn = new WeakMap();

  function draw(container, nodes) {
    const text = JSON.stringify(nodes);
    if (drawn.get(container) === text) return;
    drawn.set(container, text);
    const scrolled = [];
    const opened = [];
    for (const element of container.querySelectorAll("[id]")) {
      if (element.scrollLeft || element.scrollTop) {
        scrolled.push([element.id, element.scrollLeft, element.scrollTop]);
      }
      if (element.open) opened.push(element.id);
    }
    mlt.draw(container, nodes);
    for (const id of opened) {
      const again = document.getElementById(id);
      if (again) again.open = true;
    }
    for (const [id, left, top] of scrolled) {
      const again = document.getElementById(id);
      if (again) again.scrollTo(left, top);
    }
  }

  callbacks.opsDrawn = (parts) => {
    for (const [id, nodes] of Object.entries(parts || {})) {
      const container = document.getElementById(id);
      if (container) draw(container, nodes);
    }
  };
})();
