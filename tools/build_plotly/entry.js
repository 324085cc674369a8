// The trace types that src/mltrading/dashboard/figures may use; scatter is part of the core.
// A type that is missing here is drawn as scatter without a word, so a test compares the two.
'use strict';

const Plotly = require('plotly.js/lib/core');

Plotly.register([
  require('plotly.js/lib/bar'),
  require('plotly.js/lib/candlestick'),
  require('plotly.js/lib/heatmap'),
  require('plotly.js/lib/histogram'),
  require('plotly.js/lib/ohlc'),
]);

module.exports = Plotly;
