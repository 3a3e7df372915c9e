// What BertViz calls beside d3-selection: a few functions of require.js, jQuery and d3.
var drawView;
function requirejs(names, draw) { drawView = () => draw(jQuery, d3); }

class Nodes {
  constructor(nodes) { this.nodes = nodes; }
  each(act) { this.nodes.forEach(act); return this; }
  append(child) { return this.each(node => child.nodes.forEach(one => node.appendChild(one))); }
  val(value) { return this.each(node => { node.value = value; }); }
  text(value) { return this.each(node => { node.textContent = value; }); }
  attr(name, value) { return this.each(node => node.setAttribute(name, value)); }
  empty() { return this.each(node => node.replaceChildren()); }
  on(type, listener) { return this.each(node => node.addEventListener(type, listener)); }
  change() { return this.each(node => node.dispatchEvent(new Event("change"))); }
}

function jQuery(what) {
  const tag = /^<(\w+)/.exec(what);
  return new Nodes(tag ? [document.createElement(tag[1])] : [...document.querySelectorAll(what)]);
}

// Ten colors that can be told apart on white and on black.
d3.schemeCategory10 = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C510A",
  "#767676", "#8F7F00", "#7B5FC4"];
d3.scaleOrdinal = colors => i => colors[i % colors.length];
d3.line = function () {
  let x, y;
  const path = points => points.map((p, i) => (i ? "L" : "M") + x(p) + "," + y(p)).join("");
  path.x = get => { x = get; return path; };
  path.y = get => { y = get; return path; };
  return path;
};
// "#rrggbb" as hue in degrees, saturation and lightness from 0 to 1.
d3.hsl = function (color) {
  const [r, g, b] = [1, 3, 5].map(i => parseInt(color.slice(i, i + 2), 16) / 255);
  const max = Math.max(r, g, b), range = max - Math.min(r, g, b), l = max - range / 2;
  const turn = !range ? 0 : max === r ? (g - b) / range + 6 : max === g ? (b - r) / range + 2
    : (r - g) / range + 4;
  const s = range ? range / (1 - Math.abs(2 * l - 1)) : 0;
  return { h: (60 * turn) % 360, s, l, toString() {
    return `hsl(${this.h},${100 * Math.max(0, this.s)}%,${100 * this.l}%)`; } };
};
