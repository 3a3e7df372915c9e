// Before the show starts: set the formulas, then shrink what is too large for its slide.
(async () => {
  const SMALLEST = 0.5;
  if (window.renderMathInElement)
    for (const text of document.querySelectorAll(".text, h1, h2"))
      renderMathInElement(text, {
        delimiters: [
          { left: "$$", right: "$$", display: true },
          { left: "$", right: "$", display: false },
        ],
        throwOnError: false,
      });
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  await document.fonts.ready;

  // A wide formula gets smaller by itself, not the text around it.
  for (const formula of document.querySelectorAll(".katex-display")) {
    const room = formula.clientWidth / formula.firstElementChild.scrollWidth;
    if (room < 1) formula.style.fontSize = `${Math.max(0.6, room * 0.98)}em`;
  }

  const fits = (body) =>
    body.scrollHeight <= body.clientHeight && body.scrollWidth <= body.clientWidth;
  for (const body of document.querySelectorAll(".frame > .body")) {
    const blocks = body.querySelectorAll(":scope > .block:not(.picture):not(.view)");
    const zoom = (value) => blocks.forEach((block) => (block.style.zoom = value));
    if (!blocks.length || fits(body)) continue;
    let [low, high] = [SMALLEST, 1];
    for (let step = 0; step < 7; step++) {
      const middle = (low + high) / 2;
      zoom(middle);
      if (fits(body)) low = middle;
      else high = middle;
    }
    zoom(low);
    body.dataset.zoom = low.toFixed(2);
  }
  document.body.classList.remove("measuring");

  // A page inside another one (the speaker view has two) must not take the address over.
  await Reveal.initialize({
    width: 1280,
    height: 720,
    margin: 0,
    center: false,
    hash: true,
    transition: "none",
    slideNumber: "c/t",
    pdfSeparateFragments: false,
    pdfMaxPagesPerSlide: 1,
    plugins: [RevealNotes],
  });
  if (/print-pdf/.test(location.search))
    Reveal.on("pdf-ready", () => (document.documentElement.dataset.printable = "yes"));
})();
