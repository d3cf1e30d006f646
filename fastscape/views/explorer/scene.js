"use strict";

// Draws one landscape with plotly: the surface, the contours below it, the models and paths in the plane, and a walk.
const scenes = (() => {
  const COOLWARM = ["#3b4cc0", "#688aef", "#99baff", "#c9d8ef", "#edd1c2", "#f7a889", "#e26952", "#b40426"];
  const FLOOR = 0.4; // the distance of the base contours below the surface, as a fraction of its height
  const LEVELS = 15; // of the base contours
  const LIFT = 0.01; // of the path above the surface, likewise, so that it is not hidden in it
  // In sizes of the scene; it looks at a point below the middle, so that the floor is seen whole.
  const CAMERA = { eye: { x: 1.85, y: 0, z: 1.05 }, center: { x: 0, y: 0, z: -0.22 } };
  const ROOM = 1.2; // wanted width of a picture for its height
  const MOST = { surface: 256, base: 128 }; // cells along an axis that are drawn
  const WALK = 2; // the number of its trace

  const INVISIBLE = "\u200b"; // between signs that plotly would take for a command

  /** A text for plotly's labels, which read HTML and "%{". */
  function escaped(text) {
    return text.replace(/[&<>]/g, (letter) => `&#${letter.charCodeAt(0)};`).replaceAll("%{", `%${INVISIBLE}{`);
  }

  /** A text within the picture, where plotly knows a few tags and no other HTML. */
  function plain(text) {
    return text.replaceAll("<", `<${INVISIBLE}`);
  }

  /** A number with four digits. */
  function shown(number) {
    return Number.isFinite(number) ? String(Number(number.toPrecision(4))) : Number.isNaN(number) ? "no value" : String(number);
  }

  /** The colour at a fraction of the scale. */
  function coloured(fraction) {
    const place = fraction * (COOLWARM.length - 1);
    const k = Math.min(Math.floor(place), COOLWARM.length - 2);
    const channel = (colour, c) => parseInt(colour.slice(1 + 2 * c, 3 + 2 * c), 16);
    const mix = (c) => Math.round(channel(COOLWARM[k], c) * (k + 1 - place) + channel(COOLWARM[k + 1], c) * (place - k));
    return `rgb(${mix(0)},${mix(1)},${mix(2)})`;
  }

  /** A smooth colour scale, and one whose colours do not blend: the bands between level lines. */
  const SMOOTH_COLOURS = COOLWARM.map((colour, k) => [k / (COOLWARM.length - 1), colour]);
  const BANDS = Array.from({ length: LEVELS }, (_, k) => coloured(k / (LEVELS - 1))).flatMap(
    (colour, k) => [[k / LEVELS, colour], [(k + 1) / LEVELS, colour]]
  );

  /** The numbers of the grid points along an axis that are drawn: all, or as many as a screen can show. */
  function drawn(t, most) {
    const stride = Math.ceil((t.length - 1) / most);
    const numbers = Array.from({ length: Math.ceil((t.length - 1) / stride) }, (_, k) => k * stride);
    return [...numbers, t.length - 1];
  }

  /** Coordinates and the rows of heights in which plotly wants a map; null where there is no height. */
  function grid({ x, y, heights }, most) {
    const [columns, rows] = [drawn(x, most), drawn(y, most)];
    const at = (i, j) => (Number.isNaN(heights[i * y.length + j]) ? null : heights[i * y.length + j]);
    return { x: columns.map((i) => x[i]), y: rows.map((j) => y[j]), z: rows.map((j) => columns.map((i) => at(i, j))) };
  }

  /** The surface and its contours on the floor. */
  function surfaces(map, { low, height, label }) {
    const floor = low - FLOOR * height;
    const still = { x: { highlight: false }, y: { highlight: false }, z: { highlight: false } };
    const common = { type: "surface", cmin: low, cmax: low + height, contours: still };
    const surface = {
      ...common, ...grid(map, MOST.surface), colorscale: SMOOTH_COLOURS,
      colorbar: { title: { text: escaped(label), side: "right" }, len: 0.6, thickness: 12, x: 1 },
      hovertemplate: `x %{x:.4g}<br>y %{y:.4g}<br>${escaped(label)} %{z:.4g}<extra></extra>`,
    };
    const { x, y, z } = grid(map, MOST.base);
    const base = {
      ...common, x, y, z: z.map((row) => row.map((at) => (at === null ? null : floor))), surfacecolor: z,
      colorscale: BANDS, showscale: false, hoverinfo: "skip",
      lighting: { ambient: 1, diffuse: 0, specular: 0, fresnel: 0 },
    };
    return [surface, base];
  }

  /** The models that lie in the plane. */
  function models({ x, y, marks, smooth }, { height }) {
    const inside = ([, [atX, atY]]) => x[0] <= atX && atX <= x[x.length - 1] && y[0] <= atY && atY <= y[y.length - 1];
    const found = marks.filter(inside);
    return {
      type: "scatter3d", mode: "markers+text", showlegend: false, hoverinfo: "skip",
      x: found.map(([, at]) => at[0]), y: found.map(([, at]) => at[1]), text: found.map(([name]) => plain(name)),
      z: found.map(([, at]) => smooth.at(...at)[0] + LIFT * height),
      textposition: "top center", marker: { symbol: "cross", size: 5, color: "#111111" },
    };
  }

  /** The points whose values were computed, where others were predicted; on the surface, so that its far side hides them. */
  function dots({ x, y, heights, evaluated, dotted }, { height }) {
    const numbers = dotted && evaluated !== null ? Array.from(evaluated).filter((k) => Number.isFinite(heights[k])) : [];
    return {
      type: "scatter3d", mode: "markers", showlegend: false, hoverinfo: "skip", visible: numbers.length > 0,
      x: numbers.map((k) => x[Math.floor(k / y.length)]), y: numbers.map((k) => y[k % y.length]),
      z: numbers.map((k) => heights[k] + (LIFT * height) / 4), marker: { size: 1.5, color: "#111111" },
    };
  }

  /** The paths that the landscape carries, on the surface as far as it has a height there. */
  function carried({ x, y, paths, smooth }, { height }) {
    const inside = ([atX, atY]) => x[0] <= atX && atX <= x[x.length - 1] && y[0] <= atY && atY <= y[y.length - 1];
    return paths.map(([name, points]) => {
      const heights = points.map((at) => (inside(at) ? smooth.at(...at)[0] : NaN));
      const z = heights.map((at) => (Number.isFinite(at) ? at + LIFT * height : null));
      return {
        type: "scatter3d", mode: "lines+markers", showlegend: false, name: plain(name), z,
        x: points.map(([atX]) => atX), y: points.map(([, atY]) => atY),
        text: points.map(([atX, atY], k) => `${escaped(name)}, point ${k}<br>x ${shown(atX)}<br>y ${shown(atY)}`),
        line: { color: "#6a3d9a", width: 5 }, marker: { size: 2.5, color: "#6a3d9a" },
        hovertemplate: "%{text}<extra></extra>",
      };
    });
  }

  /** A walk as the data of its trace: the line lies a little above the surface. */
  function line({ x, y, height }, scale) {
    if (!x.length) return { x: [null], y: [null], z: [null], text: [""] }; // plotly cannot go on from no point at all
    const said = (at, k) => `step ${k}<br>x ${shown(x[k])}<br>y ${shown(y[k])}<br>${escaped(scale.label)} ${shown(at)}`;
    return { x, y, z: height.map((at) => at + LIFT * scale.height), text: height.map(said) };
  }

  /**
   * Draws a map.
   *
   * map: coordinates x and y, heights, their smooth surface, marks [name, [x, y]], paths [name, points], and a walk; scale: low, high, height and
   * label, common to all maps; degrees: where the camera stands at first. Returns a promise.
   */
  function draw(div, map, scale, degrees) {
    const walk = {
      type: "scatter3d", mode: "lines+markers", showlegend: false, ...line(map.walk, scale),
      line: { color: "#111111", width: 6 }, marker: { size: 3, color: "#ffd43b" },
      hovertemplate: "%{text}<extra></extra>",
    };
    // The ends lie beyond what is drawn, or it would be cut off in places.
    const range = [scale.low - (FLOOR + 0.02) * scale.height, scale.low + 1.05 * scale.height];
    const axis = (text) => ({ title: { text }, showspikes: false, zeroline: false, nticks: 6 });
    const layout = {
      margin: { l: 0, r: 0, t: 0, b: 0 },
      scene: {
        xaxis: axis(`x (along ${plain(map.labels[0])})`),
        yaxis: axis(`y (along ${plain(map.labels[1])})`),
        zaxis: { ...axis(plain(scale.label)), range },
        aspectmode: "manual",
        aspectratio: { x: 1, y: 1, z: 0.7 },
        camera: cameraOf(div) ?? turned(degrees, fitting(div)),
      },
    };
    const traces = [...surfaces(map, scale), walk, models(map, scale), dots(map, scale), ...carried(map, scale)];
    // The buttons that reset the camera tell nobody that they did.
    const buttons = { displaylogo: false, modeBarButtonsToRemove: ["resetCameraDefault3d", "resetCameraLastSave3d"] };
    return Plotly.react(div, traces, layout, { responsive: true, ...buttons });
  }

  /** Draws another walk on a map that is drawn. */
  function moveLine(div, walk, scale) {
    const changed = line(walk, scale);
    const trace = div._fullData[WALK];
    const drawn = div._fullLayout.scene._scene?.traces?.[trace.uid];
    if (!drawn) {
      Plotly.restyle(div, Object.fromEntries(Object.entries(changed).map(([name, values]) => [name, [values]])), [WALK]);
      return;
    }
    // plotly's own way draws every trace again, which takes most of a second for a surface of 481 x 481 points.
    Object.assign(div.data[WALK], changed);
    drawn.update(Object.assign(trace, changed, { _length: changed.x.length }));
  }

  /** The camera that sees the whole scene in a picture of this shape: plotly fits heights, not widths. */
  function fitting({ clientWidth, clientHeight }) {
    const away = clientWidth > 0 ? Math.max(1, (ROOM * clientHeight) / clientWidth) : 1; // hidden: no shape yet
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

  return { MOST, angleOf, cameraOf, draw, moveLine, shown, turned };
})();
