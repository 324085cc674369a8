/* The address of the page is the only state of a view. It is mirrored into dcc.Store "address"
   ({path, search, n}; n grows each time, so that the same address can be asked again), which is
   the Input of every page callback. Everything that navigates goes through here.

   mlt.navigate(href, {replace})              open an address of this site
   mlt.patchQuery({key: value|null}, {replace, silent})
                                              edit the query; null removes; silent asks nothing
   mlt.ask()                                  ask for the present address again
   mlt.set(id, props)                         set a component's properties
   event "mlt:address" on document            after every change, silent ones too */
(function () {
  "use strict";
  const mlt = (window.mlt = window.mlt || {});
  const dash = (window.dash_clientside = window.dash_clientside || {});
  const callbacks = (dash.mlt = dash.mlt || {});

  let asked = 0;
  let seen = null; // path and query that listeners know

  mlt.address = () => ({ path: location.pathname, search: location.search });

  const key = () => location.pathname + location.search;

  function tell() {
    seen = key();
    document.dispatchEvent(new CustomEvent("mlt:address", { detail: mlt.address() }));
  }

  function next() {
    asked += 1;
    return { ...mlt.address(), n: asked };
  }

  mlt.set = (id, props) => dash.set_props && dash.set_props(id, props);

  mlt.ask = () => {
    mlt.set("address", { data: next() });
    tell();
  };

  /* One text for one meaning: escapes and the order of writing do not make two addresses differ. */
  function canonical(search) {
    return [...new URLSearchParams(search)]
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .join("&");
  }

  function encode(text) {
    return encodeURIComponent(text).replace(/%2C/gi, ",").replace(/%3A/gi, ":");
  }
  mlt.encode = encode;

  const same = (url) =>
    url.pathname === location.pathname && canonical(url.search) === canonical(location.search);

  mlt.navigate = (href, { replace = false, silent = false } = {}) => {
    const url = new URL(href, location.href);
    if (url.origin !== location.origin || same(url)) return false;
    const moved = url.pathname !== location.pathname;
    history[replace ? "replaceState" : "pushState"](null, "", url.pathname + url.search);
    if (silent) {
      tell();
      return true;
    }
    if (moved) scrollTo(0, 0);
    mlt.ask();
    return true;
  };

  mlt.patchQuery = (changes, options = {}) => {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === undefined || value === "") query.delete(name);
      else query.set(name, value);
    }
    const text = canonical(query.toString());
    return mlt.navigate(location.pathname + (text ? "?" + text : ""), options);
  };

  addEventListener("popstate", () => {
    if (key() !== seen) mlt.ask(); // a jump to #anchor also pops, and changes nothing
  });

  const plain = (event) =>
    event.button === 0 &&
    !(event.defaultPrevented || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);

  function followLink(event) {
    const link = event.target.closest("a[href]");
    if (!link || link.target || link.hasAttribute("download") || link.rel === "external") return;
    if (link.origin !== location.origin || link.getAttribute("href").startsWith("#")) return;
    event.preventDefault();
    mlt.navigate(link.href);
  }

  /* <button data-patch='{"sort": "close"}'> edits the query. No callback, hence no call that
     nobody clicked. */
  function followPatch(event) {
    const control = event.target.closest("[data-patch]");
    if (control && !control.disabled) mlt.patchQuery(JSON.parse(control.dataset.patch));
  }

  document.addEventListener("click", (event) => {
    if (!plain(event)) return;
    followLink(event);
    followPatch(event);
  });

  /* The first address, once the frame stands. */
  callbacks.firstAddress = () => {
    setTimeout(tell, 0); // after the frame has been painted with it
    return next();
  };

  /* The server asks for navigation by {href, n} in dcc.Store "goto", or by {ask: true, n} for the
     present address again. */
  callbacks.goTo = (data) => {
    if (data && data.ask) mlt.ask();
    else if (data && data.leave) location.assign(data.href); // out of the frame, to /login say
    else if (data && data.href) mlt.navigate(data.href, { replace: Boolean(data.replace) });
  };

  callbacks.setTitle = (title) => {
    if (title) document.title = title;
  };
})();
