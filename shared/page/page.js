// What the page does in the browser: the photo with its overlay, the words of a caption,
// questions with their answers. Python sends values, see the rooms page.py; nothing
// here writes HTML from them, so that no caption or file name is ever run.

"use strict";

globalThis.sightread ??= (() => {
  const GRAIN = 96; // pixels a side of a heat map, before the browser enlarges it
  const EVEN = 3; // the scale ends here, times even attention, unless more is paid

  // Cold to hot: red, green, blue, and how much of the photo is hidden.
  const STEPS = [
    [15, 15, 40, 0.6],
    [70, 35, 140, 0.55],
    [205, 50, 110, 0.5],
    [255, 125, 40, 0.5],
    [255, 165, 90, 0.55],
  ];

  const percent = (share) =>
    share > 0 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`;

  function make(tag, properties = {}, ...children) {
    const { dataset, aria, ...rest } = properties;
    const element = Object.assign(document.createElement(tag), rest);
    Object.assign(element.dataset, dataset);
    for (const [name, value] of Object.entries(aria ?? {})) {
      element.setAttribute(name === "role" ? name : `aria-${name}`, value);
    }
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function bar(share) {
    const full = make("span", { className: "sr-full" });
    full.style.width = `${100 * share}%`;
    return make("span", { className: "sr-bar", aria: { hidden: "true" } }, full);
  }

  // ---- heat maps

  // Catmull-Rom: through every value, without corners.
  function cubic(a, b, c, d, t) {
    return (
      b +
      0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    );
  }

  function sample(values, side, x, y) {
    const at = (column, row) => {
      const inside = (place) => Math.min(side - 1, Math.max(0, place));
      return values[inside(row) * side + inside(column)];
    };
    const left = Math.floor(x);
    const top = Math.floor(y);
    const rows = [-1, 0, 1, 2].map((dy) =>
      cubic(...[-1, 0, 1, 2].map((dx) => at(left + dx, top + dy)), x - left),
    );
    return cubic(...rows, y - top);
  }

  function colour(level) {
    const place = Math.min(1, Math.max(0, level)) * (STEPS.length - 1);
    const low = Math.min(STEPS.length - 2, Math.floor(place));
    return STEPS[low].map(
      (value, channel) => value + (STEPS[low + 1][channel] - value) * (place - low),
    );
  }

  function heat(values) {
    const side = Math.sqrt(values.length);
    const most = Math.max(EVEN / values.length, ...values);
    const canvas = make("canvas", { width: GRAIN, height: GRAIN });
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(GRAIN, GRAIN);
    for (let row = 0; row < GRAIN; row += 1) {
      for (let column = 0; column < GRAIN; column += 1) {
        const scale = (place) => ((place + 0.5) * side) / GRAIN - 0.5;
        const level = sample(values, side, scale(column), scale(row)) / most;
        const [red, green, blue, cover] = colour(level);
        pixels.data.set([red, green, blue, 255 * cover], 4 * (row * GRAIN + column));
      }
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  // The part of the photo that the model saw: all, or its middle square.
  function seen(width, height, resize) {
    if (resize !== "crop") return [0, 0, width, height];
    const side = Math.min(width, height);
    return [(width - side) / 2, (height - side) / 2, side, side];
  }

  function paint(canvas, image, map, scale = 1) {
    canvas.width = Math.round(image.naturalWidth * scale);
    canvas.height = Math.round(image.naturalHeight * scale);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    if (map) {
      const place = seen(canvas.width, canvas.height, map.resize);
      context.drawImage(heat(map.grid), ...place);
    }
  }

  // ---- the photo

  const stage = { image: null, show: () => {}, hide: () => {} };

  function showStage(element, props, trigger, watch) {
    const image = make("img", { className: "sr-photo" });
    const cover = make("canvas", { className: "sr-cover", hidden: true });
    cover.setAttribute("aria-hidden", "true");
    const legend = make("p", { className: "sr-legend" });
    const frame = make("div", { className: "sr-frame" }, image, cover);
    const root = make("div", { className: "sr-stage", hidden: true }, frame, legend);
    element.append(root);
    const idle = () => {
      cover.hidden = true;
      legend.textContent = "";
    };
    stage.image = image;
    stage.hide = idle;
    stage.show = (map, text) => {
      if (!image.naturalWidth || !map.grid.length) return;
      paint(cover, image, map);
      cover.hidden = false;
      legend.textContent = text;
    };
    const update = () => {
      idle();
      const value = props.value;
      root.hidden = !value?.preview;
      document.body.classList.toggle("sr-has-photo", !root.hidden);
      if (value?.preview) {
        image.src = value.preview;
        image.alt = value.alt || "The photo that is described";
      }
    };
    watch("value", update);
    update();
  }

  // Show a map while the pointer or the keyboard is on an element.
  function lookOn(element, map, text) {
    const show = () => stage.show(map, text);
    for (const event of ["pointerenter", "focus"]) element.addEventListener(event, show);
    for (const event of ["pointerleave", "blur"]) {
      element.addEventListener(event, stage.hide);
    }
  }

  // ---- a caption and its words

  function showCaption(element, props, trigger, watch) {
    const root = make("div", { className: "sr-caption" });
    element.append(root);
    const update = () => {
      const value = props.value;
      root.replaceChildren();
      if (!value) return;
      if (value.problem) {
        root.append(problem(value.problem));
        return;
      }
      const main = value.captions[value.chosen];
      const others = make("div", { className: "sr-others", aria: { live: "polite" } });
      root.append(
        make("p", { className: "sr-sentence", aria: { role: "status" } }, main.text),
        confidenceOf(main, value.unsure),
        make("div", { className: "sr-actions" }, copyButton(main.text)),
        make(
          "p",
          { className: "sr-hint" },
          "Point at a word to see where the model looked for it. Choose one to change it.",
        ),
        wordButtons(value, others, trigger),
        others,
        candidates(value, trigger),
        strip(value),
      );
    };
    watch("value", update);
    update();
  }

  const problem = (text) =>
    make("p", { className: "sr-problem", aria: { role: "alert" } }, text);

  function confidenceOf(caption, unsure) {
    const text = `Word for word ${percent(caption.confidence)} likely on average.`;
    const doubt = unsure
      ? make("strong", {}, "The model is not sure of this: it may be quite wrong. ")
      : null;
    return make("p", { className: unsure ? "sr-note sr-unsure" : "sr-note" }, doubt, text);
  }

  function copyButton(text) {
    const button = make("button", { type: "button" }, "Copy as alt text");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        button.textContent = "This browser does not allow it";
      }
      setTimeout(() => (button.textContent = "Copy as alt text"), 2000);
    });
    return button;
  }

  function wordButtons(value, others, trigger) {
    const list = make("ol", { className: "sr-words", aria: { label: "Words" } });
    value.words.forEach((word, place) => {
      const label = `${word.word}, ${percent(word.prob)}: change it`;
      const button = make(
        "button",
        { type: "button", className: "sr-word", aria: { label, expanded: "false" } },
        make("span", {}, word.word),
        bar(word.prob),
        make("small", {}, percent(word.prob)),
      );
      lookOn(button, { ...word, resize: value.resize }, `Where it looked for “${word.word}”`);
      button.addEventListener("click", () => {
        const open = button.getAttribute("aria-expanded") === "true";
        for (const one of list.querySelectorAll("button")) {
          one.setAttribute("aria-expanded", "false");
        }
        button.setAttribute("aria-expanded", String(!open));
        others.replaceChildren(...(open ? [] : alternatives(value, place, trigger)));
      });
      list.append(make("li", {}, button));
    });
    return list;
  }

  function alternatives(value, place, trigger) {
    const before = value.words.slice(0, place).map((word) => word.word);
    const use = (word) => {
      if (word.trim()) trigger("select", { prefix: [...before, word.trim()].join(" ") });
    };
    const { word, others } = value.words[place];
    const list = make("ul", { className: "sr-choices" });
    for (const other of others.filter((one) => one.word !== word)) {
      const button = make(
        "button",
        { type: "button" },
        `${other.word} `,
        make("small", {}, percent(other.prob)),
      );
      button.addEventListener("click", () => use(other.word));
      list.append(make("li", {}, button));
    }
    const input = make("input", { type: "text", maxLength: 60, aria: { label: "Another word" } });
    const form = make(
      "form",
      { className: "sr-own" },
      input,
      make("button", { type: "submit" }, "Use it"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      use(input.value);
    });
    return [
      make("p", {}, `Instead of “${word}”; the rest is then written anew:`),
      list,
      form,
    ];
  }

  function candidates(value, trigger) {
    if (value.captions.length < 2) return null;
    const list = make("ol", { className: "sr-candidates" });
    value.captions.forEach((caption, place) => {
      const button = make(
        "button",
        { type: "button", aria: { pressed: String(place === value.chosen) } },
        caption.text,
      );
      button.addEventListener("click", () => trigger("select", { chosen: place }));
      list.append(
        make("li", {}, button, bar(caption.confidence), make("small", {}, percent(caption.confidence))),
      );
    });
    return make("section", {}, make("h3", {}, "Other captions"), list);
  }

  // ---- the strip of small heat maps

  function strip(value) {
    const list = make("ol", { className: "sr-strip", aria: { label: "Where it looked, word by word" } });
    const draw = () => {
      if (!list.isConnected) return;
      const scale = 160 / Math.max(stage.image.naturalWidth, stage.image.naturalHeight);
      const pictures = [...list.querySelectorAll("canvas")];
      value.words.forEach((word, place) => {
        paint(pictures[place], stage.image, { ...word, resize: value.resize }, scale);
      });
    };
    for (const { word } of value.words) {
      const canvas = make("canvas", { width: 160, height: 160 });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Where it looked for ${word}`);
      list.append(make("li", {}, canvas, make("span", {}, word)));
    }
    requestAnimationFrame(() => stage.image.decode().then(draw, () => {}));
    const save = make("button", { type: "button" }, "Download as a picture");
    save.addEventListener("click", () => saveStrip(value, list));
    return make(
      "section",
      {},
      make("h3", {}, "Where it looked"),
      list,
      make("div", { className: "sr-actions" }, save),
    );
  }

  function saveStrip(value, list) {
    const pictures = [...list.querySelectorAll("canvas")];
    const columns = Math.min(pictures.length, 5);
    const width = pictures[0].width + 16;
    const height = pictures[0].height + 36;
    const sheet = make("canvas", {
      width: columns * width + 16,
      height: Math.ceil(pictures.length / columns) * height + 56,
    });
    const context = sheet.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, sheet.width, sheet.height);
    context.fillStyle = "#111";
    context.font = "18px sans-serif";
    context.fillText(value.captions[value.chosen].text, 16, 32, sheet.width - 32);
    context.font = "15px sans-serif";
    pictures.forEach((picture, place) => {
      const left = 16 + (place % columns) * width;
      const top = 52 + Math.floor(place / columns) * height;
      context.drawImage(picture, left, top);
      context.fillText(value.words[place].word, left, top + picture.height + 18);
    });
    sheet.toBlob((blob) => download(blob, "where-it-looked.png"));
  }

  function download(blob, name) {
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // ---- questions and answers

  function showAnswers(element, props, trigger, watch) {
    const list = make("ol", { className: "sr-asked", reversed: true });
    element.append(make("div", { aria: { live: "polite" } }, list));
    const update = () => {
      const value = props.value;
      if (!value) list.replaceChildren();
      else if (value.problem) {
        list.querySelector(".sr-problem")?.closest("li").remove();
        list.prepend(make("li", {}, problem(value.problem)));
      } else {
        list.querySelector(".sr-problem")?.closest("li").remove();
        list.prepend(reply(value));
      }
    };
    watch("value", update);
    update();
  }

  function reply(value) {
    const looks = make("div", { className: "sr-looks" });
    value.maps.forEach(({ name, grid }) => {
      const button = make("button", { type: "button" }, name);
      lookOn(button, { grid, resize: value.resize }, `${name}: “${value.question}”`);
      looks.append(button);
    });
    const item = make(
      "li",
      { className: "sr-reply" },
      make("h3", {}, value.question),
      make("p", { className: "sr-answer" }, value.answer),
      value.unsure
        ? make("p", { className: "sr-note sr-unsure" }, "None of these is likely enough.")
        : null,
      ranked(value.answers, "Answers"),
      make("p", { className: "sr-note" }, "Without looking at the photo it would say:"),
      ranked(value.guesses.slice(0, 3), "Guesses without the photo"),
      ...value.notes.map((note) => make("p", { className: "sr-note sr-unsure" }, note)),
      value.maps.length
        ? make("p", { className: "sr-hint" }, "Point at one to see where it looked:")
        : null,
      looks,
    );
    return item;
  }

  function ranked(answers, label) {
    const list = make("ol", { className: "sr-ranked", aria: { label } });
    for (const { text, confidence } of answers) {
      list.append(
        make(
          "li",
          {},
          make("span", {}, text),
          bar(confidence),
          make("small", {}, percent(confidence)),
        ),
      );
    }
    return list;
  }

  // ---- photos dropped or pasted anywhere, and examples

  function takePhotos(input) {
    const give = (files) => {
      const field = document.querySelector(`${input} input[type=file]`);
      if (!field || !files.length || !document.body.matches(":has(.sr-stage)")) return false;
      const chosen = new DataTransfer();
      chosen.items.add(files[0]);
      field.files = chosen.files;
      field.dispatchEvent(new Event("change", { bubbles: true }));
      return true;
    };
    const inUpload = (event) => event.target.closest?.("input, textarea, .sr-takes-files");
    document.addEventListener("dragover", (event) => event.preventDefault());
    document.addEventListener("drop", (event) => {
      if (!inUpload(event) && give(event.dataTransfer.files)) event.preventDefault();
    });
    document.addEventListener("paste", (event) => {
      if (!inUpload(event)) give(event.clipboardData.files);
    });
  }

  function showExamples(element, props, trigger) {
    const list = make("ul", { className: "sr-examples", aria: { label: "Example photos" } });
    props.value.forEach(({ name, preview }, place) => {
      const image = make("img", { src: preview, alt: "" });
      const button = make("button", { type: "button", aria: { label: `Example: ${name}` } }, image);
      button.addEventListener("click", () => trigger("select", { example: place }));
      list.append(make("li", {}, button));
    });
    element.append(list);
  }

  return { showStage, showCaption, showAnswers, showExamples, takePhotos, make, download, percent, problem, bar };
})();
