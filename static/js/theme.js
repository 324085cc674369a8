/* Runs in the head, before anything is painted. The theme is the one that was chosen by a click, as
   long as none was the system's, also when that changes. Two cookies tell the server which colours a
   figure needs: `theme` holds the choice and nothing else, `system_theme` what the system has. */
(function () {
  "use strict";
  const root = document.documentElement;
  const light = matchMedia("(prefers-color-scheme: light)");
  const YEAR = "; Max-Age=31536000";

  const chosen = () => {
    const found = /(?:^|;\s*)theme=(dark|light)(?:;|$)/.exec(document.cookie);
    return found && found[1];
  };

  function keep(name, theme, lasting) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${name}=${theme}; Path=/; SameSite=Lax${lasting}${secure}`;
  }

  /* Show what holds now; figures carry colours, the server draws them anew. */
  function apply() {
    const before = root.dataset.theme;
    const system = light.matches ? "light" : "dark";
    keep("system_theme", system, "");
    root.dataset.theme = chosen() || system;
    if (root.dataset.theme !== before && window.mlt) window.mlt.ask();
  }

  apply();
  light.addEventListener("change", apply);

  document.addEventListener("click", (event) => {
    if (!event.target.closest || !event.target.closest("#theme-toggle")) return;
    keep("theme", root.dataset.theme === "dark" ? "light" : "dark", YEAR);
    apply();
  });
})();
