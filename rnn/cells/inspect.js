"use strict";

{
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const make = (tag, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  };

  // ---- what can be chosen

  let chosen = data.cells[0];
  let view = data.views[0];
  let pointed = null; // the passage with the symbol that is told about

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

  // ---- the text and its colors

  const scale = new cellText.Scale();
  const passages = []; // each with its place in the lines, "first"

  function write() {
    let first = 0;
    for (const { heading, symbols } of data.excerpts) {
      const id = `excerpt-${first}`;
      const passage = new cellText.Passage(symbols, data.unit, id, tell);
      passages.push(Object.assign(passage, { first }));
      $("text").append(make("h3", { id, textContent: heading }), passage.root);
      first += symbols.length;
    }
  }

  const part = (line, { first, spans }) => line.slice(first, first + spans.length);
  const held = () => (chosen.probe === null ? null : data.holds[chosen.probe]);

  function color() {
    const [line, holds] = [view.line ?? chosen.lines[view.key], held()];
    for (const one of passages) {
      one.color(part(line, one), view, holds === null ? null : part(holds, one));
    }
    scale.show(view);
    const underlined = holds === null ? "" : ` Underlined: ${chosen.what}.`;
    $("told").textContent = `${chosen.name}: ${chosen.told}. ${chosen.rule}${underlined}`;
    if (pointed) tell(pointed);
  }

  function tell(passage) {
    if (pointed !== passage) pointed?.leave();
    pointed = passage;
    const parts = [passage.told];
    const holds = held();
    if (holds !== null) {
      const yes = holds[passage.first + passage.at] === "1";
      parts.push(`${chosen.what}: ${yes ? "yes" : "no"}`);
    }
    $("here").textContent = `${parts.join("; ")}.`;
  }

  listCells();
  listViews();
  $("told").after(scale.root);
  write();
  color();
  $("inside").hidden = false;
}
