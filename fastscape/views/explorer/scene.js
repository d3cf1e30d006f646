"use strict";

// Draws one landscape with plotly: the surface, the contours below it, the models and paths in the plane, and a walk.
const scenes = (() => {
  const { LETTERS, cleaned, escaped, labelled, plain, pointed, scaled, shown, unitOf } = texts;
  const { bands, inks, smoothColours } = shades;
  const FLOOR = 0.4; // the distance of the base contours below the surface, as a fraction of its height
  const LIFT = 0.01; // of the path above the surface, likewise, so that it is not hidden in it
  // In sizes of the scene; it looks at a point below the middle, so that the floor is seen whole.
  const CAMERA = { eye: { x: 1.48, y: 0, z: 0.84 }, center: { x: 0, y: 0, z: -0.22 } };
  const ROOM = 1.5; // wanted width of a picture for its height
  const MOST = { surface: 256, base: 128 }; // cells along an axis that are drawn
  const WALK = 2; // the number of its trace
  const PATHS = 5; // of the first trace of the paths
  const BAR = 85; // pixels that the bar takes beside a scene
  const SHADOW = "shadow"; // the trace below that of the walk
  const INK = "#111111";
  const NARROW = 480; // pixels of a picture in which long labels need small letters
  const LONGEST = 1.3; // side of a picture whose axes have one scale

  // The tools of a picture: those that are made elsewhere, such as the one that offers to upload it, have no place here.
  // The buttons that reset the camera tell nobody that they did.
  const TOOLS = [["toImage"], ["zoom3d", "pan3d", "orbitRotation", "tableRotation"]];

  /** The scale of heights that several maps share, in their unit; its colours end at the heights of `ends`. */
  function scaleOf(lowest, highest, label, ends = [lowest, highest]) {
    const unit = unitOf([lowest, highest]);
    const [low, high] = [lowest, highest].map((height) => scaled(height, unit));
    const size = Math.max(Math.abs(low), Math.abs(high)); // heights that are the same to rounding are drawn flat
    const height = high - low > 1e-12 * size ? high - low : Math.max(size, 1);
    const [first, last] = ends.map((end) => scaled(end, unit));
    return { unit, low, high, height, label, colours: [first, Math.max(last, low + height)], signed: ends[0] < lowest || ends[1] > highest };
  }

  /** The height of the floor below the surface. */
  function floorOf({ low, height }) {
    return low - FLOOR * height;
  }

  /** The points of a map where plotly draws them: coordinates and a height, which may lie a little above it. */
  function placed({ units: [unitX, unitY] }, { unit, height }, points, lift = LIFT) {
    const there = points.map(([x, y, z]) => (Number.isFinite(z) ? [x, y, z] : [null, null, null]));
    return {
      x: there.map(([x]) => scaled(x, unitX)), y: there.map(([, y]) => scaled(y, unitY)),
      z: there.map(([, , z]) => (z === null ? null : scaled(z, unit) + lift * height)),
    };
  }

  /** What all axes of a scene have. */
  function axis(text, size) {
    const { ink, grid } = inks();
    return { title: { text, font: { size } }, showspikes: false, zeroline: false, nticks: 6, color: ink, gridcolor: grid, showbackground: false };
  }

  /** What all layouts have; a narrow picture has its bar below. */
  function framed() {
    const { ink } = inks();
    return { margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: "rgba(0,0,0,0)", font: { color: ink } };
  }

  /** Whether a picture is too narrow for a bar beside it, and long labels. */
  function narrow({ clientWidth }) {
    return clientWidth > 0 && clientWidth < NARROW;
  }

  /** The part of a picture that the bar leaves to the scene. */
  function domain(div) {
    const beside = div.clientWidth > 0 ? Math.max(1 - BAR / div.clientWidth, 0.5) : 0.9;
    return narrow(div) ? { x: [0, 1], y: [0.14, 1] } : { x: [0, beside], y: [0, 1] };
  }

  /** Round heights between two others, about five. */
  function ticks(low, high) {
    const power = 10 ** Math.floor(Math.log10((high - low) / 4));
    const step = [1, 2, 5, 10].map((k) => k * power).find((one) => (high - low) / one <= 5) ?? high - low;
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({ length: Math.max(Math.floor(high / step + 1e-9) - first + 1, 0) }, (_, k) => Number(((first + k) * step).toPrecision(12)));
  }

  /** The colour bar of a picture. */
  function bar(div, title) {
    const common = { thickness: 12, outlinewidth: 0 };
    if (narrow(div)) return { ...common, title: { text: title, side: "top" }, orientation: "h", len: 0.8, y: -0.02, yanchor: "bottom", x: 0.5 };
    return { ...common, title: { text: title, side: "right" }, len: 0.7, x: 1, xanchor: "right" };
  }

  /** The numbers of the grid points along an axis that are drawn: all, or as many as a screen can show. */
  function drawn(t, most) {
    const stride = Math.ceil((t.length - 1) / most);
    const numbers = Array.from({ length: Math.ceil((t.length - 1) / stride) }, (_, k) => k * stride);
    return [...numbers, t.length - 1];
  }

  /** Coordinates and the rows of heights in which plotly wants a map; null where there is no height. */
  function grid({ x, y, heights, units: [unitX, unitY] }, { unit }, most) {
    const [columns, rows] = [drawn(x, most), drawn(y, most)];
    const at = (i, j) => (Number.isNaN(heights[i * y.length + j]) ? null : scaled(heights[i * y.length + j], unit));
    return {
      x: columns.map((i) => scaled(x[i], unitX)), y: rows.map((j) => scaled(y[j], unitY)),
      z: rows.map((j) => columns.map((i) => at(i, j))),
    };
  }

  /** The surface and its contours on the floor. */
  function surfaces(map, scale) {
    const { unit, colours: [cmin, cmax] } = scale;
    const [label, floor] = [escaped(cleaned(scale.label, LETTERS.label)), floorOf(scale)];
    const still = { x: { highlight: false }, y: { highlight: false }, z: { highlight: false } };
    const common = { type: "surface", cmin, cmax, contours: still };
    const [nameX, nameY] = map.names;
    const [inX, inY, inZ] = [...map.units, unit].map((one) => (one ? ` · 1e${one}` : ""));
    const surface = {
      ...common, ...grid(map, scale, MOST.surface), colorscale: smoothColours(scale),
      ...basins.hover(map, drawn(map.x, MOST.surface), drawn(map.y, MOST.surface)),
      colorbar: bar(map.div, labelled(label, unit)), lighting: { ambient: 0.85, diffuse: 0.25, specular: 0.02, fresnel: 0 },
      hovertemplate: `${nameX} %{x:.4g}${inX}<br>${nameY} %{y:.4g}${inY}<br>${label} %{z:.4g}${inZ}${map.basins ? "<br>%{text}" : ""}<extra></extra>`,
    };
    const { x, y, z } = grid(map, scale, MOST.base);
    const base = {
      ...common, x, y, z: z.map((row) => row.map((at) => (at === null ? null : floor))), surfacecolor: z,
      colorscale: bands(scale), showscale: false, hoverinfo: "skip",
      lighting: { ambient: 1, diffuse: 0, specular: 0, fresnel: 0 },
    };
    return [surface, base];
  }

  /** The models that lie in the plane, where it has a height: a trace, and labels that nothing hides. */
  function models({ marks, names: [nameX, nameY], ...map }, scale) {
    const found = marks.map(({ name, at, height }) => ({ name, point: [...at, height] })).filter(({ point }) => point[2] !== null);
    const said = ({ name, point: [x, y] }) => `${pointed(name)}<br>${nameX} ${shown(x)}<br>${nameY} ${shown(y)}`;
    const places = placed(map, scale, found.map(({ point }) => point));
    const trace = {
      type: "scatter3d", mode: "markers", showlegend: false, ...places, text: found.map(said), hoverinfo: "text",
      marker: { symbol: "cross", size: 5, color: "#111111" },
    };
    const labels = found.map(({ name }, k) => ({
      x: places.x[k], y: places.y[k], z: places.z[k], text: escaped(cleaned(name, LETTERS.name)),
      ax: 0, ay: -24, arrowhead: 0, arrowwidth: 1, arrowcolor: "#111111", font: { color: "#111111", size: 12 },
      bgcolor: "rgba(255, 255, 255, 0.75)", borderpad: 1,
    }));
    return [trace, labels];
  }

  /** The points whose values were computed, where others were predicted; on the surface, so that its far side hides them. */
  function dots({ x, y, heights, evaluated, dotted, ...map }, scale) {
    const numbers = dotted && evaluated !== null ? Array.from(evaluated).filter((k) => Number.isFinite(heights[k])) : [];
    const points = numbers.map((k) => [x[Math.floor(k / y.length)], y[k % y.length], heights[k]]);
    return {
      type: "scatter3d", mode: "markers", showlegend: false, hoverinfo: "skip", visible: numbers.length > 0,
      ...placed(map, scale, points, LIFT / 4), marker: { size: 1.5, color: "#111111" },
    };
  }

  /** The traces of a path up to the point that it has reached: its line, the dark one below it, losses, names, ends. */
  function ofPath({ name, places, points, last, own, names, ...path }, map, scale, span) {
    const until = (there, to = last) => there.map((point, k) => (k <= to ? point : [null, null, null]));
    const at = placed(map, scale, until(points));
    const colours = trainings.colours({ places, ...path }, span);
    const text = points.map(([x, y], k) => {
      const known = trainings.said({ places, ...path }, k, shown).map((one) => escaped(cleaned(one, LETTERS.hover)));
      return [pointed(name), ...known, `${map.names[0]} ${shown(x)}`, `${map.names[1]} ${shown(y)}`].join("<br>");
    });
    const common = { type: "scatter3d", showlegend: false };
    const hover = { text, hovertemplate: "%{text}<extra></extra>" };
    const line = {
      ...common, mode: "lines+markers", name: plain(name), ...at, ...hover,
      line: { color: colours, width: 5 }, marker: { size: 3, color: colours, line: { color: INK, width: 1 } },
    };
    const below = {
      ...common, mode: "lines", hoverinfo: "skip", ...placed(map, scale, until(points), LIFT / 2),
      line: { color: INK, width: 9 },
    };
    // From every point to the loss of its checkpoint itself, and nowhere from there.
    const stems = points.flatMap(([x, y, z], k) => (own[k] === null || z === null ? [] : [[k, [x, y, z]], [k, [x, y, own[k]]], [k, [null, null, null]]]));
    const losses = {
      ...common, mode: "lines+markers", visible: stems.length > 0,
      ...placed(map, scale, stems.map(([k, point]) => (k <= last ? point : [null, null, null])), 0),
      text: stems.map(([k]) => text[k]), hovertemplate: hover.hovertemplate,
      line: { color: INK, width: 2 },
      marker: { symbol: "diamond", size: stems.map((_, k) => (k % 3 === 1 ? 4 : 0)), color: path.look[1], line: { color: "#ffffff", width: 0.5 } },
    };
    const named = {
      ...common, mode: "text", hoverinfo: "skip", visible: names.length > 0,
      ...placed(map, scale, names.map(([k]) => (k <= last ? points[k] : [null, null, null])), 5 * LIFT),
      text: names.map(([, said]) => escaped(said)), textposition: "top center", textfont: { size: 11, color: INK },
    };
    const first = points.findIndex(([, , z]) => z !== null);
    const there = {
      ...common, mode: "markers", ...placed(map, scale, [first, last].map((k) => points[k] ?? [null, null, null]), 1.5 * LIFT),
      text: [first, last].map((k) => text[k] ?? ""), hovertemplate: hover.hovertemplate,
      marker: { symbol: ["circle-open", "circle"], size: [8, 9], color: path.look[1], line: { color: "#ffffff", width: 1 } },
    };
    return [line, below, losses, named, there];
  }

  /** The paths that the landscape carries, on the surface as far as it has a height there: first all their lines. */
  function carried(map, scale) {
    const span = trainings.moments(map.paths);
    const found = map.paths.map((path) => ofPath(path, map, scale, [span[0], span.at(-1)]));
    return [...found.map(([line]) => line), ...found.flatMap(([, ...others]) => others)];
  }

  /** A walk as the data of its trace: the line lies a little above the surface. */
  function line(map, scale, lift = LIFT) {
    const { x, y, height } = map.walk;
    if (!x.length) return { x: [null], y: [null], z: [null], text: [""] }; // plotly cannot go on from no point at all
    const label = escaped(cleaned(scale.label, LETTERS.label));
    const said = (at, k) => `step ${k}<br>${map.names[0]} ${shown(x[k])}<br>${map.names[1]} ${shown(y[k])}<br>${label} ${shown(at)}`;
    return { ...placed(map, scale, height.map((at, k) => [x[k], y[k], at]), lift), text: height.map(said) };
  }

  /**
   * Draws a map.
   *
   * map: coordinates x and y with the names of their axes and their units, heights, marks { name, at, height }, paths as trainings.prepared makes
   * them, with points [x, y, height] and own heights, null where there is none, and the last point that is shown, spans
   * of axes that have one scale, or null, and a walk; scale: of scaleOf, common to all maps; degrees: where the camera
   * stands at first. Returns a promise.
   */
  function draw(div, map, scale, degrees) {
    const walk = {
      type: "scatter3d", mode: "lines+markers", showlegend: false, ...line(map, scale),
      line: { color: "#ffffff", width: 5 }, marker: { size: 3.5, color: "#ffffff", line: { color: INK, width: 1 } },
      hovertemplate: "%{text}<extra></extra>",
    };
    const [marks, annotations] = models(map, scale);
    // The ends lie beyond what is drawn, or it would be cut off in places.
    const range = [scale.low - (FLOOR + 0.02) * scale.height, scale.top];
    const short = narrow(div);
    const named = (k) => (short ? map.names[k] : `${map.names[k]} (along ${plain(cleaned(map.labels[k], LETTERS.name))})`);
    const layout = {
      ...framed(),
      scene: {
        domain: domain(div),
        xaxis: axis(labelled(named(0), map.units[0]), 12),
        yaxis: axis(labelled(named(1), map.units[1]), 12),
        zaxis: { ...axis(short ? "" : labelled(plain(scale.label), scale.unit), 12), range, tickvals: ticks(scale.low, scale.low + scale.height) },
        annotations,
        aspectmode: "manual",
        aspectratio: { ...sides(map.spans), z: 0.7 },
        camera: cameraOf(div) ?? first(map, degrees),
      },
    };
    const traces = [...surfaces(map, scale), walk, marks, dots(map, scale), ...carried(map, scale), shadow(map, scale), ...basins.traces(map, scale, placed)];
    const tools = { displaylogo: false, modeBarButtons: TOOLS, plotlyServerURL: "" };
    return Plotly.react(div, traces, layout, { responsive: true, ...tools });
  }

  /** The sides of the picture along x and y: as long as the axes, where both have one scale. */
  function sides(spans) {
    if (spans === null) return { x: 1, y: 1 };
    const longest = Math.max(...spans);
    const length = Math.min((2 * longest) / (spans[0] + spans[1]), LONGEST); // a flat picture may be somewhat wider
    const [x, y] = spans.map((span) => (length * span) / longest);
    return { x, y };
  }

  /** The dark line below that of a walk, so that it is seen on every colour. */
  function shadow(map, scale) {
    const { x, y, z } = line(map, scale, LIFT / 2);
    return { type: "scatter3d", mode: "lines", showlegend: false, hoverinfo: "skip", meta: SHADOW, x, y, z, line: { color: INK, width: 10 } };
  }

  /** Draws another walk on a map that is drawn. */
  function moveLine(map, scale) {
    renew(map.div, WALK, line(map, scale));
    const { x, y, z } = shadow(map, scale);
    renew(map.div, map.div.data.findIndex(({ meta }) => meta === SHADOW), { x, y, z });
  }

  /** The camera of a map at first, at an angle. */
  function first({ div, spans }, degrees) {
    return turned(degrees, fitting(div, sides(spans)));
  }

  /** Draws the paths of a map that is drawn up to other points. */
  function movePaths(map, scale) {
    carried(map, scale).forEach(({ x, y, z, text }, k) => renew(map.div, PATHS + k, text ? { x, y, z, text } : { x, y, z }));
  }

  /** Gives a trace other points. */
  function renew(div, number, changed) {
    const trace = div._fullData[number];
    const drawn = div._fullLayout.scene._scene?.traces?.[trace.uid];
    if (!drawn) {
      Plotly.restyle(div, Object.fromEntries(Object.entries(changed).map(([name, values]) => [name, [values]])), [number]);
      return;
    }
    // plotly's own way draws every trace again, which takes most of a second for a surface of 481 x 481 points.
    Object.assign(div.data[number], changed);
    drawn.update(Object.assign(trace, changed, { _length: changed.x.length }));
  }

  /** The camera that sees the whole scene in a picture of this shape: plotly fits heights, not widths. */
  function fitting({ clientWidth, clientHeight }, { x, y }) {
    const away = clientWidth > 0 ? Math.max(1, (ROOM * Math.max(x, y) * clientHeight) / Math.max(clientWidth - (clientWidth < NARROW ? 0 : BAR), 1)) : 1; // hidden: no shape yet
    return { ...CAMERA, eye: { x: CAMERA.eye.x * away, y: 0, z: CAMERA.eye.z * away } };
  }

  /** A camera at an angle around the vertical axis, as far away and as high as another one. */
  function turned(degrees, { eye, ...rest }) {
    const distance = Math.hypot(eye.x, eye.y);
    const angle = (degrees * Math.PI) / 180;
    return { ...rest, eye: { x: distance * Math.cos(angle), y: distance * Math.sin(angle), z: eye.z } };
  }

  /** The camera of a picture as it is now; plotly writes it down late, or not at all where a finger moves it. */
  function cameraOf(div) {
    return div._fullLayout?.scene?._scene?.getCamera?.() ?? div.layout?.scene?.camera;
  }

  /** The angle of a camera, in degrees from 0 to 360. */
  function angleOf({ eye }) {
    return ((Math.atan2(eye.y, eye.x) * 180) / Math.PI + 360) % 360;
  }

  return { MOST, TOOLS, angleOf, axis, bar, cameraOf, domain, draw, first, framed, narrow, floorOf, moveLine, movePaths, scaleOf, turned };
})();
