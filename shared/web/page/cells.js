// Passages of text colored by what a cell does at each symbol, to be read by pointer and
// by arrow keys: for the page's tab, and for the page of `rnn inspect`. How a cell does
// comes as a line of digits, 64 levels from the least to the most of a view.

"use strict";

globalThis.cellText ??= (() => {
  const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const LEVEL = Object.fromEntries([...DIGITS].map((digit, i) => [digit, i / 63]));
  const STEPS = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };

  const signed = (number) => String(number).replace("-", "−");
  const rounded = (number) => signed(number.toFixed(2));

  function element(tag, className, ...children) {
    const made = document.createElement(tag);
    made.className = className;
    made.append(...children);
    return made;
  }

  // Steps of 5 % are all that eyes can tell, and few styles are made.
  function background(level, view) {
    const share = view.least < 0 ? 2 * level - 1 : level;
    const percent = 5 * Math.round(20 * Math.abs(share));
    if (!percent) return "";
    const color = share > 0 ? "warm" : "cold";
    return `color-mix(in srgb, var(--cells-${color}) ${percent}%, transparent)`;
  }

  // Symbols that follow one another; `root` shows them.
  class Passage {
    // `symbols` is a string of characters, or a list of words, which white space at their
    // ends separates. `tell` is called once another symbol is pointed at.
    constructor(symbols, unit, label, tell) {
      this.tell = tell;
      this.at = null; // the place of the symbol that is pointed at
      this.root = element("div", "cells-text");
      this.root.tabIndex = 0;
      this.root.setAttribute("role", "group");
      this.root.setAttribute("aria-labelledby", label);
      this.spans = [...symbols].map((symbol) => this.write(symbol, unit));
      [...this.spans.entries()].forEach(([place, span]) => (span.dataset.at = place));
      this.listen();
    }

    write(symbol, unit) {
      const [, shown, after] = unit === "word" ? /^(.*?)(\s*)$/s.exec(symbol) : [, symbol, ""];
      const span = element("span", "", shown);
      if (shown === "\n") span.replaceChildren(element("b", "", "↵"), "\n");
      this.root.append(span, after);
      return span;
    }

    listen() {
      const point = ({ target }) => {
        const span = target.closest("[data-at]");
        if (span) this.point(Number(span.dataset.at));
      };
      this.root.addEventListener("pointerover", point);
      this.root.addEventListener("click", point);
      this.root.addEventListener("focus", () => this.point(this.at ?? 0));
      this.root.addEventListener("keydown", (event) => {
        const step = STEPS[event.key];
        if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
        event.preventDefault();
        const last = this.spans.length - 1;
        this.point(Math.min(Math.max((this.at ?? 0) + step, 0), last));
        this.spans[this.at].scrollIntoView({ block: "nearest" });
      });
    }

    // `holds` has a 1 at each symbol that is underlined; null underlines none.
    color(line, view, holds = null) {
      [this.line, this.view] = [line, view];
      this.spans.forEach((span, place) => {
        span.style.background = background(LEVEL[line[place]], view);
        span.classList.toggle("holds", holds !== null && holds[place] === "1");
      });
    }

    point(place) {
      this.leave();
      if (place >= this.spans.length) return;
      this.at = place;
      this.spans[place].classList.add("at");
      this.tell(this);
    }

    leave() {
      if (this.at !== null) this.spans[this.at].classList.remove("at");
      this.at = null;
    }

    // What the symbol is that is pointed at, and what the cell did there.
    get told() {
      const symbol = this.spans[this.at].textContent.replace("↵\n", "new line").replace(/^ $/, "space");
      const { least, most, name } = this.view;
      const value = least + LEVEL[this.line[this.at]] * (most - least);
      return `“${symbol}”: ${name} ${rounded(value)}`;
    }
  }

  // What the colors mean: from a view's least to its most.
  class Scale {
    constructor() {
      this.low = element("span", "");
      this.high = element("span", "");
      const colors = element("span", "cells-colors");
      colors.setAttribute("aria-hidden", "true");
      this.root = element("p", "cells-scale", this.low, colors, this.high);
    }

    show({ least, most }) {
      this.root.classList.toggle("signed", least < 0);
      this.low.textContent = signed(least);
      this.high.textContent = most;
    }
  }

  return { Passage, Scale };
})();
