"use strict";

{
  const data = JSON.parse(document.getElementById("data").textContent);
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const VALUE = Object.fromEntries([...DIGITS].map((digit, i) => [digit, i / 63]));
  const $ = (id) => document.getElementById(id);
  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };

  // ---- what can be chosen

  let chosen = data.cells[0];
  let view = data.views[0];
  let at = null; // the symbol that is told about: its place in all excerpts

  function choice(group, label, isChosen, choose) {
    const input = make("input", { type: "radio", name: group, checked: isChosen });
    input.addEventListener("change", () => {
      choose();
      color();
    });
    return make("label", {}, input, label);
  }

  function listCells() {
    const list = document.querySelector("#cells .list");
    let heading = null;
    for (const cell of data.cells) {
      if (cell.group !== heading) list.append(make("h3", { textContent: cell.group }));
      heading = cell.group;
      const label = make("span", {}, cell.name, make("small", { textContent: cell.told }));
      list.append(choice("cell", label, cell === chosen, () => (chosen = cell)));
    }
  }

  function listViews() {
    for (const one of data.views) {
      const label = choice("view", one.name, one === view, () => (view = one));
      $("views").append(label);
    }
  }

  // ---- the text

  const spans = [];

  function write() {
    for (const excerpt of data.excerpts) {
      const id = `excerpt-${spans.length}`;
      const heading = make("h3", { id, textContent: excerpt.heading });
      const text = make("div", { className: "excerpt", tabIndex: 0 });
      text.setAttribute("role", "group");
      text.setAttribute("aria-labelledby", id);
      const first = spans.length;
      const last = first + excerpt.symbols.length - 1;
      for (const symbol of excerpt.symbols) {
        const [, shown, after] = data.unit === "word" ? /^(.*?)(\s*)$/s.exec(symbol) : [, symbol, ""];
        const span = make("span", { textContent: shown });
        if (shown === "\n") span.replaceChildren(make("b", { textContent: "↵" }), "\n");
        span.dataset.at = spans.length;
        spans.push(span);
        text.append(span, after);
      }
      text.addEventListener("keydown", (event) => move(event, first, last));
      text.addEventListener("pointerover", (event) => point(event.target));
      text.addEventListener("click", (event) => point(event.target));
      text.addEventListener("focus", () => {
        if (at === null || at < first || at > last) tell(first);
      });
      $("text").append(heading, text);
    }
  }

  function move(event, first, last) {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (!step) return;
    event.preventDefault();
    tell(Math.min(Math.max((at ?? first) + step, first), last));
    spans[at].scrollIntoView({ block: "nearest" });
  }

  function point(target) {
    const span = target.closest("[data-at]");
    if (span) tell(Number(span.dataset.at));
  }

  // ---- its colors

  function digits() {
    return view.line ?? chosen.lines[view.key];
  }

  function value(place) {
    return view.least + VALUE[digits()[place]] * (view.most - view.least);
  }

  // Steps of 5 % are all that eyes can tell, and few styles are made.
  function background(level) {
    const signed = view.least < 0 ? 2 * level - 1 : level;
    const percent = 5 * Math.round(20 * Math.abs(signed));
    if (!percent) return "";
    return `color-mix(in srgb, var(--${signed > 0 ? "warm" : "cold"}) ${percent}%, transparent)`;
  }

  function color() {
    const line = digits();
    const holds = chosen.probe === null ? null : data.holds[chosen.probe];
    spans.forEach((span, place) => {
      span.style.background = background(VALUE[line[place]]);
      span.classList.toggle("holds", holds !== null && holds[place] === "1");
    });
    const inside = $("inside");
    inside.classList.toggle("signed", view.least < 0);
    $("low").textContent = String(view.least).replace("-", "−");
    $("high").textContent = view.most;
    const underlined = holds === null ? "" : ` Underlined: ${chosen.what}.`;
    $("told").textContent = `${chosen.name}: ${chosen.told}. ${chosen.rule}${underlined}`;
    if (at !== null) tell(at);
  }

  function tell(place) {
    if (at !== null) spans[at].classList.remove("at");
    at = place;
    spans[at].classList.add("at");
    const symbol = spans[at].textContent.replace("↵\n", "new line").replace(/^ $/, "space");
    const parts = [`“${symbol}”: ${view.name} ${value(at).toFixed(2).replace("-", "−")}`];
    if (chosen.probe !== null && data.holds[chosen.probe] !== null) {
      const yes = data.holds[chosen.probe][at] === "1";
      parts.push(`${chosen.what}: ${yes ? "yes" : "no"}`);
    }
    $("here").textContent = `${parts.join("; ")}.`;
  }

  listCells();
  listViews();
  write();
  color();
  $("inside").hidden = false;
}
