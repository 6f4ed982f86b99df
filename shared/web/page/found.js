// The Search tab: photos of the archive that were found, why, and what can be done with
// them, see captioner/page/search_tab.py. Photos are named by their numbers there.

"use strict";

Object.assign(
  globalThis.sightread,
  (() => {
    const { button, html, make, problem, promise, stage } = globalThis.sightread;
    const COMING = [
      ["Photos,", "those first that fit the sentence best."],
      ["Why:", "words that were found, what a photo shows, how likely the sentence is."],
      ["More:", "describe one, ask about it, find similar ones, correct its caption."],
    ];
    const LOST = "The program that serves this page cannot be reached. Try again.";
    const told = (count, sought) => {
      if (count < 2) return `${count ? "1 photo" : "No photos"} for ${sought}`;
      return `${count} photos for ${sought}, the best first`;
    };

    let wait = () => {}; // say that a search has begun

    // Show a photo in the tabs that tell more of it.
    function show(photo, id, trigger) {
      stage.wait();
      trigger("select", { photo });
      const tab = document.getElementById(`${id}-tab-button`);
      tab.click();
      tab.focus();
    }

    function showFound(element, props, { trigger, watch, server }) {
      const head = html`<h2 class="sr-count" tabindex="-1"></h2>`;
      const [trouble, list] = [make("div"), html`<ol class="sr-found"></ol>`];
      const coming = promise("What you will get", COMING);
      const nats = html`<p class="sr-hint" hidden>
        Nats: how much likelier the model finds the sentence for this photo than for
        others, on the scale of the natural logarithm.
      </p>`;
      element.append(
        html`<div class="sr-finder">
          <div role="status">${head}</div>${trouble}${coming}${list}${nats}
        </div>`,
      );
      let said = "";
      wait = () => (head.textContent = "Searching …");
      const update = () => {
        head.textContent = said;
        const { photos, sought, problem: reason } = props.value ?? {};
        trouble.replaceChildren(...(reason ? [problem(reason)] : []));
        if (!photos) return;
        const chosen = list.contains(document.activeElement); // and about to go
        list.replaceChildren(...photos.map((photo) => card(photo, props, trigger, server)));
        coming.hidden = true;
        nats.hidden = !photos.some(({ why }) => why.includes(" nats"));
        head.textContent = said = told(photos.length, sought);
        if (chosen) head.focus();
      };
      watch("value", update);
      update();
    }

    function card(value, { editable, longest }, trigger, server) {
      const { photo, name, preview } = value;
      const caption = html`<p class="sr-says"></p>`;
      const whose = html`<p class="sr-note" role="status"></p>`;
      const fill = ({ caption: text, by_person: person }) => {
        caption.textContent = text;
        whose.textContent = person ? "in a person's words" : "";
      };
      fill(value);
      const act = (text, what, run) => {
        const made = button(text, run);
        made.setAttribute("aria-label", `${text} ${what}`);
        return made;
      };
      const look = button("", () => show(photo, "describe", trigger), "sr-open");
      if (preview) look.append(make("img", { src: preview, alt: `Describe ${name}` }));
      const about = preview
        ? [
            act("Ask", `about ${name}`, () => show(photo, "ask", trigger)),
            act("Similar", `to ${name}`, () => {
            wait();
            trigger("like", { photo });
          }),
          ]
        : [];
      const form = make("div");
      const edit = act("Correct", `the caption of ${name}`, () =>
        correct({ value, form, edit, fill, longest, server }),
      );
      return html`<li>
        ${preview ? look : html`<p class="sr-problem">${value.problem}</p>`}
        ${caption}${whose}
        <p class="sr-note">${name}</p>
        <p class="sr-note">${value.why}</p>
        ${form}
        <div class="sr-actions">${about}${editable ? edit : null}</div>
      </li>`;
    }

    // Have a person's words take the place of a caption.
    function correct({ value, form, edit, fill, longest, server }) {
      if (form.firstChild) return close();
      const trouble = make("div");
      const field = make("textarea", {
        value: value.caption,
        rows: 3,
        maxLength: longest,
        aria: { label: `Caption of ${value.name}` },
      });
      const keep = button("Save", async () => {
        keep.disabled = true;
        const asked = { photo: value.photo, caption: field.value };
        const reply = await server.describe_photo(asked).catch(() => null);
        keep.disabled = false;
        if (typeof reply?.caption !== "string") {
          trouble.replaceChildren(problem(reply?.problem ?? LOST));
          field.focus();
          return;
        }
        Object.assign(value, reply);
        fill(value);
        close();
      }, "sr-primary");
      form.replaceChildren(html`<div class="sr-correct">
        ${field}${trouble}
        <div class="sr-actions">${keep}${button("Cancel", close)}</div>
        <p class="sr-hint">Ctrl+Enter saves. Without words, the model's caption is back.</p>
      </div>`);
      edit.setAttribute("aria-expanded", "true");
      form.onkeydown = (event) => {
        if (event.key === "Escape") close();
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) keep.click();
      };
      field.focus();

      function close() {
        form.replaceChildren();
        edit.setAttribute("aria-expanded", "false");
        edit.focus();
      }
    }

    return { showFound, waitForFound: () => wait() };
  })(),
);
