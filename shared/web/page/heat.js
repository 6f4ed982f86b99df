// Heat maps: where a model looked, laid over the photo, and said in words.

"use strict";

Object.assign(
  globalThis.sightread,
  (() => {
    const GRAIN = 96; // pixels a side of a heat map, before the browser enlarges it
    const EVEN = 3; // the scale ends here, times even attention, unless more is paid
    const LEVELS = 256;

    // Cold to hot: red, green, blue, and how much of the photo is hidden.
    const STEPS = [
      [15, 15, 40, 0.6],
      [70, 35, 140, 0.55],
      [205, 50, 110, 0.5],
      [255, 125, 40, 0.5],
      [255, 165, 90, 0.55],
    ];
    const ROWS = ["at the top", "in the middle", "at the bottom"];
    const COLUMNS = ["left", "", "right"];
    const MORE = 1.4; // times the mean attention makes a ninth of the photo a place

    const { make } = globalThis.sightread;

    const palette = new Uint8ClampedArray(4 * LEVELS);
    for (let level = 0; level < LEVELS; level += 1) {
      const place = (level / (LEVELS - 1)) * (STEPS.length - 1);
      const low = Math.min(STEPS.length - 2, Math.floor(place));
      for (let channel = 0; channel < 4; channel += 1) {
        const [from, to] = [STEPS[low][channel], STEPS[low + 1][channel]];
        const value = from + (to - from) * (place - low);
        palette[4 * level + channel] = channel < 3 ? value : 255 * value;
      }
    }

    const drawn = new WeakMap(); // grid -> canvas: each is drawn once

    // The browser smooths the values, as shades of grey; these then get their colours.
    function heat({ grid, columns }) {
      if (drawn.has(grid)) return drawn.get(grid);
      const rows = grid.length / columns;
      const most = Math.max(EVEN / grid.length, ...grid);
      const small = new ImageData(columns, rows);
      grid.forEach((value, place) => {
        const level = Math.round((LEVELS - 1) * Math.min(1, Math.max(0, value / most)));
        small.data.set([level, level, level, 255], 4 * place);
      });
      const cells = make("canvas", { width: columns, height: rows });
      cells.getContext("2d").putImageData(small, 0, 0);
      const canvas = make("canvas", { width: GRAIN, height: GRAIN });
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(cells, 0, 0, GRAIN, GRAIN);
      const pixels = context.getImageData(0, 0, GRAIN, GRAIN);
      for (let at = 0; at < pixels.data.length; at += 4) {
        const level = 4 * pixels.data[at];
        pixels.data.set(palette.subarray(level, level + 4), at);
      }
      context.putImageData(pixels, 0, 0);
      drawn.set(grid, canvas);
      return canvas;
    }

    // Lay a map over the part of a canvas that the model saw: all, or the middle square.
    function lay(canvas, map) {
      const { width, height } = canvas;
      const side = Math.min(width, height);
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      if (map.resize !== "crop") context.drawImage(heat(map), 0, 0, width, height);
      else {
        const [left, top] = [(width - side) / 2, (height - side) / 2];
        context.drawImage(heat(map), left, top, side, side);
      }
    }

    // Say where most of a map's attention is, for those who cannot see it.
    function whereabouts({ grid, columns }) {
      const rows = grid.length / columns;
      const ninths = Array.from({ length: 9 }, () => []);
      grid.forEach((value, place) => {
        const row = Math.floor((Math.floor(place / columns) * 3) / rows);
        const column = Math.floor(((place % columns) * 3) / columns);
        ninths[3 * row + column].push(value);
      });
      const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const means = ninths.map((values) => (values.length ? mean(values) : 0));
      const most = Math.max(...means);
      if (most < MORE * mean(grid)) return "nearly everywhere";
      const best = means.indexOf(most);
      return `most ${ROWS[Math.floor(best / 3)]} ${COLUMNS[best % 3]}`.trim();
    }

    return { lay, whereabouts };
  })(),
);
