/* How long this page took, told to the server: of a share of page loads (data-timings of <html>),
   under names that the server knows, with nothing about the person or what was looked at.

   [kind, name, page, milliseconds]: "load" until the page was loaded; "callback" one round trip, by
   its first output; "paint" from a change of the address until the chart of it was on screen
   (event "mlt:painted" of chart.js); "long_task" what kept the page from answering. */
(function () {
  "use strict";
  const mlt = window.mlt;
  const share = Number(document.documentElement.dataset.timings || 0);
  if (!(Math.random() < share) || !navigator.sendBeacon) return;

  const EVERY_MS = 30000;
  const MOST = 200; // between two reports; the server takes no more of them
  const OUTPUT = /"output":"((?:[^"\\]|\\.)*)"/;
  const waiting = [];

  function note(kind, name, milliseconds, page = location.pathname) {
    if (waiting.length < MOST) waiting.push([kind, name, page, Math.round(milliseconds * 10) / 10]);
  }

  function tell() {
    if (!waiting.length) return;
    const report = new URLSearchParams({
      csrf_token: token(),
      timings: JSON.stringify(waiting.splice(0)),
    });
    navigator.sendBeacon("/timings", report);
  }

  /* As Dash reads it for its callbacks; a beacon carries no headers. "" where none is asked for. */
  function token() {
    const config = JSON.parse(document.getElementById("_dash-config").textContent);
    const start = config.csrf_token_name + "=";
    const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(start));
    return found ? decodeURIComponent(found.slice(start.length)) : "";
  }

  /* ---- load ---- */

  const opened = location.pathname;

  function loaded() {
    const [entry] = performance.getEntriesByType("navigation");
    if (entry && entry.loadEventEnd > 0) note("load", "", entry.loadEventEnd, opened);
  }

  addEventListener("load", () => setTimeout(loaded, 0));

  /* ---- callbacks: network.js has wrapped fetch before us ---- */

  const send = window.fetch;

  window.fetch = async (request, options) => {
    const output = asked(request, options);
    if (!output) return send(request, options);
    const page = location.pathname;
    const began = performance.now();
    const answer = await send(request, options);
    note("callback", output, performance.now() - began, page);
    return answer;
  };

  function asked(request, options) {
    if (!String(request.url || request).includes("_dash-update-component")) return "";
    const found = OUTPUT.exec((options && options.body) || "");
    if (!found) return "";
    const whole = JSON.parse(`"${found[1]}"`);
    return (whole.startsWith("..") ? whole.slice(2, -2).split("...")[0] : whole).split("@")[0];
  }

  /* ---- paint, and what keeps the page from it ---- */

  document.addEventListener("mlt:painted", (event) => note("paint", "", event.detail.milliseconds));

  if (PerformanceObserver.supportedEntryTypes.includes("longtask")) {
    new PerformanceObserver((list) => {
      for (const task of list.getEntries()) note("long_task", "", task.duration);
    }).observe({ type: "longtask", buffered: true });
  }

  setInterval(tell, EVERY_MS);
  addEventListener("pagehide", tell);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") tell();
  });
  mlt.tellTimings = tell;
})();
