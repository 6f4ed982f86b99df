// The Ask tab: questions with their answers, the newest first.

"use strict";

Object.assign(
  globalThis.sightread,
  (() => {
    const { bar, button, lookButton, make, percent, problem, promise } =
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

    function showAnswers(element, props, trigger, watch) {
      const said = make("p", { className: "sr-hidden", aria: { role: "status" } });
      const trouble = make("div");
      const list = make("ol", { className: "sr-asked", reversed: true });
      const coming = promise("What you will get", COMING);
      element.append(make("div", {}, said, trouble, coming, list));
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
      const list = make("ul", { className: "sr-choices", aria: { label: "Questions to try" } });
      for (const question of SUGGESTED) {
        list.append(make("li", {}, button(question, () => ask(question))));
      }
      element.append(list);
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
      const { unsure } = value;
      return make(
        "li",
        { className: "sr-reply" },
        make("h2", {}, value.question),
        make("p", { className: unsure ? "sr-answer sr-unsure" : "sr-answer" }, value.answer),
        unsure
          ? make("p", { className: "sr-doubt" }, "None of its answers is likely enough.")
          : null,
        ...value.notes.map((note) => make("p", { className: "sr-doubt" }, note)),
        make(
          "div",
          { className: "sr-compared" },
          ranked("It considered", value.answers),
          ranked("Without the photo it would say", value.guesses.slice(0, GUESSES)),
        ),
        looks(value),
      );
    }

    function ranked(head, answers) {
      if (!answers.length) return null;
      const worth = answers.filter(({ confidence }, place) => place < 2 || confidence > TINY);
      const rows = worth.map(({ text, confidence }) =>
        make(
          "li",
          {},
          make("span", {}, text),
          bar(confidence),
          make("small", {}, percent(confidence)),
        ),
      );
      return make(
        "div",
        {},
        make("h3", {}, head),
        make("ol", { className: "sr-ranked" }, ...rows),
      );
    }

    function looks(value) {
      if (!value.maps.length) return null;
      const { columns, resize } = value;
      const buttons = value.maps.map(({ name, grid }) =>
        lookButton({ grid, columns, resize, text: name }, name),
      );
      const hint = make("span", { className: "sr-note" }, "Point at one to see where it looked:");
      return make("div", { className: "sr-actions" }, hint, ...buttons);
    }

    return { showAnswers, showSuggestions };
  })(),
);
