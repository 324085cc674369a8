/* The basket of symbols to compare, kept for the browser's session (dcc.Store "compare-basket").
   Any <button data-compare="CODE"> puts a symbol in or takes it out; the second one opens Compare.
   While Compare is open, its address is the basket. */
(function () {
  "use strict";
  const mlt = window.mlt;
  const callbacks = window.dash_clientside.mlt;
  const MOST = 8;

  let basket = [];

  const href = () => "/compare?symbols=" + basket.map(encodeURIComponent).join(",");

  function keep(codes) {
    basket = codes;
    mlt.set("compare-basket", { data: codes });
    mlt.showBasket();
  }

  function press() {
    for (const button of document.querySelectorAll("[data-compare]")) {
      button.setAttribute("aria-pressed", String(basket.includes(button.dataset.compare)));
    }
  }

  function toggle(code) {
    if (basket.includes(code)) {
      keep(basket.filter((other) => other !== code));
    } else if (basket.length >= MOST) {
      mlt.toast(`Compare takes ${MOST} symbols; take one out first`);
    } else {
      keep([...basket, code]);
      if (basket.length > 1) mlt.navigate(href());
    }
  }

  document.addEventListener("click", (event) => {
    if (event.button !== 0 || event.detail > 1 || !event.target.closest) return; // no second half
    const button = event.target.closest("[data-compare], [data-basket-clear]");
    if (!button) return;
    if (button.hasAttribute("data-basket-clear")) keep([]);
    else toggle(button.dataset.compare);
  });

  document.addEventListener("mlt:address", () => {
    const { path, search } = mlt.address();
    if (path !== "/compare") return;
    const symbols = new URLSearchParams(search).get("symbols") || "";
    const codes = symbols.split(",").map((code) => code.trim()).filter(Boolean);
    if (codes.length) keep([...new Set(codes)].slice(0, MOST));
  });

  function tray() {
    const { part } = mlt;
    const out = (code) =>
      part("Button", {
        type: "button",
        className: "button small chip",
        "data-compare": code,
        "aria-pressed": "true",
        title: `Take ${code} out`,
        children: [code, part("Span", { className: "icon icon-close", "aria-hidden": "true" })],
      });
    const next =
      basket.length > 1
        ? part("A", { href: href(), className: "button small", children: "Open Compare" })
        : part("Span", { className: "muted", children: "Press Compare on another symbol" });
    const clear = part("Button", {
      type: "button",
      className: "button small",
      "data-basket-clear": "",
      children: "Clear",
    });
    return [part("Span", { children: "Compare" }), ...basket.map(out), next, clear];
  }

  /* Where the page has them: buttons pressed or not, the tray filled or empty. */
  mlt.showBasket = () => {
    press();
    if (document.getElementById("compare-tray")) {
      mlt.set("compare-tray", { children: basket.length ? tray() : [] });
    }
  };

  callbacks.basketChanged = (codes) => {
    basket = Array.isArray(codes) ? codes : [];
    mlt.showBasket();
  };
})();
