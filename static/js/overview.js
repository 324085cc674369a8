/* The Overview: clicks on bars filter through the query, and the search box follows the address. */
(function () {
  "use strict";
  const mlt = window.mlt;
  const callbacks = window.dash_clientside.mlt;

  const onOverview = () => mlt.address().path === "/";
  const asked = (name) => new URLSearchParams(mlt.address().search).get(name);

  /* The group of a click, or null: a chart that is put into the page calls with no click. */
  const group = (click) => (click && click.points && click.points[0].customdata) || null;

  function filter(name, value, more) {
    if (value === null || !onOverview()) return;
    mlt.patchQuery({ [name]: asked(name) === value ? null : value, page: null, ...more });
  }

  callbacks.sectorClicked = (click) => filter("sector", group(click), { industry: null });
  callbacks.industryClicked = (click) => filter("industry", group(click), {});

  /* The same by keyboard: a button for each bar. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest("[data-group]");
    if (!button) return;
    const sector = button.dataset.group === "sector";
    filter(button.dataset.group, button.dataset.name, sector ? { industry: null } : {});
  });

  /* One stop of the Tab key for all bars of a chart; arrow keys go from bar to bar. */
  const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

  function keyTo(keys, from, key) {
    if (key === "Home") return keys[0];
    if (key === "End") return keys[keys.length - 1];
    return STEPS[key] && keys[(keys.indexOf(from) + STEPS[key] + keys.length) % keys.length];
  }

  document.addEventListener("keydown", (event) => {
    const button = event.target.closest && event.target.closest("[data-group]");
    if (!button || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = [...button.parentElement.children];
    const next = keyTo(keys, button, event.key);
    if (!next) return;
    event.preventDefault();
    for (const other of keys) other.tabIndex = other === next ? 0 : -1;
    next.focus();
  });

  callbacks.overviewDrawn = (parts) => {
    for (const [id, nodes] of Object.entries(parts || {})) {
      const container = document.getElementById(id);
      if (container) mlt.draw(container, nodes);
    }
    mlt.showBasket();
    follow();
  };

  const box = () => document.getElementById("overview-search");

  callbacks.overviewSearched = (text) => {
    if (text === undefined || text === null || document.activeElement !== box()) return;
    mlt.patchQuery({ q: text.trim(), page: null }, { replace: true });
  };

  /* Back, forward and the first load put the address into the box; typing is left alone. */
  function follow() {
    const text = asked("q") || "";
    if (!onOverview() || !box() || document.activeElement === box()) return;
    if (box().value === text) return;
    box().value = text;
    mlt.set("overview-search", { value: text });
  }

  document.addEventListener("mlt:address", follow);
})();
