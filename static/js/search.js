/* The symbol search: an ARIA combobox. The server suggests (dcc.Store "search-text" ->
   #symbol-options) and decides on Enter without a choice (dcc.Store "search-enter" ->
   "search-found"), so that fast typing never opens the answer to an older text. */
(function () {
  "use strict";
  const mlt = window.mlt;
  const callbacks = window.dash_clientside.mlt;
  const SUGGEST_AFTER_MS = 120;

  let active = -1;
  let timer = 0;
  let asked = 0;
  let entered = { n: 0, text: "" }; // the newest Enter that the server decides on
  let shown = ""; // the symbol of the page, in the input whenever nobody types

  const input = () => document.getElementById("symbol-search");
  const list = () => document.getElementById("symbol-options");
  const options = () => [...list().querySelectorAll("[role=option]")];

  /* Charts calls this too when it shows a symbol that the address does not name. */
  mlt.showSymbol = (code) => {
    shown = code;
    if (input()) restore();
  };

  /* After the input's own handlers: on blur they would put back what was typed. */
  function restore() {
    setTimeout(() => {
      if (document.activeElement !== input()) mlt.set("symbol-search", { value: shown });
    }, 0);
  }

  /* `typing`: the user is writing the next one already, and keeps the input. */
  function openSymbol(code, typing = false) {
    if (!typing) {
      close();
      input().blur();
    }
    if (mlt.address().path === "/charts") {
      mlt.patchQuery({ symbol: code, start: null, end: null });
    } else {
      mlt.navigate("/charts?symbol=" + encodeURIComponent(code));
    }
    mlt.showSymbol(code);
  }

  function close() {
    clearTimeout(timer);
    active = -1;
    list().hidden = true;
    input().setAttribute("aria-expanded", "false");
    input().removeAttribute("aria-activedescendant");
  }

  function suggest() {
    clearTimeout(timer);
    const text = input().value.trim();
    if (!text) {
      close();
      return;
    }
    timer = setTimeout(() => {
      asked += 1;
      mlt.set("search-text", { data: { text, n: asked } });
    }, SUGGEST_AFTER_MS);
  }

  function mark(position) {
    const found = options();
    if (!found.length) return;
    active = (position + found.length) % found.length;
    found.forEach((option, i) => option.setAttribute("aria-selected", String(i === active)));
    found[active].scrollIntoView({ block: "nearest" });
    input().setAttribute("aria-activedescendant", found[active].id);
  }

  function enter() {
    const chosen = list().hidden ? undefined : options()[active];
    const text = input().value.trim();
    if (chosen) openSymbol(chosen.dataset.code);
    else if (text) {
      clearTimeout(timer);
      asked += 1;
      entered = { n: asked, text: input().value };
      mlt.set("search-enter", { data: { text, n: asked } });
    }
  }

  function onKey(event) {
    const open = !list().hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (open) mark(event.key === "ArrowDown" ? active + 1 : Math.max(active, 0) - 1);
      else suggest();
    } else if (event.key === "Enter") {
      event.preventDefault();
      enter();
    } else if (event.key === "Escape") {
      event.preventDefault();
      if (open) close();
      else input().blur();
    }
  }

  /* React made the input; what it does not know of, it leaves alone. */
  function prepare() {
    const attributes = {
      role: "combobox",
      "aria-label": "Find a symbol by code or name",
      "aria-autocomplete": "list",
      "aria-expanded": "false",
      "aria-controls": "symbol-options",
      "aria-keyshortcuts": "Control+K",
    };
    for (const [name, value] of Object.entries(attributes)) input().setAttribute(name, value);
    input().addEventListener("keydown", onKey);
    input().addEventListener("input", suggest);
    input().addEventListener("focus", () => input().select());
    input().addEventListener("blur", () => {
      close();
      restore();
    });
    list().addEventListener("mousedown", (event) => event.preventDefault()); // keep the focus
    list().addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) openSymbol(option.dataset.code);
    });
  }

  callbacks.suggestionsShown = () => {
    active = -1;
    const show = document.activeElement === input() && list().childElementCount > 0;
    list().hidden = !show;
    input().setAttribute("aria-expanded", String(show));
    input().removeAttribute("aria-activedescendant");
  };

  callbacks.symbolFound = (found) => {
    if (!found || !found.code || found.n !== entered.n) return;
    openSymbol(found.code, document.activeElement === input() && input().value !== entered.text);
  };

  const busy = (element) =>
    element.closest("input, textarea, select, [contenteditable], dialog, [role=listbox]");

  document.addEventListener("keydown", (event) => {
    if (!input() || event.defaultPrevented) return;
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey) {
      event.preventDefault();
      input().focus();
      input().select(); // also when it has the focus already: the next symbol replaces the text
    } else if (
      /^[a-z]$/i.test(event.key) &&
      !(event.ctrlKey || event.metaKey || event.altKey || busy(event.target))
    ) {
      input().focus(); // the letter itself then arrives in the input
    }
  });

  document.addEventListener("mlt:address", () => {
    if (!input()) return;
    if (!input().hasAttribute("role")) prepare();
    const { path, search } = mlt.address();
    const symbol = new URLSearchParams(search).get("symbol");
    if (path !== "/charts") mlt.showSymbol("");
    else if (symbol) mlt.showSymbol(symbol);
  });
})();
