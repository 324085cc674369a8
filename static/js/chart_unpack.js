/* The figure that plotly draws, of what dashboard/figures/packing.py sent. */
(function () {
  "use strict";
  const chart = window.mlt.chart;

  /* In place; a figure that is whole already stays as it is. */
  chart.unpacked = (figure) => {
    const { meta } = figure.layout;
    if (meta && meta.ts && meta.ts.runs) meta.ts = stamps(meta.ts);
    for (const trace of figure.data) {
      if (trace.x && trace.x.count) trace.x = Array.from({ length: trace.x.count }, (_, i) => i);
      const colours = trace.marker && trace.marker.color;
      if (colours && colours.digits) {
        trace.marker.color = Array.from(colours.digits, (digit) => colours.names[digit]);
      }
    }
    return figure;
  };

  function stamps({ first, runs }) {
    const ts = [first];
    for (const [step, count] of runs) {
      for (let i = 0; i < count; i += 1) ts.push(ts[ts.length - 1] + step);
    }
    return ts;
  }
})();
