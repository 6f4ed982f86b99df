// What the page does in the browser: the photo with its overlay, and how photos come to
// it. Python sends values, see the rooms page.py; nothing here writes HTML from them, so
// that no caption or file name is ever run.

"use strict";

globalThis.sightread ??= (() => {
  const LATE = 30000; // ms after which nobody waits for a photo's description any more
  const COVER = 320; // longer side of the overlay, px, before the browser enlarges it

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

  // An element that is written as HTML. What is put into it is an element, a list of
  // elements, nothing, or text, which stays text.
  function html(parts, ...inside) {
    const template = make("template");
    template.innerHTML = parts.join("<!---->").replace(/(?<=>)\s*\n\s*|\s*\n\s*(?=<)/g, "");
    const walker = document.createTreeWalker(template.content, NodeFilter.SHOW_COMMENT);
    const places = inside.map(() => walker.nextNode());
    places.forEach((place, number) => {
      place.replaceWith(...[inside[number]].flat().filter((one) => one !== null));
    });
    return template.content.firstElementChild;
  }

  function button(text, act, className = "") {
    const made = make("button", { type: "button", className }, text);
    made.addEventListener("click", act);
    return made;
  }

  function bar(share) {
    const made = html`<span class="sr-bar" aria-hidden="true"><span class="sr-full"></span></span>`;
    made.firstChild.style.width = `${100 * share}%`;
    return made;
  }

  // What stands where something will be: steps are pairs of a beginning and the rest.
  const promise = (head, steps) =>
    html`<div class="sr-promise">
      <h2>${head}</h2>
      ${steps.map(([first, rest]) => html`<p><strong>${first}</strong>${` ${rest}`}</p>`)}
    </div>`;

  const problem = (text) => html`<p class="sr-problem" role="alert">${text}</p>`;

  function download(blob, name) {
    const link = make("a", { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // Tell the style how things stand. Gradio lets a page's style reach in here, not above.
  const mark = (state, on) =>
    document.getElementById("workspace").classList.toggle(state, on);

  // ---- the photo

  // What others need of it; `showStage` says how.
  const stage = {
    image: make("img", { className: "sr-photo", alt: "The photo that is described" }),
    field: null, // selector of the field that brings photos to Python
    largest: Infinity, // bytes of a photo
    show: () => {}, // a map: { grid, columns, resize, text }
    hide: () => {},
    pin: () => {}, // a map that is shown whenever no other is, and its owner; null ends it
    wait: () => {},
    refuse: () => {}, // say why a photo is not taken
  };

  function showStage(element, props, { trigger, watch }) {
    const cover = html`<canvas class="sr-cover" aria-hidden="true"></canvas>`;
    const [said, trouble, camera] = [make("span"), make("div"), makeCamera()];
    const legend = html`<p class="sr-legend">${said}
      <span class="sr-scale">little<span class="sr-colours" aria-hidden="true"></span>much</span>
    </p>`;
    const shown = html`<div class="sr-shown" hidden>
      <div class="sr-frame">${stage.image}${cover}</div>${legend}
    </div>`;
    element.append(
      html`<div class="sr-stage">${shown}${makeTaker(camera)}${camera.root}${trouble}</div>`,
    );
    showMaps(cover, legend, said);
    if (props.largest) stage.largest = props.largest * 1e6;

    let patience;
    const settle = () => {
      clearTimeout(patience);
      mark("sr-busy", false);
    };
    stage.wait = () => {
      trouble.replaceChildren();
      mark("sr-busy", true);
      clearTimeout(patience);
      patience = setTimeout(settle, LATE);
    };
    stage.refuse = (text) => {
      settle();
      trouble.replaceChildren(problem(text));
    };
    const update = () => {
      const { preview, problem: reason } = props.value ?? {};
      if (reason) stage.refuse(reason);
      if (!preview) return; // the last photo stays
      settle();
      trouble.replaceChildren();
      stage.pin(null);
      stage.image.src = preview;
      const show = () => {
        shown.hidden = false;
        mark("sr-has-photo", true);
      };
      stage.image.decode().then(show, show); // before it, there is no height to reserve
    };
    watch("value", update);
    update();
  }

  function showMaps(cover, legend, said) {
    let pinned = null;
    const draw = (map) => {
      const { naturalWidth: width, naturalHeight: height } = stage.image;
      const visible = Boolean(map && width && map.grid.length);
      cover.hidden = !visible;
      legend.classList.toggle("sr-lit", visible);
      said.textContent = visible ? `${map.text}: ${sightread.whereabouts(map)}` : "";
      if (!visible) return;
      const smaller = COVER / Math.max(width, height);
      cover.width = Math.round(width * smaller);
      cover.height = Math.round(height * smaller);
      sightread.lay(cover, map);
    };
    stage.show = draw;
    // What is pinned belongs to an element, and goes out of sight with it.
    stage.hide = () => draw(pinned?.owner.offsetParent ? pinned.map : null);
    stage.pin = (map, owner) => {
      const last = pinned?.owner;
      if (last?.hasAttribute("aria-pressed")) last.setAttribute("aria-pressed", "false");
      pinned = map && { map, owner };
      draw(map);
    };
    document.addEventListener("click", (event) => {
      if (event.target.closest("[role=tab]")) requestAnimationFrame(() => stage.hide());
    });
    draw(null);
  }

  // Show a map while the pointer or the keyboard is on an element.
  function lookOn(element, map) {
    for (const event of ["pointerenter", "focus"]) {
      element.addEventListener(event, () => stage.show(map));
    }
    for (const event of ["pointerleave", "blur"]) {
      element.addEventListener(event, () => stage.hide());
    }
  }

  // A button for a map. Fingers do not point: what they touch stays until it is touched
  // again.
  function lookButton(map, ...content) {
    const look = button("", () => {
      const on = look.getAttribute("aria-pressed") !== "true";
      stage.pin(on ? map : null, look);
      look.setAttribute("aria-pressed", String(on));
    }, "sr-look");
    look.setAttribute("aria-pressed", "false");
    look.append(...content);
    lookOn(look, map);
    return look;
  }

  // ---- how photos come: chosen, dropped, pasted, from the camera, examples

  function makeTaker(camera) {
    const accept = "image/*,.heic,.heif";
    const chooser = make("input", { type: "file", accept, hidden: true });
    chooser.addEventListener("change", () => {
      give(chooser.files);
      chooser.value = ""; // the same photo can be chosen again
    });
    const choose = button("Choose a photo", () => chooser.click(), "sr-primary");
    // Browsers lend the camera only to pages that come by HTTPS or from this computer.
    const shoot = navigator.mediaDevices ? button("Use the camera", camera.open) : null;
    return html`<div class="sr-taker">
      <p class="sr-invitation">Drop a photo here</p>
      <p class="sr-by-hand">or paste one</p>
      <p class="sr-next">Drop or paste the next one, or</p>
      <div class="sr-actions">${choose}${shoot}${chooser}</div>
    </div>`;
  }

  // Hand a photo to Python, by the field that uploads it.
  function give(files) {
    const photo = [...files].find((file) => file.size) ?? files[0];
    const input = document.querySelector(`${stage.field} input[type=file]`);
    if (!photo || !input) return;
    if (photo.size > stage.largest) {
      const [size, most] = [photo.size, stage.largest].map((bytes) => Math.ceil(bytes / 1e6));
      stage.refuse(`${photo.name} has ${size} MB; photos of up to ${most} MB can be taken.`);
      return;
    }
    if (["search-tab", "look-tab", "about-tab"].some(selected)) tab("describe-tab").click();
    const chosen = new DataTransfer();
    chosen.items.add(photo);
    stage.wait();
    input.files = chosen.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  const tab = (id) => document.getElementById(`${id}-button`);
  const selected = (id) => tab(id)?.getAttribute("aria-selected") === "true";

  // Wherever on the page they are dropped or pasted; the Folder tab takes its own.
  function takePhotos(field) {
    stage.field = field;
    const brings = (event) => event.dataTransfer.types.includes("Files");
    const hint = (on) => mark("sr-dropping", on);
    const typed = (event) =>
      event.target.matches?.("input, textarea") && event.clipboardData.types.includes("text/plain");
    document.addEventListener("dragover", (event) => {
      if (!brings(event)) return;
      event.preventDefault(); // or the browser would leave the page for the photo
      hint(!selected("folder-tab"));
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) hint(false);
    });
    document.addEventListener("drop", (event) => {
      hint(false);
      if (!brings(event)) return;
      event.preventDefault();
      give(event.dataTransfer.files);
    });
    document.addEventListener("paste", (event) => {
      const { files } = event.clipboardData;
      if (!files.length || typed(event)) return;
      event.preventDefault();
      give(files);
    });
  }

  function makeCamera() {
    const video = html`<video autoplay muted playsinline aria-label="What the camera sees"></video>`;
    video.muted = true; // the attribute counts only when a page is parsed
    const take = button("Take the photo", () => shoot(), "sr-primary");
    const cancel = button("Cancel", () => close());
    const root = html`<div class="sr-camera" hidden>
      ${video}<div class="sr-actions">${take}${cancel}</div>
    </div>`;
    let opener = null;

    async function open(event) {
      opener = event.currentTarget;
      try {
        const wanted = { video: { facingMode: "environment" } };
        video.srcObject = await navigator.mediaDevices.getUserMedia(wanted);
      } catch {
        stage.refuse(
          "The camera cannot be used. Allow it for this page in the browser's settings, " +
            "or choose a photo.",
        );
        return;
      }
      root.hidden = false;
      take.focus();
    }

    function close() {
      for (const track of video.srcObject?.getTracks() ?? []) track.stop();
      video.srcObject = null;
      root.hidden = true;
      opener?.focus();
    }

    function shoot() {
      if (!video.videoWidth) return; // it shows nothing yet
      const canvas = make("canvas", { width: video.videoWidth, height: video.videoHeight });
      canvas.getContext("2d").drawImage(video, 0, 0);
      close();
      const type = "image/jpeg";
      canvas.toBlob((blob) => give([new File([blob], "camera.jpg", { type })]), type, 0.92);
    }

    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape") close();
    });
    return { root, open };
  }

  function showExamples(element, props, { trigger }) {
    const choices = props.value.map(({ name, preview }, place) => {
      const choose = button("", () => {
        stage.wait();
        trigger("select", { example: place });
      });
      choose.append(make("img", { src: preview, alt: `Example: ${name}` }));
      return html`<li>${choose}</li>`;
    });
    element.append(html`<div class="sr-tries">
      <p class="sr-note">Or try one of these:</p>
      <ul class="sr-examples" aria-label="Example photos">${choices}</ul>
    </div>`);
  }

  return {
    ...{ bar, button, download, html, lookButton, lookOn, make, percent, problem, promise },
    stage,
    caption: null, // the last one that was shown, as `showCaption` is given it
    ...{ showStage, showExamples, takePhotos },
  };
})();
