// The Folder tab in the browser: it holds the photos and their captions, has a few
// described at a time, see captioner/page/folder_tab.py, and asks for files of what stands in
// the table. Names and captions are only ever put on the page as text.

"use strict";

Object.assign(
  globalThis.sightread,
  (() => {
    const { bar, button, download, html, make, percent, problem } = globalThis.sightread;
    const FILES = { csv: "CSV", jsonl: "JSONL", txt: "text files" };
    const PAUSE = 2000; // ms between two reports to who listens to the page
    const GONE =
      "The program that serves this page cannot be reached. What is done is kept; " +
      "“Describe all” goes on with the rest.";
    const order = new Intl.Collator("en", { numeric: true }); // img2 before img10

    // ---- photos that are chosen, dropped or pasted: { file, name }

    const named = (file) => ({ file, name: file.webkitRelativePath || file.name });

    const insides = (reader) =>
      new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));

    async function unpack(entry, found, enough) {
      if (entry.isFile) {
        const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
        if (file) found.push({ file, name: entry.fullPath.replace(/^\//, "") });
        return;
      }
      const reader = entry.createReader();
      let entries;
      do {
        entries = await insides(reader); // a hundred at a time
        for (const one of entries) {
          if (!enough(found)) await unpack(one, found, enough);
        }
      } while (entries.length && !enough(found));
    }

    async function dropped(transfer, enough) {
      const found = [];
      const entries = [...transfer.items] // to be read before anything is awaited
        .filter((item) => item.kind === "file")
        .map((item) => item.webkitGetAsEntry?.());
      if (!entries.every(Boolean)) return [...transfer.files].map(named);
      for (const entry of entries) await unpack(entry, found, enough);
      return found;
    }

    // ---- the table

    const tableOf = (body) =>
      html`<table class="sr-rows">
        <caption class="sr-hidden">Photos and their captions</caption>
        <thead>
          <tr><th scope="col">Photo</th><th scope="col">Caption</th><th scope="col">Confidence</th></tr>
        </thead>
        ${body}
      </table>`;

    function addRow(photo) {
      photo.image = html`<span class="sr-thumb"></span>`;
      photo.text = html`<td><span class="sr-note">waiting</span></td>`;
      photo.share = make("td");
      photo.element = html`<tr>
        <th scope="row">${photo.image}<span>${photo.name}</span></th>${photo.text}${photo.share}
      </tr>`;
    }

    function fillRow(photo, letters, edit) {
      const { row } = photo;
      if (row.error) {
        photo.text.replaceChildren(html`<span class="sr-problem">${row.error}</span>`);
        photo.share.replaceChildren("none");
        return;
      }
      const thumbnail = make("img", { src: row.preview, alt: "", loading: "lazy" });
      photo.image.replaceChildren(thumbnail);
      photo.input = make("textarea", {
        value: row.caption,
        rows: 2,
        maxLength: letters,
        aria: { label: `Caption of ${photo.name}` },
      });
      photo.input.addEventListener("input", () => {
        showShare(photo);
        edit();
      });
      photo.input.addEventListener("change", () => {
        photo.input.value = caption(photo); // as the files will have it
      });
      photo.text.replaceChildren(photo.input);
      showShare(photo);
    }

    const caption = (photo) => photo.input.value.trim().replace(/\s+/g, " ");
    const edited = (photo) => Boolean(photo.input) && caption(photo) !== photo.row.caption;

    function showShare(photo) {
      const { confidence, unsure } = photo.row;
      if (edited(photo)) {
        photo.share.replaceChildren(html`<span class="sr-note">edited</span>`);
        return;
      }
      const doubt = unsure ? html`<strong class="sr-unsure">not sure</strong>` : "";
      photo.share.replaceChildren(percent(confidence), bar(confidence), doubt);
    }

    // What a file is made of.
    function told(photo) {
      const { error, log_prob, confidence, unsure } = photo.row;
      if (error) return { image: photo.name, error };
      const told = { image: photo.name, caption: caption(photo) };
      return edited(photo) ? told : { ...told, log_prob, confidence, unsure };
    }

    // ---- the tab

    class Folder {
      constructor(element, limits, server, upload) {
        Object.assign(this, { limits, server, upload });
        this.photos = [];
        this.running = this.stopping = this.unsaved = false;
        this.said = 0;
        this.build(element);
        this.takeFiles();
        this.update("No photos yet.");
      }

      build(element) {
        const { models } = this.limits;
        this.start = button("Describe all", () => this.run(), "sr-primary");
        this.stop = button("Stop", () => this.halt());
        this.clear = button("Remove all", () => this.removeAll());
        this.model = html`<select>${models.map((name) => html`<option>${name}</option>`)}</select>`;
        this.model.addEventListener("change", () => this.forget());
        this.bar = html`<progress aria-label="Photos dealt with"></progress>`;
        this.status = html`<p role="status"></p>`;
        this.trouble = make("div");
        this.results = this.downloads();
        this.body = make("tbody");
        this.table = tableOf(this.body);
        const choice = html`<label>Model ${this.model}</label>`;
        choice.hidden = models.length < 2;
        this.root = html`<div class="sr-folder">
          ${this.chooser()}${choice}
          <div class="sr-actions">${this.start}${this.stop}${this.clear}</div>
          ${this.bar}${this.status}${this.trouble}${this.results}${this.table}
        </div>`;
        element.append(this.root);
      }

      chooser() {
        const { suffixes, most } = this.limits;
        const chosenBy = (text, how) => {
          const input = make("input", { type: "file", multiple: true, hidden: true, ...how });
          input.addEventListener("change", () => {
            this.add([...input.files].map(named));
            input.value = ""; // the same can be chosen again
          });
          return [button(text, () => input.click()), input];
        };
        const [files, fileInput] = chosenBy("Choose photos", { accept: suffixes.join() });
        const [folder, folderInput] = chosenBy("Choose a folder", { webkitdirectory: true });
        this.choosers = [files, folder];
        this.drop = html`<div class="sr-drop">
          <p>Drop photos or a folder here, or choose them.</p>
          <div class="sr-actions">${files}${folder}${fileInput}${folderInput}</div>
          <p class="sr-hint">
            ${`${most} at most. For more: `}<code>captioner caption folder/ -o captions.csv</code>
          </p>
        </div>`;
        return this.drop;
      }

      downloads() {
        this.files = Object.entries(FILES).map(([format, name]) =>
          button(`Download ${name}`, () => this.save(format)),
        );
        return html`<div>
          <div class="sr-actions">${this.files}</div>
          <p class="sr-hint">
            The files have the captions as they stand here: type to correct them.
            Confidence is how sure the model was.
          </p>
        </div>`;
      }

      // While the tab is open, all that is dropped or pasted anywhere is for it.
      takeFiles() {
        const enough = (found) => found.length > 20 * this.limits.most;
        const open = () => this.root.isConnected && this.root.offsetParent !== null;
        const hint = (on) => this.drop.classList.toggle("sr-over", on);
        const take = (event, files) => {
          event.preventDefault();
          event.stopPropagation();
          files.then((found) => this.add(found));
        };
        const listen = (kind, act) =>
          document.addEventListener(kind, (event) => open() && act(event), true);
        const brings = (event) => event.dataTransfer.types.includes("Files");
        listen("dragover", (event) => hint(brings(event)));
        listen("dragleave", (event) => event.relatedTarget || hint(false));
        listen("drop", (event) => {
          hint(false);
          if (brings(event)) take(event, dropped(event.dataTransfer, enough));
        });
        listen("paste", (event) => {
          const { files, types } = event.clipboardData;
          const typed = event.target.matches?.("textarea") && types.includes("text/plain");
          if (files.length && !typed) take(event, Promise.resolve([...files].map(named)));
        });
        addEventListener("beforeunload", (event) => {
          if (this.unsaved && this.root.isConnected) event.preventDefault();
        });
      }

      add(found) {
        if (this.running) {
          this.complain("Stop before you add photos, or wait until all are described.");
          return;
        }
        const { suffixes, most } = this.limits;
        const known = new Set(this.photos.map((photo) => photo.same));
        const fresh = [];
        for (const { file, name } of found) {
          const suffix = /\.[^./]*$/.exec(name)?.[0].toLowerCase();
          const hidden = name.split("/").some((part) => part.startsWith("."));
          if (hidden || !suffixes.includes(suffix)) continue;
          const same = JSON.stringify([name, file.size, file.lastModified]);
          if (!known.has(same)) fresh.push({ file, name, same, suffix });
          known.add(same);
        }
        if (this.photos.length + fresh.length > most) {
          this.complain(
            `These would be ${this.photos.length + fresh.length} photos; the table takes ` +
              `${most}. Choose fewer, or describe them with “captioner caption”.`,
          );
          return;
        }
        fresh.sort((one, other) => order.compare(one.name, other.name));
        for (const photo of fresh) {
          addRow(photo);
          this.body.append(photo.element);
        }
        this.photos.push(...fresh);
        const rest = found.length - fresh.length;
        const left = rest ? ` ${rest} left out: no photos, or here already.` : "";
        this.trouble.replaceChildren();
        this.update(`${this.count(this.photos.length)} chosen.${left}`);
      }

      // Another model describes anew what nobody has edited.
      forget() {
        for (const photo of this.photos) {
          if (!photo.row || edited(photo)) continue;
          const before = photo.element;
          photo.row = photo.input = null;
          addRow(photo);
          before.replaceWith(photo.element);
        }
        this.update(this.progress());
      }

      removeAll() {
        if (this.unsaved && !confirm("Remove all, with captions that were edited?")) return;
        this.photos = [];
        this.unsaved = false;
        this.body.replaceChildren();
        this.trouble.replaceChildren();
        this.update("No photos yet.");
        this.choosers[0].focus();
      }

      async run() {
        const todo = this.photos.filter((photo) => !photo.row);
        this.running = true;
        this.stopping = false;
        const stopped = new Promise((resolve) => (this.halted = resolve));
        this.trouble.replaceChildren();
        this.update(this.progress());
        this.stop.focus();
        const groups = [];
        while (todo.length) groups.push(todo.splice(0, this.limits.batch));
        // While some are described, the next ones are on their way.
        let coming = this.send(groups[0]);
        for (let place = 0; place < groups.length; place += 1) {
          await Promise.race([coming, stopped]);
          if (this.stopping) break;
          const sent = await coming;
          if (place + 1 < groups.length) coming = this.send(groups[place + 1]);
          if (!(await this.describe(groups[place], sent)) || this.stopping) break;
        }
        const hadFocus = this.stop === document.activeElement;
        this.running = false;
        const left = this.photos.some((photo) => !photo.row);
        this.update((left ? "Stopped: " : "") + this.progress());
        if (hadFocus) (left ? this.start : this.files[0]).focus();
      }

      halt() {
        this.stopping = true;
        this.say("Stopping.", false);
        this.halted();
      }

      // Bring files to the server: for each its path there, or an error; null if the
      // server cannot be reached.
      async send(group) {
        const { largest } = this.limits;
        const sendOne = async ({ file, suffix }) => {
          if (file.size > largest * 2 ** 20) {
            return { error: `the file is larger than ${largest} MB.` };
          }
          let content;
          try {
            content = await file.arrayBuffer();
          } catch {
            return { error: "the file cannot be read; was it moved or changed?" };
          }
          const bytes = crypto.getRandomValues(new Uint8Array(16));
          const name = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
          return await this.upload(new File([content], `folder-${name}${suffix}`));
        };
        try {
          return await Promise.all(group.map(sendOne));
        } catch {
          return null;
        }
      }

      // Whether it worked; if not, the page says why.
      async describe(group, sent) {
        const paths = sent?.filter((one) => one.path).map((one) => one.path) ?? [];
        const reply = paths.length
          ? await this.server.describe_photos({ model: this.model.value, paths })
          : { rows: [] };
        if (!sent || !reply?.rows) {
          this.complain((sent && reply?.problem) || GONE);
          return false;
        }
        group.forEach((photo, place) => {
          photo.row = sent[place].path ? reply.rows.shift() : sent[place];
          fillRow(photo, this.limits.letters, () => (this.unsaved = true));
        });
        this.update(this.progress(), Date.now() - this.said < PAUSE);
        return true;
      }

      async save(format) {
        const rows = this.photos.filter((photo) => photo.row).map(told);
        const reply = await this.server.make_file({ format, rows });
        if (!reply?.data) {
          this.complain(reply?.problem ?? GONE);
          return;
        }
        const bytes = Uint8Array.from(atob(reply.data), (letter) => letter.charCodeAt(0));
        download(new Blob([bytes], { type: reply.type }), reply.name);
        this.unsaved = false;
        this.trouble.replaceChildren();
      }

      // ---- what it says

      count(number) {
        return number === 1 ? "1 photo" : `${number} photos`;
      }

      progress() {
        const done = this.photos.filter((photo) => photo.row);
        const failed = done.filter((photo) => photo.row.error).length;
        const unsure = done.filter((photo) => photo.row.unsure).length;
        return [
          `${done.length - failed} of ${this.count(this.photos.length)} described`,
          failed ? `, ${failed} cannot be read` : "",
          unsure ? `; the model is not sure of ${unsure}` : "",
          ".",
        ].join("");
      }

      // Who cannot see the page is told now and then, not of every few photos.
      say(text, quietly) {
        this.status.setAttribute("aria-live", quietly ? "off" : "polite");
        this.status.textContent = text;
        if (!quietly) this.said = Date.now();
      }

      complain(text) {
        this.trouble.replaceChildren(problem(text));
      }

      update(text, quietly = false) {
        const { photos, running } = this;
        const done = photos.filter((photo) => photo.row).length;
        this.bar.max = photos.length || 1;
        this.bar.value = done;
        this.bar.hidden = !photos.length;
        this.start.disabled = running || done === photos.length;
        this.stop.disabled = !running;
        this.clear.disabled = running || !photos.length;
        this.model.disabled = running;
        for (const one of this.choosers) one.disabled = running;
        this.results.hidden = !done;
        this.table.hidden = !photos.length;
        this.say(text, quietly);
      }
    }

    function showFolder(element, props, { server, upload }) {
      new Folder(element, props.value, server, upload);
    }

    return { showFolder };
  })(),
);
