// The Describe tab: a caption and its words, other captions, and where the model looked.

"use strict";

Object.assign(
  globalThis.sightread,
  (() => {
    const { bar, button, download, html, lookButton, lookOn, make, percent, problem } =
      globalThis.sightread;
    const { promise, stage } = globalThis.sightread;
    const SMALL = 160; // longer side of a picture of the strip, px
    const LARGE = 320; // the same in the picture to download
    const MARGIN = 16; // px, in that picture
    const WORD_LETTERS = 60;
    const COMING = [
      ["A sentence", "about your photo, with how sure the model is of each word."],
      ["A look inside:", "point at a word to see where in the photo the model looked."],
      ["Your say:", "choose a word to change it, and the rest is written anew."],
    ];

    function showCaption(element, props, { trigger, watch }) {
      const sentence = html`<p class="sr-sentence" role="status"></p>`;
      const rest = html`<div class="sr-rest"></div>`;
      element.append(html`<div class="sr-caption">${sentence}${rest}</div>`);
      let choice = null; // of the last choice: where it was made, until it is answered
      const steer = (chosen, where) => {
        choice = where;
        trigger("select", chosen);
      };
      const update = () => {
        const value = props.value;
        const made = choice;
        choice = null;
        if (value?.problem && made?.failed) {
          made.failed(value.problem); // the caption stays, to choose again
          return;
        }
        stage.pin(null);
        sightread.caption = value?.words ? value : null; // for the tab that looks inside
        sentence.textContent = value?.captions?.[value.chosen].text ?? "";
        rest.replaceChildren(...parts(value, steer));
        if (made) rest.querySelector(made.focus)?.focus();
      };
      watch("value", update);
      update();
    }

    function parts(value, steer) {
      if (!value) return [promise("What you will get", COMING)];
      if (value.problem) return [problem(value.problem)];
      return [
        standing(value),
        ...tags(value),
        byWord(value, steer),
        ...candidates(value, steer),
        strip(value),
      ];
    }

    function standing(value) {
      const caption = value.captions[value.chosen];
      const sure = percent(caption.confidence);
      const likely = value.judged
        ? `Right about the main thing with a probability of ${sure}.`
        : `Each word ${sure} likely, on average.`;
      const doubt = value.original
        ? ` What it wrote at first: “${value.original}”`
        : " It may be quite wrong.";
      return html`<div>
        ${value.unsure
          ? html`<p class="sr-doubt"><strong>The model is not sure of this.</strong>${doubt}</p>`
          : null}
        <div class="sr-actions">
          ${copyButton(caption.text)}<span class="sr-note">${likely}</span>
        </div>
      </div>`;
    }

    function copyButton(text) {
      const said = html`<span class="sr-hidden" role="status"></span>`;
      const copy = button("Copy as alt text", async () => {
        try {
          await navigator.clipboard.writeText(text);
          copy.textContent = "Copied";
        } catch {
          copy.textContent = "This browser does not allow it";
        }
        said.textContent = copy.textContent;
        setTimeout(() => {
          copy.textContent = "Copy as alt text";
          said.textContent = "";
        }, 2000);
      });
      return [copy, said];
    }

    // ---- what is seen, of models with concepts

    function tags(value) {
      if (!value.concepts?.length) return [];
      const rows = value.concepts.map((concept) => html`<li>${tag(concept, value)}</li>`);
      return [
        html`<section>
          <h2>What it sees</h2>
          <p class="sr-note">How likely each is in the photo. Point at one to see where.</p>
          <ul class="sr-tags" aria-label="What it sees">${rows}</ul>
        </section>`,
      ];
    }

    function tag({ word, there, grid }, { columns, resize }) {
      const parts = [`${word} `, html`<small>${percent(there)}</small>`];
      if (!grid.length) return html`<span class="sr-tag">${parts}</span>`;
      const map = { grid, columns, resize, text: `Where it sees “${word}”` };
      const place = `, ${sightread.whereabouts(map)}`;
      return lookButton(map, ...parts, html`<span class="sr-hidden">${place}</span>`);
    }

    // ---- word by word

    function byWord(value, steer) {
      const others = html`<div class="sr-others" id="sr-others"></div>`;
      const list = html`<ol class="sr-words" aria-label="Words"></ol>`;
      const close = () => {
        const open = list.querySelector("[aria-expanded=true]");
        open?.setAttribute("aria-expanded", "false");
        others.replaceChildren();
        stage.pin(null);
        return open;
      };
      value.words.forEach((word, place) => {
        const map = mapOf(value, word);
        const choose = button("", () => {
          if (close() === choose) return;
          choose.setAttribute("aria-expanded", "true");
          others.replaceChildren(...alternatives(value, place, steer));
          stage.pin(map, choose);
          others.querySelector("button, input").focus({ preventScroll: true });
        }, "sr-word");
        choose.setAttribute("aria-expanded", "false");
        choose.setAttribute("aria-controls", others.id);
        const share = html`<small>${percent(word.prob)}</small>`;
        choose.append(html`<span>${word.word}</span>`, bar(word.prob), share);
        lookOn(choose, map);
        list.append(html`<li>${choose}</li>`);
      });
      const section = html`<section>
        <h2>Word by word</h2>
        <p class="sr-note">
          Point at a word to see where the model looked for it. Choose one to change it.
        </p>
        ${list}${others}
      </section>`;
      section.addEventListener("keydown", (event) => {
        if (event.key === "Escape") close()?.focus();
      });
      return section;
    }

    const mapOf = (value, { word, grid }) => ({
      grid,
      columns: value.columns,
      resize: value.resize,
      text: `Where it looked for “${word}”`,
    });

    function alternatives(value, place, steer) {
      const { word, before, others } = value.words[place];
      const trouble = make("div");
      const use = (chosen) => {
        if (!chosen.trim()) return;
        trouble.replaceChildren();
        steer(
          { prefix: before, word: chosen.trim() },
          {
            focus: `.sr-words li:nth-child(${place + 1}) button`,
            failed: (reason) => trouble.replaceChildren(problem(reason)),
          },
        );
      };
      const choices = others
        .filter((other) => other.word !== word)
        .map((other) => {
          const choose = button(`${other.word} `, () => use(other.word));
          choose.append(html`<small>${percent(other.prob)}</small>`);
          return html`<li>${choose}</li>`;
        });
      const input = html`<input type="text" autocomplete="off" placeholder="a word of your own"
        aria-label="A word of your own">`;
      input.maxLength = WORD_LETTERS;
      const own = html`<form class="sr-own">${input}<button type="submit">Use it</button></form>`;
      own.addEventListener("submit", (event) => {
        event.preventDefault();
        use(input.value);
      });
      return [
        html`<p>${`Instead of “${word}”; the rest is then written anew:`}</p>`,
        html`<ul class="sr-choices">${choices}</ul>`,
        own,
        trouble,
      ];
    }

    // ---- other captions

    function candidates(value, steer) {
      if (value.captions.length < 2) return [];
      const rows = value.captions.map((caption, place) => {
        const focus = `.sr-candidates li:nth-child(${place + 1}) button`;
        const choose = button("", () => steer({ prefix: value.prefix, chosen: place }, { focus }));
        choose.setAttribute("aria-pressed", String(place === value.chosen));
        const text = (place === value.chosen && value.original) || caption.text;
        const share = html`<small>${percent(caption.confidence)}</small>`;
        choose.append(html`<span>${text}</span>`, bar(caption.confidence), share);
        return html`<li>${choose}</li>`;
      });
      return [
        html`<section>
          <h2>Captions to choose from</h2>
          <ol class="sr-candidates">${rows}</ol>
        </section>`,
      ];
    }

    // ---- the strip of small heat maps

    function strip(value) {
      const list = html`<ol class="sr-strip"></ol>`;
      for (const word of value.words) {
        const map = mapOf(value, word);
        const label = `${map.text}: ${sightread.whereabouts(map)}`;
        const canvas = make("canvas", { width: SMALL, height: SMALL, aria: { role: "img", label } });
        list.append(html`<li>${canvas}<span aria-hidden="true">${word.word}</span></li>`);
      }
      const draw = () => {
        if (!list.isConnected) return; // the next caption was faster
        const photo = smaller(SMALL);
        list.querySelectorAll("canvas").forEach((canvas, place) => {
          paint(canvas, photo, mapOf(value, value.words[place]));
        });
      };
      // The photo may come after its caption, and is decoded after it came.
      requestAnimationFrame(() => stage.image.decode().then(draw, () => {}));
      return html`<section>
        <h2>Where it looked</h2>
        ${list}
        <div class="sr-actions">${button("Download as a picture", () => save(value))}</div>
      </section>`;
    }

    function smaller(side) {
      const { naturalWidth: width, naturalHeight: height } = stage.image;
      const scale = side / Math.max(width, height);
      const canvas = make("canvas", {
        width: Math.max(1, Math.round(width * scale)),
        height: Math.max(1, Math.round(height * scale)),
      });
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(stage.image, 0, 0, canvas.width, canvas.height);
      return canvas;
    }

    function paint(canvas, photo, map) {
      canvas.width = photo.width;
      canvas.height = photo.height;
      canvas.getContext("2d").drawImage(photo, 0, 0);
      sightread.lay(canvas, map);
    }

    function save(value) {
      const photo = smaller(LARGE);
      const columns = Math.min(value.words.length, 5);
      const [width, height] = [photo.width + MARGIN, photo.height + 36];
      const sheet = make("canvas", {
        width: columns * width + MARGIN,
        height: Math.ceil(value.words.length / columns) * height + 56,
      });
      const context = sheet.getContext("2d");
      context.fillStyle = "#fff";
      context.fillRect(0, 0, sheet.width, sheet.height);
      context.fillStyle = "#111";
      context.font = "600 20px sans-serif";
      const { text } = value.captions[value.chosen];
      context.fillText(text, MARGIN, 34, sheet.width - 2 * MARGIN);
      context.font = "16px sans-serif";
      value.words.forEach((word, place) => {
        const left = MARGIN + (place % columns) * width;
        const top = 52 + Math.floor(place / columns) * height;
        const picture = make("canvas");
        paint(picture, photo, mapOf(value, word));
        context.drawImage(picture, left, top);
        context.fillText(word.word, left, top + photo.height + 20);
      });
      sheet.toBlob((blob) => download(blob, "where-it-looked.png"));
    }

    return { showCaption };
  })(),
);
