"use strict";

// The colours of heights, as in the matplotlib pictures, and the colours of the page, which is light or dark.
const shades = (() => {
  // The colour maps of the matplotlib pictures: VIRIDIS with even lightness, COOLWARM for measures of both signs.
  const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
  const COOLWARM = ["#3b4cc0", "#688aef", "#99baff", "#c9d8ef", "#edd1c2", "#f7a889", "#e26952", "#b40426"];
  const LEVELS = 15; // levels of the contours on the floor

  /** The colour at a fraction of a colour map. */
  function coloured(palette, fraction) {
    const place = fraction * (palette.length - 1);
    const k = Math.min(Math.floor(place), palette.length - 2);
    const channel = (colour, c) => parseInt(colour.slice(1 + 2 * c, 3 + 2 * c), 16);
    const mix = (c) => Math.round(channel(palette[k], c) * (k + 1 - place) + channel(palette[k + 1], c) * (place - k));
    return `rgb(${mix(0)},${mix(1)},${mix(2)})`;
  }

  /** A smooth colour scale; for heights of both signs, a scale with a middle. */
  function smoothColours({ signed }) {
    const palette = signed ? COOLWARM : VIRIDIS;
    return palette.map((colour, k) => [k / (palette.length - 1), colour]);
  }

  /** A colour scale of uniform bands between level lines. */
  function bands({ signed }) {
    const colour = (k) => coloured(signed ? COOLWARM : VIRIDIS, k / (LEVELS - 1));
    return Array.from({ length: LEVELS }, (_, k) => k).flatMap((k) => [[k / LEVELS, colour(k)], [(k + 1) / LEVELS, colour(k)]]);
  }

  /** The colours of text and of grid lines on the page, which is light or dark. */
  function inks() {
    const style = getComputedStyle(document.documentElement);
    const [ink, grid, ground] = ["--ink", "--grid", "--ground"].map((name) => style.getPropertyValue(name).trim());
    return { ink, grid, ground };
  }

  return { bands, inks, smoothColours };
})();
