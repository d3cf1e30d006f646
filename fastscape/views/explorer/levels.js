"use strict";

// Draws one landscape of three axes with plotly: level surfaces, slices, models and paths. Knows no page.
//
// A map has coordinates t [3] of its axes, increasing, and heights; those of t[0][i], t[1][j], t[2][k] lie at
// (i * n1 + j) * n2 + k.
const levels = (() => {
  const { LETTERS, cleaned, escaped, labelled, plain, pointed, scaled, shown } = texts;
  const MOST = 40; // cells along an axis that are drawn
  const INK = "#111111";
  const WALLS = 1; // the number of the first of their traces

  /** The numbers of the grid points along an axis that are drawn: all, or as many as are drawn fast. */
  function drawn({ length }) {
    const stride = Math.ceil((length - 1) / MOST);
    return [...Array.from({ length: Math.ceil((length - 1) / stride) }, (_, k) => k * stride), length - 1];
  }

  /** The height at a grid point in the unit of the scale; null where there is none. */
  function heightAt({ t, heights }, { unit }, [i, j, k]) {
    const height = heights[(i * t[1].length + j) * t[2].length + k];
    return Number.isNaN(height) ? null : scaled(height, unit);
  }

  /** What stands beside the pointer: coordinates and a height of plotly's, in their units. */
  function hover(map, scale, height) {
    const label = escaped(cleaned(scale.label, LETTERS.label));
    const unit = (one) => (one ? ` · 1e${one}` : "");
    const at = map.names.map((name, d) => `${escaped(name)} %{${"xyz"[d]}:.4g}${unit(map.units[d])}`);
    return `${at.join("<br>")}<br>${label} %{${height}:.4g}${unit(scale.unit)}<extra></extra>`;
  }

  /** The surfaces at the level and at as many below it as are asked for, and where they meet the border. */
  function surfaces(map, scale, { level, shells, opacity, caps }) {
    const numbers = map.t.map(drawn);
    const flat = { x: [], y: [], z: [], value: [] };
    // plotly would take what has no value for 0. It is above every level, so that the surfaces close just before it.
    const outside = scale.low + 1e6 * scale.height;
    for (const i of numbers[0]) for (const j of numbers[1]) for (const k of numbers[2]) {
      [i, j, k].forEach((n, d) => flat["xyz"[d]].push(scaled(map.t[d][n], map.units[d])));
      flat.value.push(heightAt(map, scale, [i, j, k]) ?? outside);
    }
    return { type: "isosurface", ...flat, ...colours(scale), ...moved(scale, { level, shells, opacity, caps }),
      colorbar: scenes.bar(map.div, labelled(plain(scale.label), scale.unit)),
      hovertemplate: hover(map, scale, "value"), lighting: { ambient: 0.7, diffuse: 0.7, specular: 0.1 } };
  }

  /** What a slider changes of them. */
  function moved({ low, unit }, { level, shells, opacity, caps }) {
    const top = scaled(level, unit);
    const show = { show: caps, fill: 1 };
    return { isomin: shells > 1 ? low + (top - low) / shells : top, isomax: top, opacity,
      surface: { count: shells, fill: 1 }, caps: { x: show, y: show, z: show } };
  }

  /** The colours of all maps: those of heights. */
  function colours(scale) {
    const [cmin, cmax] = scale.colours;
    return { cmin, cmax, colorscale: shades.smoothColours(scale) };
  }

  /** The slice across an axis at one of its grid points. */
  function wall(map, scale, d, number, visible) {
    const [a, b] = [0, 1, 2].filter((one) => one !== d);
    const [rows, columns] = [drawn(map.t[a]), drawn(map.t[b])];
    const made = (at) => rows.map((i) => columns.map((j) => at(i, j)));
    const coordinates = {
      [a]: made((i) => scaled(map.t[a][i], map.units[a])), [b]: made((_, j) => scaled(map.t[b][j], map.units[b])),
      [d]: made(() => scaled(map.t[d][number], map.units[d])),
    };
    const values = made((i, j) => {
      const at = [0, 0, 0];
      [at[a], at[b], at[d]] = [i, j, number];
      return heightAt(map, scale, at);
    });
    const holes = values.map((row, i) => row.map((value, j) => (value === null ? null : coordinates[2][i][j])));
    return { type: "surface", visible, showscale: false, x: coordinates[0], y: coordinates[1], z: holes, surfacecolor: values,
      text: values, ...colours(scale), hovertemplate: hover(map, scale, "text"),
      contours: Object.fromEntries(["x", "y", "z"].map((name) => [name, { highlight: false }])),
      lighting: { ambient: 1, diffuse: 0, specular: 0, fresnel: 0 } };
  }

  /** Places in the units of the axes. */
  function placed({ units }, points) {
    return Object.fromEntries(units.map((unit, d) => ["xyz"[d], points.map((at) => scaled(at[d], unit))]));
  }

  /** What is said of a place. */
  function said({ names }, at) {
    return at.map((coordinate, d) => `${escaped(names[d])} ${shown(coordinate)}`);
  }

  /** Points that have names: a trace, and labels that nothing hides. */
  function named(map, points, marker) {
    const there = placed(map, points.map(({ at }) => at));
    const trace = { type: "scatter3d", mode: "markers", showlegend: false, ...there, hoverinfo: "text", marker,
      text: points.map(({ name, at, more = [] }) => [pointed(name), ...said(map, at), ...more].join("<br>")) };
    const labels = points.map(({ name }, k) => ({
      x: there.x[k], y: there.y[k], z: there.z[k], text: escaped(cleaned(name, LETTERS.name)), ax: 0, ay: -24, arrowhead: 0,
      arrowwidth: 1, arrowcolor: INK, font: { color: INK, size: 12 }, bgcolor: "rgba(255, 255, 255, 0.75)", borderpad: 1,
    }));
    return [trace, labels];
  }

  /** A path: its line in the colours of its steps, and its ends. */
  function ofPath(map, path, span) {
    const finite = path.places.filter(([x]) => x !== null);
    const colour = trainings.colours(path, span);
    const text = path.places.map((at, k) => [pointed(path.name),
      ...trainings.said(path, k, shown).map((one) => escaped(cleaned(one, LETTERS.hover))), ...said(map, at)].join("<br>"));
    const common = { type: "scatter3d", showlegend: false, hovertemplate: "%{text}<extra></extra>" };
    return [
      { ...common, mode: "lines+markers", ...placed(map, path.places), text, line: { color: colour, width: 6 },
        marker: { size: 3, color: colour, line: { color: INK, width: 1 } } },
      { ...common, mode: "markers", ...placed(map, [finite[0], finite.at(-1)]), text: [text[path.places.indexOf(finite[0])], text[path.places.indexOf(finite.at(-1))]],
        marker: { symbol: ["circle-open", "circle"], size: [8, 9], color: path.look[1], line: { color: "#ffffff", width: 1 } } },
    ];
  }

  /** The sides of the picture along the axes: as long as these, where all have one scale. */
  function sides(spans) {
    const most = spans === null ? 1 : Math.max(...spans);
    const [x, y, z] = (spans ?? [1, 1, 1]).map((span) => span / most);
    return { x, y, z };
  }

  /** Draws a map; wanted: level, shells, opacity, caps, whether minima of basins are seen, and of each axis where a slice is and whether it is seen. */
  function draw(div, map, scale, wanted) {
    const span = trainings.moments(map.paths);
    const [marks, annotations] = named(map, map.marks, { symbol: "cross", size: 5, color: INK });
    const traces = [
      surfaces(map, scale, wanted), ...wanted.walls.map(({ number, visible }, d) => wall(map, scale, d, number, visible)), marks,
      ...(wanted.basins ? [{ ...basins.minima(map.basins), ...placed(map, map.basins.minima) }] : []),
      ...map.paths.flatMap((path) => ofPath(map, path, [span[0], span.at(-1)])),
    ];
    const short = scenes.narrow(div);
    const axes = map.t.map((t, d) => [`${"xyz"[d]}axis`, {
      ...scenes.axis(labelled(short ? plain(map.names[d]) : `${plain(map.names[d])} (along ${plain(cleaned(map.labels[d], LETTERS.name))})`, map.units[d]), 12),
      range: [t[0], t.at(-1)].map((end) => scaled(end, map.units[d])),
    }]);
    const scene = { domain: scenes.domain(div), ...Object.fromEntries(axes), annotations, aspectmode: "manual", aspectratio: sides(map.spans), camera: scenes.cameraOf(div) ?? camera(div) };
    return Plotly.react(div, traces, { ...scenes.framed(), scene },
      { responsive: true, displaylogo: false, modeBarButtons: scenes.TOOLS, plotlyServerURL: "" });
  }

  /** The camera that sees all of a picture, which is farther away in a narrow one. */
  function camera({ clientWidth, clientHeight }) {
    const away = clientWidth > 0 ? Math.max(1, (1.6 * clientHeight) / clientWidth) : 1;
    return { eye: { x: 1.35 * away, y: -1.6 * away, z: 0.95 * away }, center: { x: 0, y: 0, z: -0.12 } };
  }

  /** Gives a map that is drawn other surfaces. */
  function moveLevel(div, scale, wanted) {
    const { surface, caps, ...rest } = moved(scale, wanted);
    const changed = { ...rest, "surface.count": surface.count };
    for (const name of "xyz") changed[`caps.${name}.show`] = caps[name].show;
    return Plotly.restyle(div, changed, [0]);
  }

  /** Puts the slice of a map that is drawn elsewhere. */
  function moveWall(div, map, scale, d, { number, visible }) {
    const { x, y, z, surfacecolor, text } = wall(map, scale, d, number, visible);
    return Plotly.restyle(div, { x: [x], y: [y], z: [z], surfacecolor: [surfacecolor], text: [text], visible }, [WALLS + d]);
  }

  return { MOST, camera, draw, moveLevel, moveWall };
})();
