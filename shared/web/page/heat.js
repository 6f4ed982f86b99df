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

    // For each pixel of a line: four of the values around it, and how much of each is
    // in it. Catmull-Rom: through every value, without corners.
    function taps(side) {
      return Array.from({ length: GRAIN }, (_, pixel) => {
        const place = ((pixel + 0.5) * side) / GRAIN - 0.5;
        const first = Math.floor(place);
        const t = place - first;
        const at = [-1, 0, 1, 2].map((step) =>
          Math.min(side - 1, Math.max(0, first + step)),
        );
        const share = [
          t * (-0.5 + t * (1 - 0.5 * t)),
          1 + t * t * (-2.5 + 1.5 * t),
          t * (0.5 + t * (2 - 1.5 * t)),
          t * t * (-0.5 + 0.5 * t),
        ];
        return { at, share };
      });
    }

    // Widen `lines` lines of `size` values each to GRAIN, and turn rows to columns.
    function widen(values, size, lines, weights) {
      const wide = new Float32Array(GRAIN * lines);
      weights.forEach(({ at, share }, pixel) => {
        for (let line = 0; line < lines; line += 1) {
          let sum = 0;
          for (let tap = 0; tap < 4; tap += 1) {
            sum += share[tap] * values[line * size + at[tap]];
          }
          wide[pixel * lines + line] = sum;
        }
      });
      return wide;
    }

    const drawn = new WeakMap(); // grid -> canvas: each is drawn once

    function heat({ grid, columns }) {
      if (drawn.has(grid)) return drawn.get(grid);
      const rows = grid.length / columns;
      const most = Math.max(EVEN / grid.length, ...grid);
      const wide = widen(grid, columns, rows, taps(columns));
      const levels = widen(wide, rows, GRAIN, taps(rows));
      const canvas = make("canvas", { width: GRAIN, height: GRAIN });
      const context = canvas.getContext("2d");
      const pixels = context.createImageData(GRAIN, GRAIN);
      levels.forEach((value, pixel) => {
        const share = Math.min(1, Math.max(0, value / most));
        const level = 4 * Math.round(share * (LEVELS - 1));
        for (let channel = 0; channel < 4; channel += 1) {
          pixels.data[4 * pixel + channel] = palette[level + channel];
        }
      });
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
