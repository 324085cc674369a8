/* Runs in the head, before anything is painted: the theme of the cookie, at first the system's.
   The cookie tells the server which colours a figure needs. */
(function () {
  "use strict";
  const root = document.documentElement;
  const saved = /(?:^|;\s*)theme=(dark|light)(?:;|$)/.exec(document.cookie);
  const system = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";

  function apply(theme) {
    root.dataset.theme = theme;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `theme=${theme}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  }

  apply(saved ? saved[1] : system);

  document.addEventListener("click", (event) => {
    if (!event.target.closest || !event.target.closest("#theme-toggle")) return;
    apply(root.dataset.theme === "dark" ? "light" : "dark");
    window.mlt.ask(); // figures carry colours, the server draws them anew
  });
})();
