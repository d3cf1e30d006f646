"use strict";

// Handles the controls of the page of landscapes of three axes; levels.js draws.
const explorer = (() => {
  const { LETTERS, cleaned, nearest, notDrawn, scaled, shown, soon, unitOf } = texts;
  const FIRST = 0.2; // fraction of the points at or below the first level
  const { element } = maps;
  const listed = maps.listed(({ t }) => {
    const axes = t.map(walking.decoded);
    return { t: axes, units: axes.map(unitOf) };
  });
  let scale = null; // the common scale of the heights of all maps

  function prepareControls() {
    for (const d of [0, 1, 2]) {
      const [{ names, t, marks }] = listed;
      element(`wall-${d}`).nextElementSibling.textContent = names[d];
      element(`at-${d}`).ariaLabel = names[d];
      // Slices go through the first model, or through the middle if there is no model.
      const start = marks.length ? nearest(t[d], marks[0].at[d]) : Math.floor(t[d].length / 2);
      Object.assign(element(`at-${d}`), { max: t[d].length - 1, value: start });
    }
    maps.offer(listed, ["basins"]);
  }

  /** The settings of the controls for a map; the level is a height. */
  function wanted(map) {
    const opacity = element("opacity");
    return {
      level: level(), shells: Number(element("shells").value), caps: element("caps").checked,
      opacity: opacity.value !== "" && opacity.checkValidity() ? opacity.valueAsNumber : 0.45,
      basins: element("basins").checked && map.basins !== null, walls: [0, 1, 2].map((d) => ({ number: numberOf(map, d), visible: element(`wall-${d}`).checked })),
    };
  }

  /** The height at the slider. */
  function level() {
    const [low, high] = [scale.low, scale.low + scale.height].map((height) => scaled(height, -scale.unit));
    return low + element("level").valueAsNumber * (high - low);
  }

  /** The index of the grid point of a slice of a map: the grid point nearest to the slice of the first map. */
  function numberOf(map, d) {
    const number = element(`at-${d}`).valueAsNumber;
    return map === listed[0] ? number : nearest(map.t[d], listed[0].t[d][number]);
  }

  /** Sets new heights for every map, on one scale, and draws them. */
  function redraw() {
    scale = maps.scaled(listed);
    const ends = listed.map((map) => walking.facts(map.heights));
    const [low, high] = [Math.min(...ends.map((end) => end.low)), Math.max(...ends.map((end) => end.high))];
    element("level-name").textContent = cleaned(scale.label, LETTERS.name);
    const all = Float64Array.from(listed.flatMap((map) => Array.from(map.heights).filter(Number.isFinite))).sort();
    const start = all[Math.floor(FIRST * (all.length - 1))];
    element("level").value = high > low ? (start / 2 - low / 2) / (high / 2 - low / 2) : 1;
    for (const map of listed) explain(map, scale.metric);
    tell();
    return Promise.all(listed.map((map) => levels.draw(map.div, map, scale, wanted(map))));
  }

  /** Writes below a picture what it shows and what it leaves out. */
  function explain(map, metric) {
    const { missing, infinite } = map.facts.get(metric);
    const points = `of ${map.heights.length} points`;
    map.note.textContent = [
      map.said.get(metric) ? `${map.said.get(metric)}.` : "",
      missing ? `${missing} ${points} have no value; the surfaces end just before them.` : "",
      infinite ? `${infinite} ${points} are infinite and drawn at the largest or smallest value.` : "",
      map.t.some(({ length }) => length > levels.MOST + 1)
        ? "The surfaces leave out grid points, so that they follow the slider fast; counts and values under the pointer use all grid points."
        : "",
      map.basins?.about ?? "",
      notDrawn(map.leftOut),
    ].filter(Boolean).join(" ");
  }

  /** Writes the level, the fraction of points below it, and the places of the slices. */
  function tell() {
    const at = level();
    const log = element("log").checked;
    element("level-shown").value = `${shown(at)}${log ? ` = log10 of ${shown(10 ** at)}` : ""}`;
    for (const map of listed) {
      const known = map.heights.filter(Number.isFinite);
      const share = known.filter((height) => height <= at).length / known.length;
      map.told.textContent = `${shown(100 * share)} % of the grid points are at or below the level`;
    }
    for (const d of [0, 1, 2]) element(`at-${d}-shown`).value = shown(listed[0].t[d][numberOf(listed[0], d)]);
  }

  function moveLevel() {
    tell();
    return Promise.all(listed.map((map) => levels.moveLevel(map.div, scale, wanted(map))));
  }

  function moveWall(d) {
    tell();
    return Promise.all(listed.map((map) => levels.moveWall(map.div, map, scale, d, wanted(map).walls[d])));
  }

  /** Writes the values of the loss and of all metrics at the grid point under the pointer. */
  function point(map, { points: [{ x, y, z }] }) {
    const numbers = [x, y, z].map((at, d) => nearest(map.t[d].map((coordinate) => scaled(coordinate, map.units[d])), at));
    const k = (numbers[0] * map.t[1].length + numbers[1]) * map.t[2].length + numbers[2];
    const at = numbers.map((number, d) => `${map.names[d]} ${shown(map.t[d][number])}`);
    const values = Array.from(map.values, ([name, all]) => `${cleaned(name, LETTERS.name)} ${shown(all[k])}`);
    map.pointed.textContent = `nearest grid point: ${[...at, ...values, ...basins.said(map, k)].join(", ")}`;
  }

  function listen() {
    for (const id of ["level", "shells", "opacity", "caps"]) element(id).addEventListener("input", soon(moveLevel));
    for (const d of [0, 1, 2]) {
      element(`wall-${d}`).addEventListener("input", soon(() => moveWall(d)));
      element(`at-${d}`).addEventListener("input", soon(() => {
        element(`wall-${d}`).checked = true; // moving a slice makes it visible
        moveWall(d);
      }));
    }
    maps.listen(listed, { redraw, switches: ["basins"], moved: (map) => maps.follow(listed, map), point, camera: ({ div }) => levels.camera(div) });
  }

  prepareControls();
  const ready = plotlyReady.then(redraw).then(listen);
  return { maps: listed, ready };
})();
