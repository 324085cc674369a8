// Bundles entry.js and writes static/vendor/: the bundle compressed twice (no raw copy is kept),
// its digest, and the licences of everything inside it. Run by build.sh.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');
const esbuild = require('esbuild');

const vendor = path.resolve(__dirname, '../../static/vendor');
const version = require('plotly.js/package.json').version;

function bundle() {
  return esbuild.buildSync({
    entryPoints: [path.join(__dirname, 'entry.js')],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'iife',
    globalName: 'Plotly',
    target: 'es2018',
    charset: 'ascii', // the same bytes whatever charset a server announces
    legalComments: 'none', // PLOTLY-LICENCES.txt holds them whole
    loader: { '.css': 'empty' }, // map styles; no map trace is in the bundle
    define: { global: 'window', 'define.amd': 'false' },
    banner: { js: `/*! plotly.js ${version}, partial bundle, MIT; see PLOTLY-LICENCES.txt */` },
  });
}

function packageFolders(metafile) {
  const used = Object.values(metafile.outputs)[0].inputs;
  const folders = new Set();
  for (const [file, { bytesInOutput }] of Object.entries(used)) {
    const found = file.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//);
    if (found && bytesInOutput > 0) folders.add(path.resolve(found[1]));
  }
  return [...folders].sort();
}

function author(about) {
  const by = about.author || (about.contributors || [])[0] || about.name;
  return typeof by === 'string' ? by : by.name;
}

function licence(folder) {
  const about = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const file = fs.readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  const text = file
    ? fs.readFileSync(path.join(folder, file), 'utf8').trim()
    : `The package carries no licence file; it states: ${about.license}, ${author(about)}.`;
  return `${about.name} ${about.version} (${about.license})\n\n${text}\n`;
}

const built = bundle();
const code = Buffer.from(built.outputFiles[0].contents);
const quality = {
  [zlib.constants.BROTLI_PARAM_QUALITY]: 11,
  [zlib.constants.BROTLI_PARAM_LGWIN]: 24,
  [zlib.constants.BROTLI_PARAM_SIZE_HINT]: code.length,
};
const brotli = zlib.brotliCompressSync(code, { params: quality });
const gzip = zlib.gzipSync(code, { level: 9 });
const digest = crypto.createHash('sha256').update(code).digest('hex');
const rule = `\n${'-'.repeat(80)}\n\n`;

fs.mkdirSync(vendor, { recursive: true });
fs.writeFileSync(path.join(vendor, 'plotly.min.js.br'), brotli);
fs.writeFileSync(path.join(vendor, 'plotly.min.js.gz'), gzip);
fs.writeFileSync(path.join(vendor, 'plotly.min.js.sha256'), `${digest}  plotly.min.js\n`);
fs.writeFileSync(
  path.join(vendor, 'PLOTLY-LICENCES.txt'),
  packageFolders(built.metafile).map(licence).join(rule)
);
console.log(`plotly.js ${version}: ${code.length} bytes, br ${brotli.length}, gz ${gzip.length}`);
console.log(`sha256 ${digest}`);
