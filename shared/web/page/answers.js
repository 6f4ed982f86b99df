// The Ask tab: questions with their answers, the newest first.

"use strict";

Object.assign(
  globalThis.sightread,
  (() => {
    const { bar, button, html, lookButton, make, percent, problem, promise } =
      globalThis.sightread;
    const SUGGESTED = [
      "Is this indoors or outdoors?",
      "How many people are there?",
      "What is the person doing?",
      "Is there a dog?",
    ];
    const COMING = [
      ["An answer,", "or that the model is not sure, with how likely each one is."],
      ["A comparison:", "what it would say without seeing the photo."],
      ["A look inside:", "where in the photo it looked for the answer."],
    ];
    const TINY = 0.005; // answers below it are shown only if there is nothing else
    const GUESSES = 3; // shown of those without the photo

    function showAnswers(element, props, { watch }) {
      const said = html`<p class="sr-hidden" role="status"></p>`;
      const list = html`<ol class="sr-asked" reversed></ol>`;
      const [trouble, coming] = [make("div"), promise("What you will get", COMING)];
      element.append(html`<div>${said}${trouble}${coming}${list}</div>`);
      const update = () => {
        const value = props.value;
        trouble.replaceChildren(...(value?.problem ? [problem(value.problem)] : []));
        if (value?.problem) return;
        said.textContent = value ? `${value.question} ${value.answer}` : "";
        if (value) list.prepend(reply(value));
        else list.replaceChildren();
        coming.hidden = list.childElementCount > 0;
      };
      watch("value", update);
      update();
    }

    function showSuggestions(element) {
      const choices = SUGGESTED.map((text) => html`<li>${button(text, () => ask(text))}</li>`);
      element.append(html`<ul class="sr-choices" aria-label="Questions to try">${choices}</ul>`);
    }

    // As if it had been typed.
    function ask(question) {
      const field = document.querySelector("#question textarea, #question input");
      field.value = question;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      // Gradio hears of it a moment later.
      setTimeout(() => document.getElementById("ask").click());
    }

    function reply(value) {
      const doubts = value.unsure
        ? ["None of its answers is likely enough.", ...value.notes]
        : value.notes;
      const made = html`<li class="sr-reply">
        <h2>${value.question}</h2>
        <p class="sr-answer">${value.answer}</p>
        ${doubts.map((doubt) => html`<p class="sr-doubt">${doubt}</p>`)}
        <div class="sr-compared">
          ${ranked("It considered", value.answers)}
          ${ranked("Without the photo it would say", value.guesses.slice(0, GUESSES))}
        </div>
        ${looks(value)}
      </li>`;
      made.querySelector(".sr-answer").classList.toggle("sr-unsure", value.unsure);
      return made;
    }

    function ranked(head, answers) {
      if (!answers.length) return null;
      const worth = answers.filter(({ confidence }, place) => place < 2 || confidence > TINY);
      const rows = worth.map(
        ({ text, confidence }) => html`<li>
          <span>${text}</span>${bar(confidence)}<small>${percent(confidence)}</small>
        </li>`,
      );
      return html`<div><h3>${head}</h3><ol class="sr-ranked">${rows}</ol></div>`;
    }

    function looks(value) {
      if (!value.maps.length) return null;
      const { columns, resize } = value;
      const buttons = value.maps.map(({ name, grid }) =>
        lookButton({ grid, columns, resize, text: name }, name),
      );
      return html`<div class="sr-actions">
        <span class="sr-note">Point at one to see where it looked:</span>${buttons}
      </div>`;
    }

    return { showAnswers, showSuggestions };
  })(),
);
