/* The keyboard help, the marks of the navigation, and toasts. */
(function () {
  "use strict";
  const mlt = window.mlt;
  const callbacks = window.dash_clientside.mlt;
  const TOAST_MS = 8000;

  const dialog = () => document.getElementById("help-dialog");
  const typing = (element) =>
    element.closest && element.closest("input, textarea, select, [contenteditable]");

  document.addEventListener("keydown", (event) => {
    if (typing(event.target) || event.ctrlKey || event.metaKey || !dialog()) return;
    if (event.key === "?" && !dialog().open) {
      event.preventDefault();
      dialog().showModal();
    } else if (event.altKey && event.shiftKey && event.code === "KeyT") {
      event.preventDefault();
      document.getElementById("theme-toggle").click();
    }
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest) return;
    if (event.target.closest("#help-open")) dialog().showModal();
    else if (event.target === dialog() || event.target.closest(".dialog-close")) dialog().close();
    else if (event.target.closest(".toast-close")) mlt.set("toast", { children: [] });
  });

  document.addEventListener("mlt:address", () => {
    const { path } = mlt.address();
    for (const link of document.querySelectorAll(".nav-link")) {
      const href = link.getAttribute("href");
      // A section of a page (/ops/log) is that page to the navigation.
      if (href === path || (href !== "/" && path.startsWith(href + "/"))) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  });

  /* A Dash html component, as the server would write it. */
  mlt.part = (type, props) => ({ type, namespace: "dash_html_components", props });

  /* Say one line from the browser, in the words of components.toast(). */
  mlt.toast = (text, kind = "info", action = null) => {
    const { part } = mlt;
    const close = part("Button", {
      className: "toast-close",
      type: "button",
      "aria-label": "Dismiss",
      children: part("Span", { className: "icon icon-close", "aria-hidden": "true" }),
    });
    const line = part("Span", { className: "toast-text", children: text });
    const parts = action ? [line, action, close] : [line, close];
    const toast = part("Div", { className: `toast toast-${kind}`, children: parts });
    mlt.set("toast", { children: [toast] });
  };

  let leave = 0;
  callbacks.toastShown = () => {
    clearTimeout(leave);
    if (document.querySelector("#toast .toast-info")) {
      leave = setTimeout(() => mlt.set("toast", { children: [] }), TOAST_MS);
    }
  };
})();
