// Formulas, names of buttons, the choices above the ledger, and excerpts beside what a search finds.
(function () {
  for (const formula of document.querySelectorAll(".formula"))
    katex.render(formula.textContent, formula,
      { displayMode: formula.tagName === "DIV", throwOnError: true });

  // Its text is its name; the theme's label leaves a part of it out.
  for (const button of document.querySelectorAll(".search-button-field"))
    button.removeAttribute("aria-label");

  const choices = document.querySelector(".ledger-choices");
  if (choices) {
    const claims = [...document.querySelectorAll(".claim")];
    const selects = ["verdict", "kind"].map(
      name => [name, document.getElementById(`ledger-${name}`)]);
    const choose = () => {
      for (const claim of claims) claim.hidden = selects.some(
        ([name, select]) => select.value && select.value !== claim.dataset[name]);
      const shown = claims.filter(claim => !claim.hidden).length;
      document.getElementById("ledger-count").textContent = `${shown} of ${claims.length} claims`;
      for (const part of document.querySelectorAll("section:has(> .claim)"))
        part.hidden = !part.querySelector(".claim:not([hidden])");
    };
    selects.forEach(([, select]) => select.addEventListener("change", choose));
    choices.hidden = false;
    choose();
  }

  // `search_texts.js` holds the text of each section: a page opened from a folder may not read
  // other pages, as Sphinx would for its excerpts.
  const results = document.getElementById("search-results");
  if (!results || !window.SEARCH_TEXTS) return;
  const words = (new URLSearchParams(location.search).get("q") || "").toLowerCase()
    .split(/\s+/).filter(Boolean).map(word => new Stemmer().stemWord(word));
  // The section that holds most of the words most often, and the text around one of them.
  const best = (sections) => {
    const count = ([, title, text]) => words.reduce((sum, word) => {
      const times = `${title} ${title} ${text}`.toLowerCase().split(word).length - 1;
      return sum + Math.min(times, 9) + (times && 100);
    }, 0);
    const found = Object.entries(sections).map(([anchor, [title, text]]) => [anchor, title, text]);
    return found.sort((a, b) => count(b) - count(a)).find(count);
  };
  const excerpt = (text) => {
    const at = text.toLowerCase().indexOf(words.find(word => text.toLowerCase().includes(word)));
    const from = at < 100 ? 0 : text.indexOf(" ", at - 100) + 1;
    const to = text.length - from < 260 ? text.length : text.lastIndexOf(" ", from + 260);
    return (from ? "… " : "") + text.slice(from, to) + (to < text.length ? " …" : "");
  };
  new MutationObserver(() => {
    for (const item of results.querySelectorAll("ul.search > li:not([data-excerpt])")) {
      item.dataset.excerpt = "";
      const link = item.querySelector("a");
      const [page, anchor] = link.getAttribute("href").split("#");
      const sections = SEARCH_TEXTS[page.replace(/\.html$/, "")] || {};
      const found = best(anchor ? { [anchor]: sections[anchor] || ["", ""] } : sections);
      if (!found) continue;
      if (!anchor && found[0]) {
        link.href += `#${found[0]}`;
        link.textContent += ` › ${found[1]}`;
      }
      const line = item.appendChild(document.createElement("p"));
      line.className = "context";
      line.textContent = excerpt(found[2]);
    }
  }).observe(results, { childList: true, subtree: true });
})();
