/* Compare: dragging over a part of the chart asks for that window. */
(function () {
  "use strict";
  const callbacks = window.dash_clientside.mlt;

  /* Epoch seconds as an address has them: a date, or a minute in UTC. */
  const moment = (seconds) =>
    new Date(seconds * 1000)
      .toISOString()
      .replace(seconds % 86400 ? /:\d\d\.\d+Z$/ : /T.*$/, seconds % 86400 ? "Z" : "");

  callbacks.compareZoomed = (change, figure) => {
    const ts = figure && figure.layout && figure.layout.meta && figure.layout.meta.ts;
    if (!change || !ts || !ts.length || !("xaxis.range[0]" in change)) return;
    const first = Math.max(0, Math.ceil(change["xaxis.range[0]"]));
    const last = Math.min(ts.length - 1, Math.floor(change["xaxis.range[1]"]));
    if (last - first < 1) return;
    const step = ts[last] - ts[last - 1];
    const end = last + 1 < ts.length ? ts[last + 1] : ts[last] + step;
    window.mlt.patchQuery({ start: moment(ts[first]), end: moment(end), range: null });
  };
})();
