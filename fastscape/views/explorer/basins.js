"use strict";

// The basins of a landscape: their texts, and their outlines on the surface of a plane. Does not access the page.
const basins = (() => {
  const { escaped, scaled } = texts;
  const INK = "#111111";
  const GREY = "#888888"; // colour of basins that may be noise

  /** The basins of a landscape with decoded arrays; null if they were not computed. */
  function prepared(found) {
    return found === null ? null : { ...found, numbers: walking.decoded(found.numbers) };
  }

  /** The text on the basin of a grid point, in a list; an empty list outside all basins. */
  function said(map, k) {
    const number = map.basins === null ? -1 : map.basins.numbers[k];
    return number < 0 ? [] : [map.basins.said[number]];
  }

  /** The texts under the pointer on the surface of a plane: a text per drawn point. */
  function hover(map, columns, rows) {
    if (map.basins === null) return {};
    const two = (text) => escaped(text).replace(": ", "<br>").replace(", depth", "<br>depth"); // lines that fit
    const all = map.basins.said.map(two);
    return { text: rows.map((j) => columns.map((i) => all[map.basins.numbers[i * map.y.length + j]] ?? "")) };
  }

  /** The borders between basins: segments between corners of the cells around grid points, each followed by a gap. */
  function borders({ x, y, basins: { numbers } }) {
    const edge = (t, k) => (k < 0 ? t[0] : k + 1 >= t.length ? t[t.length - 1] : t[k] / 2 + t[k + 1] / 2);
    const apart = (a, b) => numbers[a] >= 0 && numbers[b] >= 0 && numbers[a] !== numbers[b];
    const found = [];
    for (let i = 0; i < x.length; i++) {
      for (let j = 0; j < y.length; j++) {
        const k = i * y.length + j;
        if (i + 1 < x.length && apart(k, k + y.length)) found.push([edge(x, i), edge(y, j - 1)], [edge(x, i), edge(y, j)], null);
        if (j + 1 < y.length && apart(k, k + 1)) found.push([edge(x, i - 1), edge(y, j)], [edge(x, i), edge(y, j)], null);
      }
    }
    return found;
  }

  /** The trace of the minima of the basins with their numbers, without their places. */
  function minima({ certain, said: all }) {
    return {
      type: "scatter3d", mode: "markers+text", showlegend: false, hovertemplate: "%{hovertext}<extra></extra>",
      text: all.map((_, number) => String(number)), hovertext: all.map(escaped), textposition: "top center",
      textfont: { size: 13, color: INK }, marker: { size: 4, symbol: certain.map((one) => (one ? "circle" : "circle-open")), color: certain.map((one) => (one ? INK : GREY)) },
    };
  }

  /** The traces of the outlines and minima of the basins of a plane, on its surface; placed: the function of scene.js. */
  function traces(map, scale, placed) {
    if (map.basins === null || !map.outlined) return [];
    const at = (point) => (point === null ? [null, null, null] : [...point, map.smooth.at(...point)[0]]);
    const lines = borders(map).map(at);
    const common = { type: "scatter3d", mode: "lines", showlegend: false, hoverinfo: "skip" };
    const floor = scaled(scenes.floorOf(scale), -scale.unit);
    const below = lines.map(([x, y, z]) => [x, y, Number.isFinite(z) && z !== null ? floor : null]);
    return [
      { ...common, ...placed(map, scale, lines), line: { color: "#ffffff", width: 5 } },
      { ...common, ...placed(map, scale, below), line: { color: INK, width: 3 } },
      { ...minima(map.basins), ...placed(map, scale, map.basins.minima.map(at)) },
      { ...minima(map.basins), ...placed(map, scale, map.basins.minima.map((point) => [...point, floor])) }, // also on the floor, because the surface may hide minima
    ];
  }

  return { hover, minima, prepared, said, traces };
})();
