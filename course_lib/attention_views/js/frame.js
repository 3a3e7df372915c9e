// Unpack VIEW, draw it in the theme of the page around it, and make it fit and usable by keyboard.
(function () {
  const root = document.getElementById("view"), controls = root.innerHTML;
  const frame = window.frameElement;
  let isDark;

  const unround = (x, n) => Array.isArray(x) ? x.map(y => unround(y, n)) : x / n;

  // A byte for each number, in steps of one size, laid out in the order of the shape.
  function unpack(vectors) {
    if (!vectors) return null;
    let flat = Array.from(atob(vectors.bytes), c => ((c.charCodeAt(0) << 24) >> 24) * vectors.step);
    for (const size of vectors.shape.slice(1).reverse()) {
      const rows = [];
      for (let i = 0; i < flat.length; i += size) rows.push(flat.slice(i, i + size));
      flat = rows;
    }
    return flat;
  }

  // layers > heads > rows > columns: the same rows and columns of every head
  const cut = (x, rows, columns) => x && x.map(layer => layer.map(head =>
    head.slice(...rows).map(row => columns ? row.slice(...columns) : row)));
  const attn = unround(VIEW.attn, 1000), queries = unpack(VIEW.queries), keys = unpack(VIEW.keys);
  const all = [0, VIEW.tokens.length], a = [0, VIEW.second], b = [VIEW.second, all[1]];
  const pairs = VIEW.second ? [[all, all], [a, a], [b, b], [a, b], [b, a]] : [[all, all]];
  const attention = pairs.map(([rows, columns]) => ({
    attn: cut(attn, rows, columns), queries: cut(queries, rows), keys: cut(keys, columns),
    left_text: VIEW.tokens.slice(...rows), right_text: VIEW.tokens.slice(...columns) }));
  window.bertviz_params = { ...VIEW.options, attention, default_filter: "0", root_div_id: "view" };

  // The first background that is not see-through decides: JupyterLab, a page or a slide.
  function aroundIsDark() {
    if (VIEW.theme !== "auto") return VIEW.theme === "dark";
    for (let node = frame; node; node = node.parentElement) {
      const color = node.ownerDocument.defaultView.getComputedStyle(node).backgroundColor;
      const [red, green, blue, opacity = 1] = (color.match(/[\d.]+/g) || []).map(Number);
      if (node !== frame && opacity > 0.5) return 0.3 * red + 0.59 * green + 0.11 * blue < 128;
    }
    return false;
  }

  function draw() {
    const now = aroundIsDark();
    if (now === isDark) return;
    isDark = now;
    document.documentElement.className = isDark ? "dark" : "light";
    bertviz_params.display_mode = document.documentElement.className;
    root.innerHTML = controls;
    new MutationObserver(tidy).observe(document.getElementById("vis"),
      { childList: true, subtree: true });
    drawView();
    tidy();
  }

  // Scale the picture to the frame, squeeze long tokens, let Tab reach what the mouse reaches.
  function tidy() {
    const svg = root.querySelector("svg");
    if (!svg) return;
    svg.setAttribute("viewBox", `0 0 ${VIEW.width} ${parseFloat(svg.getAttribute("height"))}`);
    svg.style.maxWidth = VIEW.width + "px";
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", document.title);
    for (const text of svg.querySelectorAll("rect + text")) {
      const room = text.previousElementSibling.width.baseVal.value - 16;
      if (room > 0 && text.getComputedTextLength() > room) {
        text.setAttribute("textLength", room);
        text.setAttribute("lengthAdjust", "spacingAndGlyphs");
      }
    }
    reach(svg);
    fit();
  }

  const send = (node, type) => node.dispatchEvent(new MouseEvent(type, { bubbles: false }));

  function reach(svg) {
    const left = svg.querySelectorAll("#leftText > g");
    const tokens = left.length ? left : [...svg.querySelectorAll("rect.background")]
      .map(rect => rect.parentNode);
    tokens.forEach(token => name(token, token.querySelector("text").textContent, press => {
      const sign = token.querySelector("path + rect");  // opens or closes the computation
      if (!sign) return;
      const place = [...token.parentNode.children].indexOf(token);
      send(sign, "click");
      const now = svg.querySelector("g[visibility=visible] #leftText");
      now && now.children[place].focus();
    }));
    tokens.forEach(token => {
      token.onfocus = () => send(token, "mouseover");
      token.onblur = () => {
        send(token, "mouseleave");
        send(token.parentNode.parentNode, "mouseleave");
      };
    });
    svg.querySelectorAll("rect.attn_background").forEach(back => {
      const [layer, head] = back.id.split("_").slice(2).map(Number);
      const label = `layer ${VIEW.options.include_layers[layer]}, `
        + `head ${VIEW.options.include_heads[head]}`;
      name(back.parentNode.lastElementChild, label, (_, map) => send(map, "click"));
    });
    const squares = svg.lastElementChild.querySelectorAll(":scope > rect[fill]");
    if (VIEW.kind === "head") squares.forEach((square, i) => name(square,
      `head ${VIEW.heads[i]}`,
      (press, one) => send(one, press.shiftKey ? "dblclick" : "click")));
  }

  function name(node, label, act) {
    if (node.hasAttribute("tabindex")) return;
    node.setAttribute("tabindex", "0");
    node.setAttribute("role", "button");
    node.setAttribute("aria-label", label);
    node.addEventListener("keydown", press => {
      if (press.key !== "Enter" && press.key !== " ") return;
      press.preventDefault();
      act(press, node);
    });
  }

  function fit() {
    if (innerWidth && frame) frame.style.height = Math.ceil(document.body.getBoundingClientRect().height) + 8 + "px";
  }

  draw();
  new ResizeObserver(tidy).observe(document.body);  // also when a hidden slide is shown
  if (frame) {
    const note = frame.parentElement.querySelector(".course-view-note");
    if (note) note.hidden = true;
    const later = () => [0, 300, 1500].forEach(wait => setTimeout(draw, wait));
    const outside = frame.ownerDocument, watcher = new MutationObserver(later);
    for (const node of [outside.documentElement, outside.body])
      watcher.observe(node, { attributes: true, attributeFilter: ["class", "style", "data-theme",
        "data-jp-theme-light", "data-jp-theme-name"] });
  }
})();
