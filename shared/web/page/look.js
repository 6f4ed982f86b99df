// The tab that looks inside: a text, or the caption just made, colored by what a cell does
// at each symbol, and how a model goes on with the text.

"use strict";

Object.assign(
  globalThis.sightread,
  (() => {
    const { button, html, make, problem } = globalThis.sightread;
    const PAUSE = 200; // ms without a key after which a text is read
    const LATE = 10000; // ms after which an answer is waited for no longer
    const TAIL = 80; // letters of the text before what is written
    const SEEDS = 1e6; // that are drawn here; others can be typed
    const LETTER = 6; // ms until the next letter of what is written

    // What both halves of the tab are about; `listeners` hear when it changes.
    const inside = { text: "", model: null, ofCaption: false, listeners: [] };
    const changed = (pause) => inside.listeners.forEach((listen) => listen(pause));

    // Ask Python for the newest only: the next is asked when the last is answered.
    function asking(trigger) {
      let [timer, since, next] = [null, 0, null];
      const send = () => {
        if (!next || Date.now() - since < LATE) return;
        since = Date.now();
        trigger("select", next);
        next = null;
      };
      return {
        ask(asked, pause = 0) {
          next = asked;
          clearTimeout(timer);
          timer = setTimeout(send, pause);
        },
        answered() {
          since = 0;
          send();
        },
        drop() {
          next = null;
        },
      };
    }

    // Nobody is asked before the tab is seen, and again when it is seen once more.
    function whenSeen(element, act) {
      new IntersectionObserver((entries) => {
        if (entries.some((entry) => entry.isIntersecting)) act();
      }).observe(element);
    }

    function choices(legend, group, options, isChosen, choose) {
      const labels = options.map(({ key, name }) => {
        const input = make("input", { type: "radio", name: group, checked: isChosen(key) });
        input.addEventListener("change", () => choose(key));
        return make("label", {}, input, name);
      });
      return html`<fieldset class="sr-radios"><legend>${legend}</legend>${labels}</fieldset>`;
    }

    // ---- the text

    function showInside(element, props, { trigger, watch }) {
      const look = new Look(props, trigger);
      element.append(look.root);
      watch("value", () => look.take(props.value));
      inside.listeners.push((pause) => look.ask(pause));
      whenSeen(look.root, () => look.ask());
    }

    class Look {
      constructor({ models, most, opening, worth }, trigger) {
        this.asking = asking(trigger);
        this.worth = worth;
        this.cell = { layer: 1, number: worth[models[0]]?.[0]?.[1] ?? 1 };
        this.view = "activity";
        [inside.text, inside.model] = [opening, models[0]];
        this.passage = this.value = null;
        this.root = html`<div class="sr-inside">
          ${this.sources(models, most)}
          <div class="sr-inside-halves">
            ${this.cells()}
            <div>${this.shown()}</div>
          </div>
        </div>`;
      }

      // What is read: a text, or the caption.
      sources(models, most) {
        this.field = make("textarea", { id: "sr-text", value: inside.text, rows: 4, maxLength: most });
        this.field.spellcheck = false;
        this.field.addEventListener("input", () => {
          inside.text = this.field.value;
          changed(PAUSE);
        });
        const model = html`<select>${models.map((name) => html`<option>${name}</option>`)}</select>`;
        model.addEventListener("change", () => {
          inside.model = model.value;
          changed(0);
        });
        const choice = html`<label>Model ${model}</label>`;
        choice.hidden = models.length < 2;
        const take = button("Take the caption just made", () => {
          this.field.value = sightread.caption?.captions[sightread.caption.chosen].text ?? "";
          this.field.dispatchEvent(new Event("input"));
        });
        const clear = button("Clear", () => {
          this.field.value = "";
          this.field.dispatchEvent(new Event("input"));
          this.field.focus();
        });
        this.typed = html`<div>
          <label for="sr-text">Text</label>${this.field}
          <div class="sr-actions">${take}${clear}${choice}</div>
        </div>`;
        this.takeCaption = take;
        const options = [
          { key: false, name: "A text of yours, by a model that writes" },
          { key: true, name: "The caption just made, by the captioner that wrote it" },
        ];
        const choose = (ofCaption) => {
          inside.ofCaption = ofCaption;
          this.typed.hidden = ofCaption;
          changed(0);
        };
        return [choices("What is read", "sr-source", options, (key) => !key, choose), this.typed];
      }

      cells() {
        const number = (name, label) => {
          const input = make("input", { type: "number", min: 1, value: this.cell[name], step: 1 });
          input.addEventListener("input", () => {
            const value = Math.min(Math.max(1, Math.floor(input.valueAsNumber)), input.max);
            if (value) this.choose({ ...this.cell, [name]: value }, input);
          });
          this[name] = input;
          return html`<label>${label} ${input}</label>`;
        };
        this.layerChoice = number("layer", "Layer");
        this.sizes = html`<span class="sr-note"></span>`;
        this.known = html`<div></div>`;
        return html`<fieldset class="sr-cells">
          <legend>Cell</legend>
          <div class="sr-actions">${this.layerChoice}${number("number", "Cell")}${this.sizes}</div>
          ${this.known}
        </fieldset>`;
      }

      shown() {
        this.views = html`<div></div>`;
        this.scale = new cellText.Scale();
        this.here = html`<p class="sr-here" role="status"></p>`;
        this.notes = html`<div></div>`;
        this.text = html`<div></div>`;
        this.means = html`<div></div>`;
        const heading = html`<h2 id="sr-inside-text">Colored by the cell</h2>`;
        return [heading, this.views, this.scale.root, this.here, this.notes, this.text, this.means];
      }

      choose(cell, focused = null) {
        this.cell = cell;
        for (const name of ["layer", "number"]) {
          if (this[name] !== focused) this[name].value = cell[name];
        }
        this.markChosen();
        this.ask();
      }

      ask(pause = 0) {
        this.takeCaption.disabled = !sightread.caption;
        const { text, model } = inside;
        const words = sightread.caption?.words.map(({ word }) => word);
        if (inside.ofCaption ? !words : !text) {
          this.asking.drop();
          const missing = inside.ofCaption
            ? "There is no caption now: drop a photo on the page, and come back here."
            : "Type or paste a text above.";
          this.forget(html`<p class="sr-note">${missing}</p>`);
          return;
        }
        const what = inside.ofCaption ? { caption: words } : { text, model };
        this.asking.ask({ ...what, ...this.cell }, pause);
      }

      // Show what Python answers.
      take(value) {
        this.asking.answered();
        if (!value) return;
        if (value.problem) {
          this.forget(problem(value.problem));
          return;
        }
        this.value = value;
        this.showCell(value);
        this.showViews(value.views);
        this.showText(value);
        this.showMeans(value);
        this.notes.replaceChildren(...value.notes.map((note) => html`<p class="sr-note">${note}</p>`));
        this.color();
      }

      forget(...shown) {
        this.passage = this.value = null;
        for (const part of [this.text, this.means, this.known]) part.replaceChildren();
        this.here.textContent = "";
        this.notes.replaceChildren(...shown);
      }

      showCell({ cell, moves }) {
        this.layerChoice.hidden = cell.layers < 2;
        this.layer.max = cell.layers;
        this.number.max = cell.units;
        this.cell.layer = Math.min(this.cell.layer, cell.layers); // of a model with fewer
        this.cell.number = Math.min(this.cell.number, cell.units);
        for (const name of ["layer", "number"]) {
          if (this[name] !== document.activeElement) this[name].value = this.cell[name];
        }
        const layers = cell.layers > 1 ? `${cell.layers} layers, ` : "";
        this.sizes.textContent = `of ${layers}${cell.units} ${cell.kind.toUpperCase()} cells`;
        const name = (layer, number) => (cell.layers > 1 ? `${layer}/${number}` : `${number}`);
        const worth = inside.ofCaption ? [] : (this.worth[inside.model] ?? []);
        const lists = [
          this.listCells("Worth a look", worth, ([layer, number, what]) => [
            `${name(layer, number)} `,
            html`<small>${what}</small>`,
          ]),
          this.listCells("Moving most in this text", moves, (one) => [name(...one)]),
        ];
        // Who chose one of them by keyboard stays there.
        const focused = document.activeElement?.dataset?.cell;
        this.known.replaceChildren(...lists.flat());
        if (focused) this.known.querySelector(`[data-cell="${focused}"]`)?.focus();
        this.markChosen();
      }

      listCells(heading, found, label) {
        if (!found.length) return [];
        const rows = found.map((one) => {
          const [layer, number] = one;
          const choose = button("", () => this.choose({ layer, number }));
          choose.append(...label(one));
          choose.dataset.cell = `${heading} ${layer}/${number}`;
          choose.dataset.place = `${layer}/${number}`;
          return html`<li>${choose}</li>`;
        });
        const list = html`<ul class="sr-choices">${rows}</ul>`;
        list.setAttribute("aria-label", heading);
        return [html`<p class="sr-note">${heading}:</p>`, list];
      }

      markChosen() {
        const { layer, number } = this.cell;
        for (const one of this.known.querySelectorAll("button")) {
          const chosen = one.dataset.place === `${layer}/${number}`;
          one.setAttribute("aria-pressed", String(chosen));
        }
      }

      showViews(views) {
        const keys = views.map(({ key }) => key).join();
        if (keys === this.keys) return;
        this.keys = keys;
        if (!views.some(({ key }) => key === this.view)) this.view = "activity";
        const choose = (key) => {
          this.view = key;
          this.color();
        };
        const isChosen = (key) => key === this.view;
        this.views.replaceChildren(choices("Color by", "sr-view", views, isChosen, choose));
      }

      showText({ symbols, unit }) {
        const key = JSON.stringify([unit, symbols]);
        if (this.passage?.key === key) return;
        const at = this.passage?.at ?? null;
        this.passage = new cellText.Passage(symbols, unit, "sr-inside-text", () => this.tell());
        this.passage.key = key;
        this.text.replaceChildren(this.passage.root);
        this.color();
        if (at !== null) this.passage.point(at);
      }

      color() {
        if (!this.passage) return;
        const view = this.value.views.find(({ key }) => key === this.view);
        this.passage.color(this.value.lines[this.view], view);
        this.scale.show(view);
        this.tell();
      }

      tell() {
        const { nats, unit } = this.value;
        this.here.textContent =
          this.passage.at === null
            ? `${(nats / Math.LN2).toFixed(2)} bits a ${unit}. Point at one, or use the arrow keys in the text.`
            : `${this.passage.told}.`;
      }

      // Of a caption: how far open each gate was, all cells together.
      showMeans({ means, symbols }) {
        this.means.replaceChildren();
        const gates = Object.entries(means);
        if (!gates.length) return;
        const percent = (share) => `${Math.round(100 * share)} %`;
        const rows = symbols.map((word, place) => {
          const numbers = gates.map(([, shares]) => html`<td>${percent(shares[place])}</td>`);
          return html`<tr><th scope="row">${word.trim()}</th>${numbers}</tr>`;
        });
        const heads = gates.map(([name]) => html`<th scope="col">${name}</th>`);
        this.means.append(html`<table class="sr-means">
          <caption>How far each gate was open, the mean of all cells</caption>
          <thead><tr><th scope="col">Word that was read</th>${heads}</tr></thead>
          <tbody>${rows}</tbody>
        </table>`);
      }
    }

    // ---- how it goes on

    // A text that appears letter by letter. What it shares with the one before stays.
    class Writing {
      constructor() {
        this.before = html`<span class="sr-before"></span>`;
        this.letters = document.createTextNode("");
        this.root = html`<p class="sr-goes-on">${this.before}</p>`;
        this.root.append(this.letters);
      }

      show(before, written) {
        const all = [...written]; // no half of a character
        const shown = this.before.textContent === before ? [...this.letters.data] : [];
        const differs = all.findIndex((letter, at) => letter !== shown[at]);
        const kept = differs < 0 ? all.length : differs;
        const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
        const [since, step] = [performance.now(), still ? 0 : LETTER];
        this.before.textContent = before;
        cancelAnimationFrame(this.frame);
        const draw = () => {
          const count = step ? kept + Math.floor((performance.now() - since) / step) : all.length;
          this.letters.data = all.slice(0, count).join("");
          this.root.ariaBusy = String(count < all.length);
          if (count < all.length) this.frame = requestAnimationFrame(draw);
        };
        draw();
      }
    }

    function showGoesOn(element, props, { trigger, watch }) {
      const { ask, answered, drop } = asking(trigger);
      const slider = make("input", {
        ...{ type: "range", id: "sr-heat", min: 0, max: props.hottest, step: 0.05, value: 0.6 },
      });
      const heat = html`<output for="sr-heat"></output>`;
      const writing = new Writing();
      const said = html`<span class="sr-hidden" role="status"></span>`;
      const trouble = html`<div></div>`;
      const draw = () => Math.floor(SEEDS * Math.random());
      const seed = make("input", {
        ...{ type: "number", id: "sr-seed", min: 0, max: props.seeds, step: 1, value: draw() },
      });
      let wanted = false; // to be read aloud
      const again = (pause = 0) => {
        root.hidden = inside.ofCaption;
        heat.textContent = slider.valueAsNumber.toFixed(2);
        if (root.hidden || !inside.model) {
          drop();
          return;
        }
        const { text, model } = inside;
        const how = { temperature: slider.valueAsNumber, seed: seed.valueAsNumber };
        ask({ text, model, ...how }, pause);
      };
      const another = button("Write another", () => {
        seed.value = draw();
        wanted = true;
        again();
      });
      seed.addEventListener("input", () => again(PAUSE));
      slider.addEventListener("input", () => again(PAUSE / 2));
      const root = html`<section class="sr-on" aria-labelledby="sr-on-head">
        <h2 id="sr-on-head">How the model goes on</h2>
        <p class="sr-note">
          What comes next is drawn as likely as the model finds it. A low temperature keeps to
          what is likeliest, a high one dares more.
        </p>
        <div class="sr-actions">
          <label for="sr-heat">Temperature</label>${slider}${heat}
          <label for="sr-seed">Seed</label>${seed}${another}
        </div>
        ${said}${trouble}${writing.root}
      </section>`;
      element.append(root);
      watch("value", () => {
        answered();
        const value = props.value;
        if (!value) return;
        trouble.replaceChildren(...(value.problem ? [problem(value.problem)] : []));
        writing.root.hidden = Boolean(value.problem);
        if (value.problem) return;
        const before = value.prime.slice(-TAIL);
        const cut = before.length < value.prime.length ? "…" : "";
        writing.show(cut + before, value.written);
        said.textContent = wanted ? value.written : "";
        wanted = false;
      });
      inside.listeners.push(again);
      whenSeen(root, () => again());
    }

    return { showInside, showGoesOn };
  })(),
);
